"""The shell around every search: what comes in is checked, what goes out is asked again."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Logits, Model, check_images
from geomrob.attacks.engine.boundary_search import HAIR, verified
from geomrob.attacks.engine.linearize import Linear, linearise
from geomrob.attacks.engine.search import Found, Search
from geomrob.errors import UsageError
from geomrob.inference import MEMORY, block_size, evaluating
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


TileRun = Callable[[Search, slice], Found]
"""Searches the images of one tile; the slice says which of all the inputs they are."""

CPU_BLIND, GPU_BLIND = 16, 4096
"""Most samples per call where no slopes are wanted: small, since single images are padded to it on a CPU."""


def direct(
    model: Model,
    inputs: Images,
    labels: Labels | None,
    run: TileRun,
    *,
    targets: Labels | None = None,
    bounds: Bounds = (0.0, 1.0),
    blind: bool = False,
    closest: bool = False,
    copies: int = 16,
    memory: int | None = None,
) -> AttackResult:
    """Return what a run proposes for each input, verified on the images returned.

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in [0, 1].
        labels: Classes to leave; the predicted ones by default.
        run: What proposes perturbations; those it calls found are asked about once more.
        targets: Classes to reach instead.
        bounds: The box that each perturbed image is clamped to, numbers or one row an image.
        blind: Whether the model is asked for nothing but logits: then it need not be differentiable.
        closest: Whether the proposals lie on the boundary to the last bit: they are handed out a hair further.
        copies: Arrays as large as the images that a run holds at once.
        memory: Budget in bytes for activations and search state, 1 GiB by default.

    Raises:
        UsageError: Images outside [0, 1], labels or targets that the model has no class for, a model that returns no
            finite (N, K) logits.
    """
    check_images(inputs)
    inputs = inputs.detach()
    budget = MEMORY if memory is None else memory
    parts: list[tuple[Tensor, ...]] = []
    with evaluating(model):
        clean, block = clean_logits(model, inputs, call_size(model, inputs, budget, blind=blind))
        reference = clean.argmax(1) if labels is None else checked_classes("labels", labels, clean)
        goal = None if targets is None else checked_targets(targets, clean)
        for start, stop in chunks(len(inputs), inputs[0].numel() * inputs.element_size() * copies, budget):
            piece = slice(start, stop)
            search = Search(
                model,
                inputs[piece],
                reference=reference[piece],
                target=None if goal is None else goal[piece],
                bounds=rows(bounds, piece),
                block=block,
            )
            search.clean = clean[piece]
            search.forwards += 1
            found = run(search, piece)
            coefficients, success, status = _at_boundary(search, found) if closest else _verify(search, found)
            spent = (search.forwards.round().long(), search.backwards.round().long())
            parts.append((search.points(coefficients, search.pairs), success, status, found.steps, *spent))
            block = search.block
    return AttackResult(inputs, reference, *(torch.cat(part) for part in zip(*parts, strict=True)))


def rows(bounds: Bounds, piece: slice) -> Bounds:
    """Return the bounds of some images: tensors with one row an image are cut, all else is shared."""
    low, high = (
        side[piece] if isinstance(side, Tensor) and side.ndim == 4 and len(side) > 1 else side for side in bounds
    )
    return low, high


def check_strength(epsilon: float) -> None:
    """Refuse what is no strength of a perturbation.

    Raises:
        UsageError: Negative, NaN or infinite.
    """
    if not 0 <= epsilon < float("inf"):
        raise UsageError(f"epsilon must be a finite number of at least 0; got {epsilon}: 8/255 is usual in linf")


def call_size(model: Model, inputs: Images, memory: int, *, blind: bool) -> int:
    """Return how many samples one call takes; without slopes it is not measured, and halved if memory runs out."""
    if not blind:
        return block_size(model, inputs, memory)
    most = CPU_BLIND if inputs.device.type == "cpu" else GPU_BLIND
    fit = memory // (64 * inputs[0].numel() * inputs.element_size())
    return min(most, 1 << max(0, fit.bit_length() - 1))


def _at_boundary(search: Search, found: Found) -> tuple[Tensor, Tensor, Tensor]:
    """Return the proposals a hair beyond the boundary, which of them change the decision, and their status."""
    coefficients, success, _ = verified(search, found, (HAIR, 0.0))
    return coefficients, success, torch.where(found.success & ~success, int(Status.STEP_LIMIT), found.status)


def _verify(search: Search, found: Found) -> tuple[Tensor, Tensor, Tensor]:
    """Return the proposals as they are, which of them change the decision, asked once more, and their status."""
    asked = found.success.nonzero().squeeze(1)
    success, status = torch.zeros_like(found.success), found.status.clone()
    if len(asked):
        logits = search.logits(found.coefficients[asked], asked)
        finite = torch.isfinite(logits).all(1)
        success[asked] = finite & (search.gap(logits, asked) < 0)
        status[asked] = torch.where(finite, int(Status.STEP_LIMIT), int(Status.NON_FINITE))
        status[success] = Status.FOUND
    return found.coefficients, success, status
