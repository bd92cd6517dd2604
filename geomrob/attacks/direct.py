"""The shell around attacks that need no linearised model: checks in, the run in tiles, one counted verification out."""

from collections.abc import Callable

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Model, UsageError, check_images
from geomrob.attacks.attack import checked_classes, checked_targets, chunks, clean_logits
from geomrob.attacks.calls import MEMORY, block_size, evaluating
from geomrob.attacks.refine import HAIR, verified
from geomrob.attacks.search import Found, Search
from geomrob.results import AttackResult, Status

Run = Callable[[Search, slice], Found]
"""Searches the images of one tile; the slice says which of all the inputs they are."""

CPU_BLIND, GPU_BLIND = 16, 4096
"""Most samples per call where no slopes are wanted: small, since single images are padded to it on a CPU."""


def direct(
    model: Model,
    inputs: Images,
    labels: Labels | None,
    run: Run,
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
