"""SuperDeepFool: alternate DeepFool with the projection onto the normal of the boundary it reached."""

import math
from functools import partial

import torch

from geomrob.arrays import Bounds, ImagesLike, LabelsLike, Model, norms, per_sample
from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import Linearization, towards_boundary
from geomrob.attacks.engine.options import checked
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, keep_closest
from geomrob.attacks.minimal.deepfool import deepfool_search
from geomrob.results import AttackResult, Status
from geomrob.spectral.subspaces import Subspace


def superdeepfool(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
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
    r"""Return perturbations whose direction is that of the boundary's normal where they meet it.

    At the closest point of a boundary the perturbation is parallel to the normal n. Each round runs DeepFool to an
    adversarial r~, takes n there, and restarts from r <- <n, r~> n, keeping the closest adversarial point.

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
        The projection replaces the perturbation, as stated; the released code adds (`additive=True`). The search
        continues after the first success, from a point pulled back to the boundary along its ray, and the closest
        adversarial point is returned.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> superdeepfool(model, torch.rand(4, 1, 4, 4)).success_rate
        1.0
    """
    options = checked(rounds=rounds, steps=steps, overshoot=overshoot, nearest=nearest, additive=additive)
    search = partial(superdeepfool_search, **options)
    return run_linearized(
        model,
        inputs,
        labels,
        search,
        candidates,
        targets=targets,
        subspace=subspace,
        bounds=bounds,
        memory=memory,
    )


def superdeepfool_search(
    search: Search,
    linear: Linearization,
    *,
    rounds: int = 8,
    steps: int = 50,
    overshoot: float = 0.02,
    nearest: int = 2,
    additive: bool = False,
) -> SearchResult:
    """Return the closest adversarial point of each pair over all rounds; arguments as in `superdeepfool`."""
    result = deepfool_search(search, linear, steps=steps, overshoot=overshoot, nearest=nearest)
    best, status, taken = result.coefficients, result.status, result.steps
    distance = torch.where(result.success, norms(best), math.inf)
    live = (result.success & (distance > 0)).nonzero().squeeze(1)
    base = search.zeros()
    for _ in range(rounds if len(live) else 0):
        result = refine(search, result.rows(live), live, tolerance=1e-2)
        point = result.coefficients
        best[live], distance[live] = keep_closest(best[live], distance[live], point, result.success)
        gradient = search.gradients(point, live, towards_boundary(search))[2][:, 0]
        normal = gradient / per_sample(norms(gradient).clamp_min(torch.finfo(gradient.dtype).tiny), point)
        projected = per_sample((normal * point).flatten(1).sum(1), point) * normal
        base[live] = search.fit(base[live] + projected if additive else projected, live)
        result = deepfool_search(
            search, linear, steps=steps, overshoot=overshoot, nearest=nearest, live=live, start=base.clone()
        )
        taken = taken + torch.zeros_like(taken).index_copy(0, live, result.steps[live])
        live = live[result.success[live]]
        if not len(live):
            break
    best[live], distance[live] = keep_closest(
        best[live], distance[live], result.coefficients[live], result.success[live]
    )
    assert bool((status[torch.isfinite(distance)] == Status.FOUND).all())
    return SearchResult(best, status, taken)
