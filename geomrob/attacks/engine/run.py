"""The driver of every attack: validates the inputs, splits them to fit the memory, verifies what is returned."""

from collections.abc import Callable

import torch
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    ImagesLike,
    LabelsLike,
    Logits,
    Model,
    bounds_of,
    check_count,
    check_images,
    check_number,
    check_pair,
)
from geomrob.attacks.engine.boundary_search import OVERSTEP, verified
from geomrob.attacks.engine.linearize import Linearization, linearize
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.inference import Prepared, checked_classes, checked_targets, chunks
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Frame
from geomrob.spectral.subspaces import Subspace

Run = Callable[[Search, slice], SearchResult]
"""Searches the pairs of one chunk, one an image; the slice says which of all the inputs they are."""


def run_attack(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None,
    run: Run,
    *,
    targets: LabelsLike | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    on_boundary: bool,
    forward_only: bool = False,
    copies: int = 16,
    memory: int | None = None,
) -> AttackResult:
    """Return the result of one search per input: split to fit the memory, run, verified on the images returned.

    Args:
        model, inputs, labels, targets, subspace, bounds, memory: As in `deepfool`.
        run: What searches.
        on_boundary: Whether the search ends at the boundary: its points are then handed out a small relative step
            further, else exactly as they are.
        forward_only: Whether the search needs nothing but logits: then the model need not be differentiable.
        copies: Arrays as large as the images that a search holds at once.

    Raises:
        UsageError: As `deepfool`.
    """
    bounds = None if bounds is None else check_pair(bounds)
    inputs = check_images(inputs, bounds if bounds is not None else (0.0, 1.0))
    frame = None if subspace is None else Frame([subspace], inputs.shape[1])
    verify = _beyond_boundary if on_boundary else _as_it_is
    parts: list[tuple[Tensor, ...]] = []
    with Prepared(model, inputs, memory=memory, forward_only=forward_only) as ready:
        ready.check_deterministic()
        reference = ready.predictions.clamp_min(0) if labels is None else checked_classes("labels", labels, ready.clean)
        target = None if targets is None else checked_targets(targets, ready.clean)
        images = ready.images
        for piece in chunks(len(images), images[0].numel() * images.element_size() * copies, ready.memory):
            search = Search(
                ready,
                images[piece],
                frame,
                reference=reference[piece],
                target=None if target is None else target[piece],
                bounds=None if bounds is None else bounds_of(bounds, piece),
            )
            search.clean = ready.clean[piece]
            search.spent.add(search.pairs, forwards=1)
            result = run(search, piece)
            coefficients, success, status, logits = verify(search, result)
            blank = ready.predictions[piece] < 0
            success, status = success & ~blank, torch.where(blank, int(Status.NON_FINITE), status)
            perturbed = search.points(coefficients, search.pairs)
            parts.append((perturbed, success, status, result.steps, *search.spent.whole(), logits))
        *fields, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        perturbed, success, *_ = fields
        ready.check_unchanged(perturbed[success], logits[success])
    return AttackResult(images[:], reference, *fields)


def run_linearized(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None,
    search: Callable[[Search, Linearization], SearchResult],
    candidates: int,
    *,
    targets: LabelsLike | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    memory: int | None = None,
) -> AttackResult:
    """Return the result of a search that starts from the model linearized at each image and ends at the boundary.

    Args:
        model, inputs, labels, targets, subspace, bounds, memory: As in `deepfool`.
        search: What searches, given the pairs and the linearization.
        candidates: Top classes whose gradients the linearization has; each is an array as large as the images.

    Raises:
        UsageError: Fewer than 2 candidates, and as `deepfool`.
    """
    candidates = check_count("candidates", candidates, 2, "the class to leave is one of them")
    return run_attack(
        model,
        inputs,
        labels,
        lambda pairs, _: search(pairs, linearize(pairs, candidates)),
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        on_boundary=True,
        copies=candidates + 16,
        memory=memory,
    )


def check_strength(epsilon: float, name: str = "epsilon", usual: str = "8/255 is usual in linf") -> float:
    """Return the strength of a perturbation as a float, by the name and with the advice of who gave it.

    Raises:
        UsageError: Negative, NaN, infinite, or no number.
    """
    return check_number(name, epsilon, 0, usual)


def _beyond_boundary(search: Search, result: SearchResult) -> tuple[Tensor, Tensor, Tensor, Logits]:
    """Return the points a small step beyond the boundary, which are adversarial, their status, and their logits."""
    coefficients, success, logits = verified(search, result, (OVERSTEP, 0.0))
    status = torch.where(result.success & ~success, int(Status.STEP_LIMIT), result.status)
    return coefficients, success, status, logits


def _as_it_is(search: Search, result: SearchResult) -> tuple[Tensor, Tensor, Tensor, Logits]:
    """Return the points as they are, which are adversarial, their status, and the logits of those evaluated again."""
    found = result.success.nonzero().squeeze(1)
    success, status, every = torch.zeros_like(result.success), result.status.clone(), search.clean.clone()
    if len(found):
        logits = every[found] = search.logits(result.coefficients[found], found)
        finite = torch.isfinite(logits).all(1)
        success[found] = finite & (search.logit_gap(logits, found) < 0)
        status[found] = torch.where(finite, int(Status.STEP_LIMIT), int(Status.NON_FINITE))
        status[success] = Status.FOUND
    return result.coefficients, success, status, every
