"""Points on the boundary: what an attack found, pulled back along its own ray until it just crosses."""

from dataclasses import replace

import torch

from geomrob.arrays import Bounds, Model
from geomrob.attacks.calls import MEMORY, block_size, evaluating
from geomrob.attacks.refine import HAIR, refine, verified
from geomrob.attacks.search import Found, Search
from geomrob.results import AttackResult, Status


def to_boundary(
    model: Model,
    found: AttackResult,
    *,
    bounds: Bounds | None = None,
    tolerance: float = 1e-6,
    memory: int | None = None,
) -> AttackResult:
    """Return the result with every perturbation shortened, along its own ray, to where the decision just changes.

    A perturbation keeps its zeros, so none changes more pixels than before, and all of its norms shrink.

    Args:
        model: The model that was attacked.
        found: What an attack returned.
        bounds: The box it was given.
        tolerance: Relative width of the bracket around the crossing.
        memory: Budget in bytes, as in `deepfool`.

    Returns:
        As `found`, every success asked again; failures are left as they are.

    Example:
        >>> from geomrob.attacks.deepfool import deepfool
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = deepfool(model, torch.rand(4, 1, 4, 4), overshoot=0.5)
        >>> bool((to_boundary(model, result).distances() < result.distances()).all())
        True
    """
    with evaluating(model):
        block = block_size(model, found.inputs, MEMORY if memory is None else memory)
        search = Search(model, found.inputs, reference=found.labels, bounds=bounds, block=block)
        search.clean = search.logits(search.zeros(), search.pairs)
        moved = Found(found.perturbation, found.status, found.steps)
        closest = refine(search, moved, tolerance=tolerance, rounds=40)
        # To the last bit first: a hair further only where the model then rounds otherwise.
        coefficients, success, _ = verified(search, closest, (0.0, HAIR))
        perturbed = search.points(coefficients, search.pairs)
    spent = search.forwards.round().long().to(found.forwards)
    return replace(
        found,
        perturbed=torch.where(found.success[:, None, None, None], perturbed, found.perturbed),
        success=success,
        status=torch.where(found.success & ~success, int(Status.STEP_LIMIT), found.status),
        forwards=found.forwards + spent,
    )
