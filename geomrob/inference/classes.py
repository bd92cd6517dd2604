"""Logits and classes: the logit gap, and the checks of labels and targets against logits."""

import math

import torch

from geomrob.arrays import Distances, Labels, LabelsLike, Logits, as_labels
from geomrob.errors import UsageError


def logit_gap(outputs: Logits, labels: Labels, targets: Labels | None = None) -> Distances:
    """Return f_c - max_{k != c} f_k for the classes c of `labels`, or its negative for those of `targets`.

    It is negative exactly where the output is adversarial: another class than the label, or the target, is on top. It
    is NaN where only an infinite logit puts it there, which is no prediction.
    """
    held = labels if targets is None else targets
    own = outputs.gather(1, held[:, None]).squeeze(1)
    best = outputs.scatter(1, held[:, None], -math.inf).amax(1)
    gap = own - best if targets is None else best - own
    return gap.masked_fill(gap == -math.inf, math.nan)


def predicted_classes(outputs: Logits) -> Labels:
    """Return the predicted class of each row, -1 where the model returned NaN or nothing finite: it predicts none.

    Example:
        >>> predicted_classes(torch.tensor([[0.0, 1.0], [torch.nan, 1.0]])).tolist()
        [1, -1]
    """
    return torch.where(outputs.amax(1).isfinite(), outputs.argmax(1), -1)


def check_finite(outputs: Logits) -> None:
    """Refuse a model of which no logit is finite.

    Raises:
        UsageError: Not one is.
    """
    if not bool(torch.isfinite(outputs).any()):
        raise UsageError("model must return finite logits; got NaN or infinity for every image: check its weights")


def checked_classes(name: str, classes: LabelsLike, outputs: Logits) -> Labels:
    """Return the classes, one an image, on the device of the logits; refuse what the logits have no column for."""
    classes = as_labels(classes, name=name)
    count = outputs.shape[1]
    if classes.shape != outputs.shape[:1] or classes.dtype != torch.int64:
        kind = f"{tuple(classes.shape)} of {classes.dtype}"
        raise UsageError(f"{name} must be shaped ({len(outputs)},) of torch.int64; got {kind}: give one class an image")
    if bool(((classes < 0) | (classes >= count)).any()):
        kind = f"{int(classes.min())} to {int(classes.max())}"
        raise UsageError(f"{name} must be classes from 0 to {count - 1}; got {kind}: the model has {count} outputs")
    return classes.to(outputs.device)


def checked_targets(targets: LabelsLike, outputs: Logits) -> Labels:
    """Return the targets, refusing those that are the current class already."""
    targets = checked_classes("targets", targets, outputs)
    same = (targets == predicted_classes(outputs)).nonzero().flatten()
    if len(same):
        raise UsageError(
            f"targets must differ from the current class; got class {int(targets[same[0]])} for image "
            f"{int(same[0])}, which has it already: choose another target"
        )
    return targets
