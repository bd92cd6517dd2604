"""How the outputs of a model are read: unwrapped to a row of scores an image, taken for logits or probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Images, Logits, Model
from geomrob.errors import UsageError, note, unknown
from geomrob.inference.classes import predicted_classes

OUTPUTS = ("auto", "logits", "probabilities")
"""What the caller may say of them; auto looks at those of the clean images."""

Scores = Float[Tensor, "n s"]
"""One row an image of whatever the model returns: logits or probabilities; one column of a model with one output."""


@dataclass
class Reading:
    """What is known of the outputs of one model, settled on its clean images and kept for all others.

    Attributes:
        outputs: What the caller said, a row of `OUTPUTS`.
        kind: "logits", "probabilities" (rows that sum to 1) or "sigmoids" (one probability a class); "" until settled.
        notes: What was converted, a sentence each.
        batched: Whether a call with several images has worked.
        autocast: Precision of the autocast region that the model was handed over in; None outside of one.
    """

    outputs: str = "auto"
    kind: str = ""
    notes: list[str] = field(default_factory=list[str])
    batched: bool = False
    autocast: torch.dtype | None = None


SAME = 1e-3
"""Difference of logits, relative to the largest one, up to which rounding explains it."""


RULED_OUT = -1e6
"""The logit that stands for -infinity, which models give to classes that they rule out."""


class FlattenedError(UsageError):
    """The rows of several images in one vector: no sign of a model that takes one image only."""


def scores_of(output: object, count: int, notes: list[str] | None = None) -> Scores:
    """Return one row of scores for each of `count` images, out of what a model returned.

    A tensor is taken as it is; of an object, mapping or named tuple its `logits`; of another mapping its only tensor,
    of another sequence its first tensor with a row an image, which is noted where there are several. Trailing axes of
    length 1 are dropped; a vector is one score for each image (or, for a single image, its row).

    Raises:
        UsageError: Nothing in it is one row of floats an image.

    Example:
        >>> scores_of({"logits": torch.zeros(2, 3, 1, 1)}, 2).shape, scores_of(torch.zeros(5), 5).shape
        (torch.Size([2, 3]), torch.Size([5, 1]))
    """
    tensor = _unwrapped(output, count, [] if notes is None else notes)
    if not tensor.is_floating_point():
        raise UsageError(
            f"model must return a tensor of float logits; got {tensor.dtype}: wrap it in a function that does"
        )
    scores = _rows(tensor, count)
    if scores is None:
        kind = FlattenedError if tensor.ndim == 1 and count > 1 and len(tensor) % count == 0 else UsageError
        raise kind(
            f"model must return logits shaped (N, K) with K >= 1; got {tuple(tensor.shape)} for {count} images: "
            "return one score per class"
        )
    return scores


def settle(reading: Reading, scores: Scores) -> None:
    """Decide what the scores of the clean images are, and note what is converted.

    Raises:
        UsageError: They are said to be probabilities and do not lie in [0, 1].
    """
    finite = scores[torch.isfinite(scores).all(1)]
    tolerance = max(1e-3, 4 * torch.finfo(_precision(finite)).eps)
    inside = len(finite) > 0 and bool(((finite >= 0) & (finite <= 1 + tolerance)).all())
    single = scores.shape[1] == 1
    normalised = inside and not single and bool(((finite.sum(1) - 1).abs() <= tolerance).all())
    if reading.outputs == "probabilities" and not inside and len(finite):
        span = f"{float(finite.min()):.3g} to {float(finite.max()):.3g}"
        raise UsageError(f"model must return probabilities, as outputs says; got {span}: say logits or leave it out")
    kind = "probabilities" if normalised else "sigmoids" if inside else "logits"
    if reading.outputs == "logits" or (reading.outputs == "auto" and kind == "sigmoids" and not single):
        kind = "logits"
    reading.kind = kind
    if normalised and kind == "logits":
        reading.notes.append("the model returns rows that sum to 1 as probabilities do; taken for logits as asked")
    elif kind == "probabilities":
        reading.notes.append("the model returns probabilities (rows that sum to 1); their logarithm is taken")
    elif kind == "sigmoids":
        what = "one probability an image" if single else "one probability for each class"
        reading.notes.append(f"the model returns {what} (in [0, 1]): log(p / (1 - p)) is taken for its logit")
    elif inside and not single and reading.outputs == "auto" and not bool((finite == finite[:1]).all()):
        reading.notes.append(
            "the model returns values in [0, 1] that do not sum to 1: they are taken for logits; if they come from a "
            "sigmoid, say that its outputs are probabilities"
        )
    reading.notes += _doubts(kind, scores, finite)
    if single:
        reading.notes.append("the model has one output: read as two classes, 1 where its logit is above 0")


def _precision(scores: Tensor) -> torch.dtype:
    """Return the narrowest type that holds these scores exactly: the one they were computed in, as far as is known."""
    narrow = (kind for kind in (torch.bfloat16, torch.float16) if torch.equal(scores.to(kind).to(scores.dtype), scores))
    return next(narrow, scores.dtype)


def _doubts(kind: str, scores: Scores, finite: Tensor) -> list[str]:
    """Return what is to be noted of scores that can be taken for `kind` but look like something else."""
    notes: list[str] = []
    ruled_out = int((scores.isneginf() & scores.amax(1, keepdim=True).isfinite()).any(0).sum())
    if ruled_out:
        notes.append(f"the model returns -infinity for {ruled_out} of its classes: they are taken for {RULED_OUT:g}")
    if not len(finite) or scores.shape[1] == 1:
        return notes
    if kind == "probabilities":
        lost = int((finite.topk(2).values[:, 1] <= 0).sum())
        if lost:
            notes.append(
                f"{lost} of {len(scores)} images have probability 0 of every class but one: their gradients are lost "
                "and searches of them may fail; return logits instead"
            )
        return notes
    sums = finite.sum(1)
    constant = float((sums - sums[0]).abs().max()) <= 1e-3 * float(sums[0].abs()) and not torch.equal(
        finite, finite[:1].expand_as(finite)
    )
    if constant and float(finite.min()) >= 0 and float(finite.max()) > 1:
        notes.append(
            f"the model returns rows that are never negative and sum to {float(sums[0]):.4g}: they are taken for "
            "logits; if they are percentages, let it return logits"
        )
    return notes


def oddities(scores: Scores, images: Images) -> list[str]:
    """Return what is to be noted of the scores of clean images: NaN for some images, the same for all of them."""
    notes: list[str] = []
    bad = (predicted_classes(scores) < 0).nonzero().flatten().tolist()
    if bad:
        notes.append(
            f"the model returns NaN or infinity for {len(bad)} of {len(scores)} images (the first: image {bad[0]}): "
            "they have no predicted class, count as not classified as labelled, and no search of them succeeds"
        )
    if len(scores) > 1 and bool((scores == scores[:1]).all()) and not bool((images == images[:1]).all()):
        notes.append("the model returns the same logits for every image: no perturbation is known to change it")
    return notes


def to_logits(scores: Scores, kind: str) -> Logits:
    """Return scores of a settled kind as logits; an underflown probability gives a finite one.

    Raises:
        UsageError: Probabilities outside [0, 1].

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> torch.allclose(to_logits(logits.softmax(1), "probabilities").diff(), logits.diff())
        True
    """
    if kind != "logits":
        span = scores.detach().nan_to_num(0.5, 0.5, 0.5)
        if bool((span < 0).any()) or bool((span > 1 + 1e-3).any()):
            worst = float(span.min()) if bool((span < 0).any()) else float(span.max())
            raise UsageError(
                f"model must return probabilities as for the clean images; got {worst:.3g}: if these are logits, "
                "say so with outputs='logits' (--outputs logits)"
            )
        limits = torch.finfo(scores.dtype)
        logarithms = scores.clamp_min(limits.tiny).log()
        others = 0 if kind == "probabilities" else torch.log1p(-scores.clamp_max(1 - limits.eps / 2))
        scores = logarithms - others
    if bool((lost := scores.detach().isneginf()).any()):
        scores = scores.masked_fill(lost & scores.detach().amax(1, keepdim=True).isfinite(), RULED_OUT)
    return torch.cat((torch.zeros_like(scores), scores), 1) if scores.shape[1] == 1 else scores


def check_outputs(outputs: str) -> str:
    """Return what the caller says of a model's outputs, refusing what is none of `OUTPUTS`."""
    if outputs not in OUTPUTS:
        raise unknown("outputs", outputs, OUTPUTS)
    return outputs


def _unwrapped(output: object, count: int, notes: list[str]) -> Tensor:
    """Return the tensor of scores inside an output; a choice is noted once."""
    if isinstance(output, Tensor):
        return output
    named: object = getattr(output, "logits", None)
    if isinstance(output, Mapping):
        held = cast("Mapping[str, object]", output)
        tensors = {key: value for key, value in held.items() if isinstance(value, Tensor)}
        named = tensors.get("logits", next(iter(tensors.values())) if len(tensors) == 1 else named)
        if not isinstance(named, Tensor):
            keys = ", ".join(map(str, held)) or "none"
            raise UsageError(f"model must return logits under the key 'logits'; got the keys {keys}: name it so")
    elif not isinstance(named, Tensor) and isinstance(output, Sequence):
        held = [one for one in cast("Sequence[object]", output) if isinstance(one, Tensor)]
        # Of several, a vector may be the row of one image as well as a score of each.
        rows = [one for one in held if _fits(one, count) and (one.ndim > 1 or count == 1 or len(held) == 1)]
        named = rows[0] if rows else None
        if len(rows) > 1:
            columns = ", ".join(str(one.shape[-1] if one.ndim < 3 else one.shape[1]) for one in rows)
            text = f"the model returns {len(rows)} tensors, of {columns} columns: the first is taken for its logits"
            if text not in notes:
                notes.append(text)
                note(text)
    if isinstance(named, Tensor):
        return named
    raise UsageError(
        f"model must return a tensor of float logits; got {type(output).__name__}: wrap it in a function that does"
    )


def _fits(tensor: Tensor, count: int) -> bool:
    return tensor.ndim > 0 and tensor.is_floating_point() and _rows(tensor, count) is not None


def _rows(tensor: Tensor, count: int) -> Scores | None:
    """Return the tensor as (N, K), None where it is not one row an image."""
    if tensor.ndim > 2 and tensor[0].numel() == tensor.shape[1]:
        tensor = tensor.flatten(1)
    if tensor.ndim == 1 and count == 1 and len(tensor) > 1:
        return tensor[None]
    if tensor.ndim < 2 and tensor.numel() == count:
        return tensor.reshape(count, 1)
    return tensor if tensor.ndim == 2 and len(tensor) == count and tensor.shape[1] > 0 else None


def said_outputs(model: Model) -> str:
    """Return what a model says of its own outputs, `auto` where it says nothing."""
    said: object = getattr(model, "output_kind", None)
    return said if isinstance(said, str) and said in OUTPUTS else "auto"


def agree(one: Logits, other: Logits) -> bool:
    """Return whether logits agree apart from rounding; NaN agrees with NaN."""
    one, other = (logits.nan_to_num().masked_fill(logits == RULED_OUT, 0) for logits in (one, other))
    scale = other.abs().amax(1).clamp_min(torch.finfo(other.dtype).tiny)
    return bool(((one - other).abs().amax(1) <= SAME * scale).all())
