"""SuperDeepFool: alternate DeepFool with the projection onto the normal of the boundary it reached."""

import math

import torch

from geomrob.arrays import Bounds, Images, Labels, Model, norms, per_sample
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import Linear
from geomrob.attacks.engine.run import attack
from geomrob.attacks.engine.search import Found, Search, keep_closest
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.results import AttackResult, Status
from geomrob.spectral.subspaces import Subspace


def superdeepfool(
    model: Model,
    inputs: Images,
    labels: Labels | None = None,
    *,
    targets: Labels | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    rounds: int = 8,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    nearest: int = 2,
    additive: bool = False,
    memory: int | None = None,
) -> AttackResult:
    r"""Return perturbations whose direction is that of the boundary's normal where they cross it.

    At the closest point of a boundary the perturbation is parallel to the normal n. Each round runs DeepFool to a
    crossing r~, takes n there, and restarts from r <- <n, r~> n, keeping the closest crossing seen.

    Args:
        model, inputs, labels, targets, subspace, bounds, steps, overshoot, candidates, nearest, memory: As in
            `deepfool`.
        rounds: How often DeepFool and the projection alternate.
        additive: The released update r <- r + <n, r~> n instead of the stated r <- <n, r~> n.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: As `deepfool`.

    References:
        Abdolahpourrostam, Abroshan, Moosavi-Dezfooli, "Revisiting DeepFool", 2023.

    Differences:
        The projection replaces the perturbation, as stated; the released code adds (`additive=True`). The search goes
        on after the first success, from a crossing pulled back along its ray, and the closest crossing is returned.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> superdeepfool(model, torch.rand(4, 1, 4, 4)).success_rate
        1.0
    """

    def run(search: Search, linear: Linear) -> Found:
        return superdeepfool_search(
            search, linear, rounds=rounds, steps=steps, overshoot=overshoot, nearest=nearest, additive=additive
        )

    return attack(
        model,
        inputs,
        labels,
        run,
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        candidates=candidates,
        memory=memory,
    )


def superdeepfool_search(
    search: Search,
    linear: Linear,
    *,
    rounds: int = 8,
    steps: int = 50,
    overshoot: float = 0.02,
    nearest: int = 2,
    additive: bool = False,
) -> Found:
    """Return the closest crossing of each pair over all rounds; arguments as in `superdeepfool`."""
    found = deepfool_search(search, linear, steps=steps, overshoot=overshoot, nearest=nearest)
    best, status, taken = found.coefficients, found.status, found.steps
    distance = torch.where(found.success, norms(best), math.inf)
    live = (found.success & (distance > 0)).nonzero().squeeze(1)
    base = search.zeros()
    for _ in range(rounds if len(live) else 0):
        found = refine(
            search, Found(found.coefficients[live], found.status[live], found.steps[live]), live, tolerance=1e-2
        )
        crossing = found.coefficients
        best[live], distance[live] = keep_closest(best[live], distance[live], crossing, found.success)
        _, _, slopes, _ = search.slopes(crossing, live, lambda logits, pairs: -search.gap(logits, pairs)[:, None])
        normal = slopes[:, 0] / per_sample(norms(slopes[:, 0]).clamp_min(torch.finfo(slopes.dtype).tiny), crossing)
        projected = per_sample((normal * crossing).flatten(1).sum(1), crossing) * normal
        base[live] = search.fit(base[live] + projected if additive else projected, live)
        found = deepfool_search(
            search, linear, steps=steps, overshoot=overshoot, nearest=nearest, live=live, start=base.clone()
        )
        taken = taken + torch.zeros_like(taken).index_copy(0, live, found.steps[live])
        live = live[found.success[live]]
        if not len(live):
            break
    crossed = found.success[live]
    best[live], distance[live] = keep_closest(best[live], distance[live], found.coefficients[live], crossed)
    assert bool((status[torch.isfinite(distance)] == Status.FOUND).all())
    return Found(best, status, taken)
