"""The shell around every search: what comes in is checked, what goes out is asked again."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Logits, Model, UsageError, check_images
from geomrob.attacks.calls import MEMORY, block_size, evaluating
from geomrob.attacks.linear import Linear, linearise
from geomrob.attacks.refine import HAIR, verified
from geomrob.attacks.search import Found, Search
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Frame
from geomrob.spectral.subspaces import Subspace

Run = Callable[[Search, Linear], Found]


def attack(
    model: Model,
    inputs: Images,
    labels: Labels | None,
    run: Run,
    *,
    targets: Labels | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    candidates: int = 10,
    memory: int | None = None,
) -> AttackResult:
    """Return the result of one search per input: split to fit the memory, run, verified on the images returned.

    Args:
        model, inputs, labels, targets, subspace, bounds, candidates, memory: As in `deepfool`.
        run: Searches the pairs of one chunk, given the model linearised at their images.
    """
    check_images(inputs, bounds if bounds is not None else (0.0, 1.0))
    if candidates < 2:
        raise UsageError(f"candidates must be at least 2; got {candidates}: the class to leave is one of them")
    inputs = inputs.detach()
    frame = None if subspace is None else Frame([subspace], inputs.shape[1])
    budget = MEMORY if memory is None else memory
    parts: list[tuple[Tensor, ...]] = []
    with evaluating(model):
        clean, block = clean_logits(model, inputs, block_size(model, inputs, budget))
        current = clean.argmax(1)
        reference = current if labels is None else checked_classes("labels", labels, clean)
        goal = None if targets is None else checked_targets(targets, clean)
        for start, stop in chunks(len(inputs), inputs[0].numel() * inputs.element_size() * (candidates + 16), budget):
            piece = slice(start, stop)
            search = Search(
                model,
                inputs[piece],
                frame,
                reference=reference[piece],
                target=None if goal is None else goal[piece],
                bounds=None if bounds is None else (_part(bounds[0], piece), _part(bounds[1], piece)),
                block=block,
            )
            search.forwards += 1
            found = run(search, linearise(search, candidates))
            coefficients, success, _ = verified(search, found, (HAIR, 0.0))
            status = torch.where(found.success & ~success, int(Status.STEP_LIMIT), found.status)
            perturbed = search.points(coefficients, search.pairs)
            spent = (search.forwards.round().long(), search.backwards.round().long())
            parts.append((perturbed, success, status, found.steps, *spent))
            block = search.block
    return AttackResult(inputs, reference, *(torch.cat(part) for part in zip(*parts, strict=True)))


def clean_logits(model: Model, inputs: Images, block: int) -> tuple[Logits, int]:
    """Return the logits (N, K) of the inputs, and how many samples one call took: `block`, or what the memory holds.

    Raises:
        UsageError: The model returns no (N, K) scores, or nothing finite.
    """
    logits, block = all_logits(model, inputs, block)
    check_finite(logits)
    return logits, block


def all_logits(model: Model, inputs: Images, block: int) -> tuple[Logits, int]:
    """Return the same as `clean_logits`, also of a model that says nothing finite."""
    parts: list[Logits] = []
    for images in inputs.split(16 * block):
        here = torch.zeros(len(images), dtype=torch.int64, device=inputs.device)
        search = Search(model, images, reference=here, block=block)
        parts.append(search.logits(search.zeros(), search.pairs))
        block = search.block
    return torch.cat(parts), block


def check_finite(logits: Logits) -> None:
    """Refuse a model of which no logit is finite."""
    if not bool(torch.isfinite(logits).any()):
        raise UsageError("model must return finite logits; got NaN or infinity for every image: check its weights")


def checked_classes(name: str, classes: Labels, logits: Logits) -> Labels:
    """Return the classes, one an image, on the device of the logits; refuse what the logits have no column for."""
    count = logits.shape[1]
    if classes.shape != logits.shape[:1] or classes.dtype != torch.int64:
        found = f"{tuple(classes.shape)} of {classes.dtype}"
        raise UsageError(f"{name} must be shaped ({len(logits)},) of torch.int64; got {found}: give one class an image")
    if bool(((classes < 0) | (classes >= count)).any()):
        found = f"{int(classes.min())} to {int(classes.max())}"
        raise UsageError(f"{name} must be classes from 0 to {count - 1}; got {found}: the model has {count} outputs")
    return classes.to(logits.device)


def checked_targets(targets: Labels, logits: Logits) -> Labels:
    """Return the targets, refusing those that are the current class already."""
    targets = checked_classes("targets", targets, logits)
    same = (targets == logits.argmax(1)).nonzero().flatten()
    if len(same):
        raise UsageError(
            f"targets must differ from the current class; got class {int(targets[same[0]])} for image "
            f"{int(same[0])}, which has it already: choose another target"
        )
    return targets


def chunks(count: int, each: int, memory: int) -> Iterator[tuple[int, int]]:
    """Yield ranges that cover `count` items of `each` bytes so that one range takes at most half the budget."""
    size = max(1, memory // 2 // max(1, each))
    for start in range(0, count, size):
        yield start, min(count, start + size)


def _part(side: float | Tensor, piece: slice) -> float | Tensor:
    """Return a bound for a part of the images: tensors with one row an image are cut, all else is shared."""
    return side[piece] if isinstance(side, Tensor) and side.ndim == 4 and len(side) > 1 else side
