"""Properties of a model that no attack tests: is it deterministic, are its gradients correct, is it smooth?"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, Logits, Model, norms, per_sample
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.errors import UsageError
from geomrob.inference import evaluate, gradient
from geomrob.randomness import normal, sample
from geomrob.results import Status

POINTS = 41
"""Points along a direction where the logit gap is evaluated, from the image to twice the boundary's distance."""

FACTORS = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)
"""How many times longer than on its own model a transferred perturbation is tried, before the box cuts it."""

STEPS = (0.01, 0.1)
"""Lengths in [0, 1] units of the steps that compare the gradient with the actual change of the logits."""

TINY = 1e-3
"""Length in [0, 1] units of a step that changes the logits of any model without rounding."""

SAME = 1e-3
"""Relative difference of logits up to which rounding explains that they depend on the batch."""


def differentiable(model: Model, inputs: Images) -> bool:
    """Return whether any gradient reaches the images."""
    where = inputs[:1].clone().requires_grad_()
    try:
        with torch.enable_grad():
            gradient(evaluate(model, where).sum(), where)
    except UsageError:
        return False
    return True


def changing(search: Search) -> Bool[Tensor, " n"]:
    """Return for which images two equal calls give different logits."""
    again = search.logits(search.zeros(), search.pairs)
    return (again.nan_to_num() != search.clean.nan_to_num()).any(1)


def neighbours(search: Search) -> Bool[Tensor, " n"]:
    """Return which images get other logits, beyond rounding, when the rest of the batch is another.

    Each image is evaluated once among copies of itself; the clean logits were evaluated among other images.
    """
    alone = _free(search)
    parts = [alone.logits(alone.zeros()[:1], alone.pairs[i : i + 1]) for i in range(len(search))]
    scale = search.clean.abs().amax(1).clamp_min(torch.finfo(search.clean.dtype).tiny)
    return (torch.cat(parts) - search.clean).abs().amax(1) > SAME * scale


def gradient_quality(search: Search) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"], Distances]:
    """Return where the gradients of logit gap and cross-entropy vanish, and how correct those of the gap are.

    A gradient vanishes if it is exactly zero or not finite. The last is the change of the gap over short steps along
    its gradient (half a step to either side) relative to the change that the gradient predicts, for the step where it
    is further from 1: about 1 for a smooth model, anything else for an incorrect gradient, NaN where it vanishes.
    """

    def objectives(logits: Logits, pairs: Labels) -> Tensor:
        loss = F.cross_entropy(logits, search.reference[pairs], reduction="none")
        return torch.stack((search.logit_gap(logits, pairs), loss), 1)

    _, _, inner, length = search.gradients(search.zeros(), search.pairs, objectives)
    vanishing = (length == 0) | ~torch.isfinite(length)
    toward = torch.nan_to_num(inner[:, 0] / per_sample(length[:, 0], inner[:, 0]))
    # The box would cut the steps of black and white pixels: what is tested is the model, not the box.
    free = _free(search)
    worst = torch.full_like(length[:, 0], torch.nan)
    for step in STEPS:
        ahead, behind = (
            free.logit_gap(free.logits(half * toward, free.pairs), free.pairs) for half in (step / 2, -step / 2)
        )
        ratio = (ahead - behind) / (step * length[:, 0])
        off, most = ((value.clamp_min(1e-12).log()).abs() for value in (ratio, worst))
        worst = torch.where(~(off <= most), ratio, worst)
    return vanishing[:, 0], vanishing[:, 1], torch.where(vanishing[:, 0], torch.nan, worst)


def unchanged(search: Search, toward: Images) -> Bool[Tensor, " n"]:
    """Return which images get exactly the same logits after a tiny step along unit directions."""
    free = _free(search)
    moved = free.logits(TINY * toward, free.pairs)
    return (moved.nan_to_num() == search.clean.nan_to_num()).all(1)


def _free(search: Search) -> Search:
    """Return a search over the same images without a box; what it costs is counted together."""
    return Search(search.ready, search.images, reference=search.reference, spent=search.spent)


def transferred(search: Search, perturbations: Images) -> Distances:
    """Return the l2 distance at which perturbations of other models change the prediction, inside the box.

    Each is tried at growing lengths and the first adversarial one is shortened to the boundary; infinity where none is
    adversarial or where the perturbation is zero.
    """
    best = search.zeros()
    status = torch.full_like(search.image, Status.STEP_LIMIT)
    live = (norms(perturbations) > 0).nonzero().squeeze(1)
    for factor in FACTORS:
        if not len(live):
            break
        images = search.images[live]
        moved = (images + factor * perturbations[live]).clamp(0, 1) - images
        adversarial = search.is_adversarial(moved, live)
        best[live[adversarial]] = moved[adversarial]
        status[live[adversarial]] = Status.FOUND
        live = live[~adversarial]
    refined = refine(search, SearchResult(best, status, torch.zeros_like(status)))
    return torch.where(refined.success, norms(refined.coefficients), torch.inf)


def directions(like: Images, *, indices: Labels, seed: int) -> Images:
    """Return one random unit direction an image, drawn by (seed, position of the image in its source)."""
    random = sample(normal, "audit", seed, indices, like)
    return random / per_sample(norms(random), random)


def profile(search: Search, toward: Images, reach: Distances) -> Float[Tensor, "n t"]:
    """Return the logit gap at `POINTS` equidistant points up to `reach` along unit directions, in free space.

    Args:
        search: The images.
        toward: Unit directions.
        reach: How far, finite.
    """
    free = _free(search)
    gaps = [
        free.logit_gap(free.logits(per_sample(reach * (t / (POINTS - 1)), toward) * toward, free.pairs), free.pairs)
        for t in range(POINTS)
    ]
    return torch.stack(gaps, 1).nan_to_num(0, math.inf, -math.inf)
