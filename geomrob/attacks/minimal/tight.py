"""Tight margins: a decoupled direction-and-norm search that starts from DeepFool and anneals its angle."""

import math
from functools import partial

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Distances, ImagesLike, Labels, LabelsLike, Logits, Model, norms, per_sample
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import Linearization, towards_boundary
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, keep_closest, rounding
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace

ANGLES = (3.0, 0.05)
"""First and last step along the unit gradient, as a multiple of the radius."""

SHRINKS = (0.8, 0.005)
"""First and last relative change of the radius a step in a subspace; the whole space, less bent, starts gentler."""

SLACK = 1e-4
"""Relative distance beyond the boundary at which the last step, along the normal, is tried."""

SOFTNESS = 0.1
"""First temperature of the soft maximum of the rivals, as a share of the logit gap at the image; it falls to 0."""


def tight(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    budget: int = 60,
    candidates: int = 10,
    memory: int | None = None,
) -> AttackResult:
    r"""Return the smallest l2 perturbations that geomrob can find at a given price.

    A run keeps a point of radius rho around the image. Each step turns it by the unit gradient g of the logit gap,

        r <- rho' (r + a rho g) / ||r + a rho g||,

    with rho' = (1 - s) rho where the point is adversarial and (1 + s) rho, but below the best radius, where it is not.
    The angle a falls from 3 (the direction is nearly replaced by g: runs hop between basins) to 0.05 (they settle) and
    s from 0.8 to 0.005, both along a cosine in the logarithm. The first steps climb a soft maximum over the rival
    classes, the last ones the nearest rival.

    The search starts with a short DeepFool along the nearest rival, pulled back to the boundary; the first run only
    looks closer than that. With budget left, further runs start at the next nearest rivals; a third one only searches
    the pairs whose first two disagree. A last step tries the normal of the boundary at the best point.

    Args:
        model, inputs, labels, targets, subspace, bounds, candidates, memory: As in `deepfool`.
        budget: Backward evaluations per input, at least 20. In a subspace it buys one run, two from 90 and three from
            300; in the whole space, where the start costs `candidates - 1` of them, four runs from about 60.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: As `deepfool`, and a budget under 20.

    References:
        Rony et al., "Decoupling direction and norm ...", CVPR 2019, whose decoupling this is; the warm start is the
        first step of DeepFool (CVPR 2016).

    Differences:
        To DDN: radius and steps are relative to the linearized distance (no scale to choose), the step anneals as an
        angle from far wider, the radius never exceeds the best one, the loss is the logit gap (free of the scale of
        the logits), there are restarts.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> tight(model, torch.rand(4, 1, 4, 4)).success_rate
        1.0
    """
    return run_linearized(
        model,
        inputs,
        labels,
        partial(tight_search, budget=budget),
        candidates,
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        memory=memory,
    )


def tight_search(search: Search, linear: Linearization, *, budget: int = 60, agreement: float = 0.005) -> SearchResult:
    """Return the closest adversarial point of each pair over all runs.

    Args:
        search: The pairs.
        linear: The model linearized at their images.
        budget: Backward evaluations a pair, as in `tight`.
        agreement: Relative difference under which the first two runs count as agreed.
    """
    if budget < 20:
        raise UsageError(f"budget must be at least 20 backward evaluations; got {budget}: use deepfool for less")
    status = linear.status.clone()
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    best, taken = search.zeros(), torch.zeros_like(status)
    distance = torch.full_like(norms(best), math.inf)
    distance[status == Status.FOUND] = 0
    if len(live):
        start = _start(search, linear, live)
        best[live], distance[live] = keep_closest(best[live], distance[live], start.coefficients, start.success)
    plan = _plan(budget, linear.rivals.shape[1] if search.whole else 0)
    # Two more runs, from further out, are only for pairs for which the planned ones found nothing.
    for rank, (steps, widening) in enumerate([*((steps, 1.2) for steps in plan), (plan[0], 3.0), (plan[0], 9.0)]):
        if rank >= len(plan):
            live = (~torch.isfinite(distance) & (status == Status.STEP_LIMIT)).nonzero().squeeze(1)
        if not len(live):
            continue
        direction, reach = linear.nearest(rank)
        # The first run may only look closer than DeepFool did; later ones are free to cross hills on their way.
        cap = distance[live] if rank == 0 else torch.full_like(distance[live], math.inf)
        points, radii, ended = _run(search, live, direction[live], widening * reach[live], cap, steps)
        taken[live] += steps
        status[live] = torch.where(torch.isfinite(distance[live]) | (ended == Status.STEP_LIMIT), status[live], ended)
        moved = (radii / distance[live] - 1).abs() > agreement
        best[live], distance[live] = keep_closest(best[live], distance[live], points, radii < distance[live])
        live = live[moved | ~torch.isfinite(distance[live])] if rank and not search.whole else live
    status = torch.where(torch.isfinite(distance), int(Status.FOUND), status)
    return _along_normal(search, SearchResult(best, status, taken))


def _start(search: Search, linear: Linearization, live: Labels) -> SearchResult:
    """Return where a short DeepFool along the nearest rival meets the boundary: some 3 gradients."""
    result = deepfool_search(search, linear, steps=6, nearest=1, live=live)
    return refine(search, result.rows(live), live, tolerance=1e-3)


def _along_normal(search: Search, result: SearchResult) -> SearchResult:
    """Return the points moved onto the normal of their boundary where that is closer: exact where it is flat."""
    live = (result.success & (norms(result.coefficients) > 0)).nonzero().squeeze(1)
    if not len(live):
        return result
    best = refine(search, result, tolerance=SLACK).coefficients
    gradient = search.gradients(best[live], live, towards_boundary(search))[2][:, 0]
    normal = gradient / per_sample(norms(gradient).clamp_min(torch.finfo(gradient.dtype).tiny), gradient)
    reach = (normal * best[live]).flatten(1).sum(1) * (1 + 2 * SLACK)
    moved = search.fit(normal * per_sample(reach, normal), live)
    best[live], _ = keep_closest(best[live], norms(best[live]), moved, search.is_adversarial(moved, live))
    return SearchResult(best, result.status, result.steps)


def _plan(budget: int, start: int) -> list[int]:
    """Return the steps of each run that a budget buys; `start` is what the linearized start cost in the whole space.

    A band has few basins, so that one long run beats two short ones up to some 90 steps. The whole space has more and
    needs fewer steps in each.
    """
    spent = budget - 5 - start
    runs = (4 if spent >= 48 else 1) if start else 1 + (spent >= 85) + (spent >= 295)
    return [max(1, spent // runs)] * runs


def _run(
    search: Search, live: Labels, direction: Coefficients, radius: Distances, cap: Distances, steps: int
) -> tuple[Coefficients, Distances, Labels]:
    """Return the closest point of one annealed run, its norm (`cap` if none), and a status where it broke off."""
    shrinks = (0.3, SHRINKS[1]) if search.whole else SHRINKS
    warmth = SOFTNESS * search.logit_gap(search.clean, search.pairs).clamp_min(0)
    radius = torch.minimum(radius, cap * (1 - SLACK))
    c = search.fit(direction * per_sample(radius, direction), live)
    best, distance = torch.zeros_like(c), cap
    ended = torch.full_like(live, Status.STEP_LIMIT)
    tiny = torch.finfo(radius.dtype).tiny
    cooled = 1.0

    def soft_gap(logits: Logits, pairs: Labels) -> Tensor:
        return _soft_gap(search, logits, pairs, (warmth[pairs] * cooled).clamp_min(tiny))[:, None]

    for step in range(steps):
        turn = step / max(1, steps - 1)
        cooled = 1 - turn
        angle, shrink = (
            last * (first / last) ** ((1 + math.cos(math.pi * turn)) / 2) for first, last in (ANGLES, shrinks)
        )
        logits, _, gradients, total = search.gradients(c, live, soft_gap)
        length, adversarial = norms(gradients[:, 0]), search.logit_gap(logits, live) < 0
        best, distance = keep_closest(best, distance, c, adversarial)
        finite = torch.isfinite(logits).all(1) & torch.isfinite(length)
        flat = length <= rounding(total[:, 0])
        ended[~finite] = Status.NON_FINITE
        ended[finite & flat & ~adversarial] = Status.INVARIANT
        gradient = torch.where(per_sample(finite & ~flat, c), gradients[:, 0], 0)
        unit = gradient / per_sample(length.clamp_min(tiny), gradient)
        radius = torch.where(adversarial, torch.minimum(norms(c), distance) * (1 - shrink), radius * (1 + shrink))
        radius = torch.minimum(radius, torch.where(adversarial, math.inf, distance * (1 - 0.2 * shrink)))
        moved = c + angle * per_sample(radius, c) * unit
        c = search.fit(moved * per_sample(radius / norms(moved).clamp_min(tiny), moved), live)
    best, distance = keep_closest(best, distance, c, search.is_adversarial(c, live))
    return best, distance, ended


def _soft_gap(search: Search, logits: Logits, pairs: Labels, temperature: Distances) -> Distances:
    """Return what grows towards the boundary: the soft maximum of the rivals less the class to leave."""
    held = search.reference if search.target is None else search.target
    own = logits.gather(1, held[pairs, None]).squeeze(1)
    others = logits.scatter(1, held[pairs, None], -math.inf)
    soft = temperature * torch.logsumexp(others / temperature[:, None], 1)
    return soft - own if search.target is None else own - soft
