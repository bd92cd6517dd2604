"""DDN: gradient steps that decouple the direction of a perturbation from its norm."""

import math
from functools import partial

import torch
from torch import Tensor

from geomrob.arrays import Bounds, ImagesLike, Labels, LabelsLike, Logits, Model, norms, per_sample
from geomrob.attacks.engine.linearize import Linearization
from geomrob.attacks.engine.options import checked
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, keep_closest, rounding
from geomrob.results import AttackResult, Status
from geomrob.spectral.subspaces import Subspace


def ddn(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    steps: int = 100,
    initial: float = 1.0,
    gamma: float = 0.05,
    candidates: int = 10,
    memory: int | None = None,
) -> AttackResult:
    r"""Return small perturbations found by steps of unit gradient on a sphere whose radius follows success.

    Each step moves r by alpha_t along the unit gradient of the cross-entropy, then rescales it to radius
    eps <- (1 - gamma) eps where the last point was adversarial and (1 + gamma) eps where it was not; alpha_t
    falls from 1 to 0.01 by a cosine.

    Args:
        model, inputs, labels, targets, subspace, bounds, candidates, memory: As in `deepfool`.
        steps: Gradient steps.
        initial: First radius, in pixel units.
        gamma: Relative change of the radius a step.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: As `deepfool`; `initial` that is not above 0, `gamma` outside [0, 1).

    References:
        Rony et al., "Decoupling direction and norm for efficient gradient-based l2 adversarial attacks", CVPR 2019,
        Algorithm 1; inside a subspace the gradient is projected.

    Differences:
        Nothing is rounded to 8 bits. The point of the last step is tested too.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> ddn(model, torch.rand(4, 1, 4, 4)).success_rate
        1.0
    """
    search = partial(ddn_search, **checked(steps=steps, initial=initial, gamma=gamma))
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


def ddn_search(
    search: Search, linear: Linearization, *, steps: int = 100, initial: float = 1.0, gamma: float = 0.05
) -> SearchResult:
    """Return the closest adversarial point of each pair; arguments as in `ddn`."""
    status, live = linear.status.clone(), (linear.status == Status.STEP_LIMIT).nonzero().squeeze(1)
    best, c = search.zeros(), search.zeros()
    distance = torch.full_like(norms(c), math.inf)
    radius = torch.full_like(distance, initial)
    distance[linear.status == Status.FOUND] = 0
    taken = torch.zeros_like(status)

    def loss(logits: Logits, pairs: Labels) -> Tensor:
        away = torch.nn.functional.cross_entropy(logits, search.reference[pairs], reduction="none")
        if search.target is None:
            return away[:, None]
        return -torch.nn.functional.cross_entropy(logits, search.target[pairs], reduction="none")[:, None]

    for step in range(steps + 1):
        if not len(live):
            break
        if step == steps:
            adversarial = search.is_adversarial(c[live], live)
            best[live], distance[live] = keep_closest(best[live], distance[live], c[live], adversarial)
            break
        logits, _, gradients, total = search.gradients(c[live], live, loss)
        adversarial, lengths = search.logit_gap(logits, live) < 0, norms(gradients[:, 0])
        best[live], distance[live] = keep_closest(best[live], distance[live], c[live], adversarial)
        finite = torch.isfinite(logits).all(1) & torch.isfinite(lengths)
        flat = finite & ~adversarial & (lengths <= rounding(total[:, 0]))
        status[live[~finite]], status[live[flat]] = Status.NON_FINITE, Status.INVARIANT
        alpha = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        radius[live] *= torch.where(adversarial, 1 - gamma, 1 + gamma)
        unit = gradients[:, 0] / per_sample(lengths.clamp_min(torch.finfo(lengths.dtype).tiny), gradients[:, 0])
        moved = c[live] + alpha * unit
        moved = moved * per_sample(radius[live] / norms(moved).clamp_min(torch.finfo(lengths.dtype).tiny), moved)
        c[live] = search.fit(moved, live)
        taken[live] += 1
        live = live[finite & ~flat]
    status = torch.where(torch.isfinite(distance), int(Status.FOUND), status)
    return SearchResult(best, status, taken)
