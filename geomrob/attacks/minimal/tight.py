"""Tight margins in l1, l2 and l-infinity: a search on a sphere that starts from DeepFool and anneals its steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    Distances,
    ImagesLike,
    Labels,
    LabelsLike,
    Logits,
    Model,
    check_norm,
    norms,
    per_sample,
)
from geomrob.attacks.engine.balls import lengths, onto_ball, spread, steepest
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import Linearization, towards_boundary
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, keep_closest, rounding
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace


@dataclass(frozen=True)
class Annealing:
    """How a run changes from its first step to its last one, along a cosine in the logarithm.

    Attributes:
        steps: First and last step uphill, as a multiple of the radius.
        shrinks: First and last relative change of the radius.
        power: Of the gradient in the direction uphill, as in `spread`; for l2 it is the gradient itself.
        wide: Length of the first point before it is projected onto the ball, as a multiple of its radius.
    """

    steps: tuple[float, float]
    shrinks: tuple[float, float]
    power: float = 1
    wide: float = 1


IN_BANDS = Annealing((3.0, 0.05), (0.8, 0.005))
"""Of l2 in a subspace; the whole space, less bent, starts gentler."""

IN_TURN: Mapping[float, Sequence[Annealing]] = {
    1: (Annealing((5, 0.3), (0.6, 0.02), wide=30), Annealing((5, 0.3), (0.6, 0.02), power=2, wide=30)),
    2: (Annealing((3.0, 0.05), (0.3, 0.005)),),
    math.inf: (
        Annealing((1, 0.02), (0.3, 0.005), power=0),
        Annealing((3, 0.05), (0.3, 0.005), power=0),
    ),
}
"""Of the runs of each norm, in turn: where they differ, they end at different points, of which the closest counts."""

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
    norm: float = 2,
    budget: int = 60,
    candidates: int = 10,
    memory: int | None = None,
) -> AttackResult:
    r"""Return the smallest perturbations that geomrob can find at a given price, in l1, l2 or l-infinity.

    A run keeps a point of radius rho around the image. Each step turns it by the unit gradient g of the logit gap,

        r <- rho' (r + a rho g) / ||r + a rho g||,

    with rho' = (1 - s) rho where the point is adversarial and (1 + s) rho, but below the best radius, where it is not.
    The angle a falls from 3 (the direction is nearly replaced by g: runs hop between basins) to 0.05 (they settle) and
    s from 0.8 to 0.005, both along a cosine in the logarithm. The first steps climb a soft maximum over the rival
    classes, the last ones the nearest rival.

    For l1 and l-infinity the step goes along sign(g) |g|^k (k = 0 for l-infinity; 1, then 2 for l1) and the point is
    projected onto ball and box at once.

    The search starts with a short DeepFool along the nearest rival, pulled back to the boundary; the first run only
    looks closer than that. With budget left, further runs start at the next nearest rivals; a third one only searches
    the pairs whose first two disagree. A last step tries the normal of the boundary at the best point.

    Args:
        model, inputs, labels, targets, subspace, bounds, candidates, memory: As in `deepfool`.
        norm: 1, 2 or infinity.
        budget: Backward evaluations per input, at least 20. For l2 it buys, in a subspace, one run, two from 90 and
            three from 300, and four from about 60 in the whole space, where the start costs `candidates - 1` of them;
            for l1 and l-infinity a run for each 40 that are left after the start, at least one, at most four.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: As `deepfool`, and a budget under 20.

    References:
        Rony et al., "Decoupling direction and norm ...", CVPR 2019, whose decoupling this is; the warm start is the
        first step of DeepFool (CVPR 2016). For l1 the projection onto ball and box follows Croce, Hein, "Mind the box:
        l1-APGD for sparse adversarial attacks on image classifiers", ICML 2021.

    Differences:
        To DDN: radius and steps are relative to the linearized distance (no scale to choose), the step anneals as an
        angle from far wider, the radius never exceeds the best one, the loss is the logit gap (free of the scale of
        the logits), there are restarts. In a subspace, points of l1 and l-infinity are projected onto the ball and then
        back into the subspace: feasible, but no longer the nearest point of both.

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
        partial(tight_search, budget=budget, norm=check_norm(norm)),
        candidates,
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        memory=memory,
    )


def tight_search(
    search: Search, linear: Linearization, *, budget: int = 60, agreement: float = 0.005, norm: float = 2
) -> SearchResult:
    """Return the closest adversarial point of each pair over all runs.

    Args:
        search: The pairs.
        linear: The model linearized at their images.
        budget: Backward evaluations a pair, as in `tight`.
        agreement: Relative difference under which the first two runs count as agreed.
        norm: 1, 2 or infinity.
    """
    if budget < 20:
        raise UsageError(f"budget must be at least 20 backward evaluations; got {budget}: use deepfool for less")
    if budget != (budget := int(budget)):
        raise UsageError(f"budget must be a whole number of backward evaluations, {budget} say; got a fraction")
    status = linear.status.clone()
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    best, taken = search.zeros(), torch.zeros_like(status)
    distance = torch.full_like(norms(best), math.inf)
    distance[status == Status.FOUND] = 0
    if len(live):
        start = _start(search, linear, live, norm)
        length = lengths(search, start.coefficients, live, norm)
        best[live], distance[live] = keep_closest(best[live], distance[live], start.coefficients, start.success, length)
    plan = _plan(budget, linear.rivals.shape[1] if search.whole else 0, norm)
    kinds = IN_TURN[norm] if search.whole or norm != 2 else (IN_BANDS,)
    # Two more runs, from further out, are only for pairs for which the planned ones found nothing.
    for rank, (steps, widening) in enumerate([*((steps, 1.2) for steps in plan), (plan[0], 3.0), (plan[0], 9.0)]):
        if rank >= len(plan):
            live = (~torch.isfinite(distance) & (status == Status.STEP_LIMIT)).nonzero().squeeze(1)
        if not len(live):
            continue
        kind = kinds[rank % len(kinds)]
        direction, reach = _towards(search, linear, rank, live, norm, kind)
        # The first run may only look closer than DeepFool did; later ones are free to cross hills on their way.
        cap = distance[live] if rank == 0 else torch.full_like(distance[live], math.inf)
        points, radii, ended = _run(search, live, direction, widening * reach, cap, steps, norm, kind)
        taken[live] += steps
        status[live] = torch.where(torch.isfinite(distance[live]) | (ended == Status.STEP_LIMIT), status[live], ended)
        moved = (radii / distance[live] - 1).abs() > agreement
        best[live], distance[live] = keep_closest(best[live], distance[live], points, radii < distance[live], radii)
        live = live[moved | ~torch.isfinite(distance[live])] if rank and not search.whole else live
    live = (~torch.isfinite(distance) & (status == Status.STEP_LIMIT)).nonzero().squeeze(1)
    if len(live):
        # DeepFool by itself has more steps and rivals than the start: what it finds, this search does not miss.
        found = deepfool_search(search, linear, live=live, norm=norm).rows(live)
        length = lengths(search, found.coefficients, live, norm)
        best[live], distance[live] = keep_closest(best[live], distance[live], found.coefficients, found.success, length)
    status = torch.where(torch.isfinite(distance), int(Status.FOUND), status)
    result = SearchResult(best, status, taken)
    return _along_normal(search, result) if norm == 2 else refine(search, result, tolerance=SLACK)


def _start(search: Search, linear: Linearization, live: Labels, norm: float) -> SearchResult:
    """Return where a short DeepFool along the nearest rival meets the boundary: some 3 gradients."""
    result = deepfool_search(search, linear, steps=6, nearest=1, live=live, norm=norm)
    return refine(search, result.rows(live), live, tolerance=1e-3)


def _towards(
    search: Search, linear: Linearization, rank: int, live: Labels, norm: float, kind: Annealing
) -> tuple[Coefficients, Distances]:
    """Return the direction of a run towards the rival that is `rank`-nearest (0: nearest), and its linear distance."""
    if norm == 2:
        direction, reach = linear.nearest(rank)
        return direction[live], reach[live]
    values, gradients, none = linear.values[live], linear.gradients[live], search.zeros()[live]
    ways = [search.pinned(none, gradients[:, rival], live) for rival in range(values.shape[1])]
    gains = torch.stack([steepest(search, way, live, norm)[1] for way in ways], 1)
    distance = torch.where(gains > 0, -values / gains.clamp_min(torch.finfo(gains.dtype).tiny), math.inf)
    order, finite = distance.argsort(dim=1, stable=True), torch.isfinite(distance).sum(1).clamp_min(1)
    which = order.gather(1, (rank % finite)[:, None]).squeeze(1)
    rows = torch.arange(len(which), device=which.device)
    direction = spread(search, torch.stack(ways, 1)[rows, which], live, norm, kind.power)
    return direction, distance[rows, which].clamp_min(0)


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


def _plan(budget: int, start: int, norm: float) -> list[int]:
    """Return the steps of each run that a budget buys; `start` is what the linearized start cost in the whole space.

    A band has few basins, so that one long run beats two short ones up to some 90 steps. The whole space has more and
    needs fewer steps in each; the corners of the other balls need more of them.
    """
    spent = budget - 5 - start
    if norm != 2:
        runs = min(4, max(1, spent // 40))
    else:
        runs = (4 if spent >= 48 else 1) if start else 1 + (spent >= 85) + (spent >= 295)
    return [max(1, spent // runs)] * runs


def _run(
    search: Search,
    live: Labels,
    direction: Coefficients,
    radius: Distances,
    cap: Distances,
    steps: int,
    norm: float,
    kind: Annealing,
) -> tuple[Coefficients, Distances, Labels]:
    """Return the closest point of one annealed run, its norm (`cap` if none), and a status where it broke off."""
    warmth = SOFTNESS * search.logit_gap(search.clean, search.pairs).clamp_min(0)
    radius = torch.minimum(radius, cap * (1 - SLACK))
    c = onto_ball(search, direction * per_sample(kind.wide * radius, direction), radius, live, norm)
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
            last * (first / last) ** ((1 + math.cos(math.pi * turn)) / 2) for first, last in (kind.steps, kind.shrinks)
        )
        logits, _, gradients, total = search.gradients(c, live, soft_gap)
        length, reach, adversarial = (
            norms(gradients[:, 0]),
            lengths(search, c, live, norm),
            search.logit_gap(logits, live) < 0,
        )
        best, distance = keep_closest(best, distance, c, adversarial, reach)
        finite = torch.isfinite(logits).all(1) & torch.isfinite(length)
        flat = length <= rounding(total[:, 0])
        ended[~finite] = Status.NON_FINITE
        ended[finite & flat & ~adversarial] = Status.INVARIANT
        gradient = torch.where(per_sample(finite & ~flat, c), gradients[:, 0], 0)
        if norm == 2:
            unit = gradient / per_sample(length.clamp_min(tiny), gradient)
        else:
            unit = spread(search, search.pinned(c, gradient, live), live, norm, kind.power)
        radius = torch.where(adversarial, torch.minimum(reach, distance) * (1 - shrink), radius * (1 + shrink))
        radius = torch.minimum(radius, torch.where(adversarial, math.inf, distance * (1 - 0.2 * shrink)))
        c = onto_ball(search, c + angle * per_sample(radius, c) * unit, radius, live, norm)
    adversarial = search.is_adversarial(c, live)
    best, distance = keep_closest(best, distance, c, adversarial, lengths(search, c, live, norm))
    return best, distance, ended


def _soft_gap(search: Search, logits: Logits, pairs: Labels, temperature: Distances) -> Distances:
    """Return what grows towards the boundary: the soft maximum of the rivals less the class to leave."""
    held = search.reference if search.target is None else search.target
    own = logits.gather(1, held[pairs, None]).squeeze(1)
    others = logits.scatter(1, held[pairs, None], -math.inf)
    soft = temperature * torch.logsumexp(others / temperature[:, None], 1)
    return soft - own if search.target is None else own - soft
