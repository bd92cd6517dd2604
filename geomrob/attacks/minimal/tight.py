"""Tight margins in l1, l2 and l-infinity: a search on a sphere that starts from DeepFool and anneals its steps."""

import math
from collections.abc import Iterator
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
    norms,
    per_sample,
)
from geomrob.attacks.engine.balls import lengths, onto_ball, spread, steepest
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.ladder import IN_BANDS, IN_TURN, Annealing, Stage, stages
from geomrob.attacks.engine.linearize import Linearization, towards_boundary
from geomrob.attacks.engine.options import checked
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, keep_closest, rounding
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace

SLACK = 1e-4
"""Relative distance beyond the boundary at which the step along the normal is tried."""

FIRST = 3
"""Steps of DeepFool in l1, in which it meets a boundary that is nearly flat."""

EXACT = 1e-5
"""Relative distance to the boundary at which points are kept, so that their order is that of their margins."""

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

    For l1 and l-infinity the step goes along sign(g) |g|^k and the point is projected onto ball and box at once. For
    l-infinity k is 0. For l1 k grows during a run, from 0.5 to 2.5 or from 1.5 to 3, from many pixels to few; the run
    starts ten times as far out, and its steps have momentum.

    The search starts with DeepFool, pulled back to the boundary, and the first run only looks closer than that: no
    result is farther than DeepFool's. In l1, where DeepFool takes as long as a run and ends about twice as far, only
    three of its steps come first, which do not hold the first run, and all of them for pairs that no run finds. Further
    runs start at the best point, and stay closer, or at the next nearest rivals; these too stay closer in a subspace
    (l2, l-infinity), while in the whole space they are free to cross hills. In l2 the first run from the best point is
    short and turns little, so that it settles in its basin. Each run ends with a step along the normal of the boundary
    (l2). A larger budget continues a smaller one: no distance grows with it.

    Args:
        model, inputs, labels, targets, subspace, bounds, candidates, memory: As in `deepfool`.
        norm: 1, 2 or infinity.
        budget: Backward evaluations per input, about, at least 20. Something is gained only at these: for l2 in a
            subspace 20, 29, 59, 99, 199, 399 and each further 200, in the whole space 20, 30, 45, 60, 80, 100, 150,
            200 and each further 100; for l1 and l-infinity in a subspace 20, 30, 50, 90, 140, 190 and each further
            100, in the whole space 20, 29, 39, 59, 99, 149, 199 and each further 100. Those of the whole space are
            for nine rivals, whose gradients count; with others all but the first move by the difference. More is
            spent where DeepFool is long or finds nothing, and in l1, where its first three steps do not cross the
            boundary, on a whole first run: about 56 in the whole space.

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
        partial(tight_search, **checked(budget=budget, norm=norm)),
        candidates,
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        memory=memory,
    )


def tight_search(search: Search, linear: Linearization, *, budget: int = 60, norm: float = 2) -> SearchResult:
    """Return the closest adversarial point of each pair over all runs.

    Args:
        search: The pairs.
        linear: The model linearized at their images.
        budget: Backward evaluations a pair, as in `tight`.
        norm: 1, 2 or infinity.
    """
    kept = _Kept(search, linear, norm)
    kinds = IN_TURN[norm] if search.whole or norm != 2 else (IN_BANDS,)
    ladder = stages(budget, norm, linear.rivals.shape[1] if search.whole else None)
    live, lost = _start(kept, Stage(ladder[0][0].stops[-1:], 0), kinds[0])
    for number, (stage, stops) in enumerate(ladder):
        # Pairs that DeepFool lost have had their first run.
        pairs = live if number else live[~lost]
        if len(pairs):
            # In l1 runs start far out, with many pixels; in the whole space further ones find more across hills.
            free = norm == 1 or (number > 0 and search.whole)
            cap = None if free else kept.distance[pairs]
            _climb(kept, pairs, stage, stops, stage.kind or kinds[number % len(kinds)], cap=cap)
    return SearchResult(kept.best, kept.status, kept.steps)


class _Kept:
    """The best adversarial points of a search so far, on the boundary.

    Attributes:
        search, linear, norm: As in `tight_search`.
        best: Coefficients (P, C, kr, kc).
        distance: How far they are (P,), infinite where there is none.
        status, steps: As in `SearchResult`.
    """

    def __init__(self, search: Search, linear: Linearization, norm: float) -> None:
        self.search, self.linear, self.norm = search, linear, norm
        self.status, self.steps = linear.status.clone(), torch.zeros_like(linear.status)
        self.best = search.zeros()
        self.distance = torch.full_like(norms(self.best), math.inf)
        self.distance[self.status == Status.FOUND] = 0

    def add(self, points: Coefficients, adversarial: Tensor, pairs: Labels) -> None:
        """Keep what is closer than the best; it must be on the boundary."""
        length = lengths(self.search, points, pairs, self.norm)
        self.best[pairs], self.distance[pairs] = keep_closest(
            self.best[pairs], self.distance[pairs], points, adversarial, length
        )
        self.status[pairs[torch.isfinite(self.distance[pairs])]] = int(Status.FOUND)


def _start(kept: _Kept, stage: Stage, kind: Annealing) -> tuple[Labels, Tensor]:
    """Keep where DeepFool meets the boundary, or, for pairs that it loses, whole runs from further and further out.

    Returns:
        The pairs that have a point, and which of them DeepFool lost.
    """
    search = kept.search
    live = (kept.status == Status.STEP_LIMIT).nonzero().squeeze(1)
    if not len(live):
        return live, live > 0

    def cross(steps: int = 50, nearest: int = 2) -> None:
        pairs = live[torch.isinf(kept.distance[live])]
        if len(pairs):
            result = deepfool_search(search, kept.linear, live=pairs, norm=kept.norm, steps=steps, nearest=nearest)
            result = result.rows(pairs)
            kept.add(refine(search, result, pairs, tolerance=EXACT).coefficients, result.success, pairs)

    # In l1 DeepFool takes as long as a run and ends about twice as far: whole it comes last there.
    if kept.norm == 1:
        cross(FIRST, 1)
    else:
        cross()
    lost = torch.isinf(kept.distance[live])
    for wider in (1.0, 2.5, 7.5):
        pairs = live[torch.isinf(kept.distance[live])]
        if len(pairs):
            _climb(kept, pairs, stage, stage.stops, kind, wider=wider)
    if kept.norm == 1:
        cross()
    there = torch.isfinite(kept.distance[live])
    return live[there], lost[there]


def _climb(
    kept: _Kept,
    pairs: Labels,
    stage: Stage,
    stops: tuple[int, ...],
    kind: Annealing,
    *,
    wider: float = 1,
    cap: Distances | None = None,
) -> None:
    """Run a stage for some pairs, and keep its points.

    Args:
        kept: The best points so far.
        pairs: Which pairs.
        stage: The run.
        stops: Those of the stage that the budget reaches.
        kind: How it anneals.
        wider: Times as far out as usual.
        cap: Distance within which it stays; without one it is free to cross hills on its way.
    """
    search, norm, distance = kept.search, kept.norm, kept.distance[pairs]
    if stage.rival is None:
        best, cap = kept.best[pairs], distance
        direction = best / per_sample(distance.clamp_min(torch.finfo(distance.dtype).tiny), best)
        radius = 0.98 * distance
    else:
        direction, reach = _towards(search, kept.linear, stage.rival, pairs, norm, kind)
        radius = 1.2 * kind.reach * wider * reach
    limit = torch.full_like(distance, math.inf) if cap is None else cap
    for points, radii, ended in _run(search, pairs, direction, radius, limit, stage.stops[-1], stops, norm, kind):
        found = torch.isfinite(torch.minimum(kept.distance[pairs], radii))
        kept.status[pairs] = torch.where(found, kept.status[pairs], ended)
        closer = (radii < kept.distance[pairs]).nonzero().squeeze(1)
        if len(closer):
            polished = _polished(search, points[closer], pairs[closer], norm)
            kept.add(polished, torch.ones_like(closer, dtype=torch.bool), pairs[closer])
    kept.steps[pairs] += stops[-1]


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
    direction = spread(search, torch.stack(ways, 1)[rows, which], live, norm, kind.powers[0])
    return direction, distance[rows, which].clamp_min(0)


def _polished(search: Search, points: Coefficients, pairs: Labels, norm: float) -> Coefficients:
    """Return adversarial points pulled back to the boundary; for l2, on its normal where that is closer."""

    def refined(c: Coefficients, tolerance: float) -> Coefficients:
        found = torch.full_like(pairs, Status.FOUND)
        return refine(search, SearchResult(c, found, found), pairs, tolerance=tolerance).coefficients

    if norm != 2:
        return refined(points, EXACT)
    best = refined(points, SLACK)
    gradient = search.gradients(best, pairs, towards_boundary(search))[2][:, 0]
    normal = gradient / per_sample(norms(gradient).clamp_min(torch.finfo(gradient.dtype).tiny), gradient)
    reach = (normal * best).flatten(1).sum(1) * (1 + 2 * SLACK)
    moved = search.fit(normal * per_sample(reach, normal), pairs)
    return refined(keep_closest(best, norms(best), moved, search.is_adversarial(moved, pairs))[0], EXACT)


def _run(
    search: Search,
    live: Labels,
    direction: Coefficients,
    radius: Distances,
    cap: Distances,
    steps: int,
    stops: tuple[int, ...],
    norm: float,
    kind: Annealing,
) -> Iterator[tuple[Coefficients, Distances, Labels]]:
    """Yield at each stop of a run its closest point, its norm (`cap` if there is none), and why it broke off."""
    warmth = SOFTNESS * search.logit_gap(search.clean, search.pairs).clamp_min(0)
    radius = torch.minimum(radius, cap * (1 - SLACK))
    c = onto_ball(search, direction * per_sample(radius, direction), radius, live, norm)
    best, distance, uphill = torch.zeros_like(c), cap, torch.zeros_like(c)
    ended = torch.full_like(live, Status.STEP_LIMIT)
    tiny = torch.finfo(radius.dtype).tiny
    cooled = 1.0

    def soft_gap(logits: Logits, pairs: Labels) -> Tensor:
        return _soft_gap(search, logits, pairs, (warmth[pairs] * cooled).clamp_min(tiny))[:, None]

    for step in range(stops[-1]):
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
        gradient, useful = gradients[:, 0], finite & ~flat
        if not bool(useful.all()):
            gradient = torch.where(per_sample(useful, c), gradient, 0)
        if norm == 2:
            unit = gradient / per_sample(length.clamp_min(tiny), gradient)
        else:
            power = kind.powers[0] + turn * (kind.powers[1] - kind.powers[0])
            unit = spread(search, search.pinned(c, gradient, live), live, norm, power)
        if kind.momentum:
            uphill = unit + kind.momentum * uphill
            unit = uphill / per_sample(lengths(search, uphill, live, norm).clamp_min(tiny), uphill)
        radius = torch.where(adversarial, torch.minimum(reach, distance) * (1 - shrink), radius * (1 + shrink))
        radius = torch.minimum(radius, torch.where(adversarial, math.inf, distance * (1 - 0.2 * shrink)))
        c = onto_ball(search, c + angle * per_sample(radius, c) * unit, radius, live, norm)
        if step + 1 in stops:
            adversarial = search.is_adversarial(c, live)
            best, distance = keep_closest(best, distance, c, adversarial, lengths(search, c, live, norm))
            yield best, distance, ended


def _soft_gap(search: Search, logits: Logits, pairs: Labels, temperature: Distances) -> Distances:
    """Return what grows towards the boundary: the soft maximum of the rivals less the class to leave."""
    held = search.reference if search.target is None else search.target
    own = logits.gather(1, held[pairs, None]).squeeze(1)
    others = logits.scatter(1, held[pairs, None], -math.inf)
    soft = temperature * torch.logsumexp(others / temperature[:, None], 1)
    return soft - own if search.target is None else own - soft
