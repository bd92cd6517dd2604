"""The shell around every search: what comes in is checked, what goes out is asked again."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Model, UsageError, check_images
from geomrob.attacks.search import MEMORY, Found, Linear, Search, block_size, evaluating, linearise
from geomrob.results import AttackResult
from geomrob.spectral.frames import Coordinates, Frame, WholeSpace
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
    channels = inputs.shape[1]
    frame: Coordinates = WholeSpace(tuple(inputs.shape[1:])) if subspace is None else Frame([subspace], channels)
    budget = MEMORY if memory is None else memory
    with evaluating(model):
        block = block_size(model, inputs, budget)
        parts = []
        for start, stop in chunks(len(inputs), inputs[0].numel() * inputs.element_size() * (candidates + 16), budget):
            piece = slice(start, stop)
            clean = predictions(model, inputs[piece], block)
            reference = clean if labels is None else labels[piece].to(inputs.device)
            goal = None if targets is None else checked_targets(targets[piece].to(inputs.device), clean)
            search = Search(
                model,
                inputs[piece],
                frame,
                reference=reference,
                target=goal,
                bounds=None if bounds is None else tuple(_part(side, piece) for side in bounds),
                block=block,
            )
            search.forwards += 1
            found = run(search, linearise(search, candidates))
            success = found.success & search.crosses(found.coefficients, search.pairs)
            perturbed = search.points(found.coefficients, search.pairs)
            spent = (search.forwards.round().long(), search.backwards.round().long())
            parts.append((reference, perturbed, success, found.status, found.steps, *spent))
    reference, perturbed, success, status, steps, forwards, backwards = (torch.cat(p) for p in zip(*parts, strict=True))
    return AttackResult(inputs, reference, perturbed, success, status, steps, forwards, backwards)


def predictions(model: Model, inputs: Images, block: int) -> Labels:
    """Return the class (N,) that the model gives each input, in calls of one shape.

    Raises:
        UsageError: The model returns no (N, K) scores, or nothing finite.
    """
    here = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    search = Search(model, inputs, reference=here, block=block)
    logits = search.logits(search.zeros(), search.pairs)
    if not bool(torch.isfinite(logits).any()):
        raise UsageError("model must return finite logits; got NaN or infinity for every image: check its weights")
    return logits.argmax(1)


def checked_targets(targets: Labels, current: Labels) -> Labels:
    """Return the targets, refusing those that are the current class already."""
    same = (targets == current).nonzero().flatten()
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
