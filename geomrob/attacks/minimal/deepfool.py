"""DeepFool: repeat the step to the nearest boundary of the model linearized at the current point."""

import math
from functools import partial

import torch
from torch import Tensor

from geomrob.arrays import Bounds, ImagesLike, Labels, LabelsLike, Model, check_norm, norms, per_sample
from geomrob.attacks.engine.linearize import Linearization, nearest_rivals
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, rounding, settle
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace


def deepfool(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    subspace: Subspace | None = None,
    bounds: Bounds | None = None,
    norm: float = 2,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    nearest: int = 2,
    minimum_step: float = 1e-4,
    memory: int | None = None,
) -> AttackResult:
    r"""Return minimal adversarial perturbations, found by linearizing the model over and over.

    With f the logits, c the class to leave and w_k = grad(f_k - f_c) at the current point, each step goes to the
    nearest of the linearized boundaries: k minimises |f_k - f_c| / ||w_k||_q and, for the l2 norm,
    r <- r + |f_k - f_c| / ||w_k||^2 w_k (1/p + 1/q = 1). In a subspace with projector P, w_k is replaced by P w_k.

    Args:
        model: Images (N, C, H, W) to logits (N, K), or one that is `Prepared` for the inputs.
        inputs: Images in [0, 1].
        labels: Classes to leave; the predicted ones by default. An input that is not classified as its label is
            adversarial already and comes back unchanged, at distance 0.
        targets: Classes to reach, one an image; None if any other class will do.
        subspace: Where the perturbation must lie; the whole space by default.
        bounds: Lowest and highest pixel of the perturbed image, numbers or tensors; None leaves them free.
        norm: 1, 2 or infinity: the norm that each step minimises.
        steps: Most steps per image.
        overshoot: The perturbation tried is (1 + overshoot) r.
        candidates: How many top classes count, the class to leave included.
        nearest: For how many of the candidates gradients are computed each step: those that the last known gradients
            put nearest. `candidates - 1` is classic DeepFool.
        minimum_step: Least step, in pixel units, so that a tie cannot stall the search.
        memory: Bytes for activations and search state; 1 GiB by default. Another budget can change the last digits.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: Images outside [0, 1], labels or targets that are no classes of the model, a target that is the
            current class, a norm other than 1, 2, inf, a model that returns no finite (N, K) logits or no gradient.

    References:
        Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool", CVPR 2016, Algorithm 2; for subspaces Ortiz-Jimenez, Modas et
        al., "Hold me tight!", NeurIPS 2020, Definition 1.

    Differences:
        Released versions of DeepFool disagree with each other in five choices. Here: (1) gradients are taken at the
        overshot point x + (1 + overshoot) r, which is also the one tested, as in the
        authors' Python; their MATLAB code and the margin framework use x + r; (2) the overshoot multiplies the sum of
        all steps, it does not compound; (3) the stabiliser is a minimum step of 1e-4, not an addition to every step;
        (4) space: [0, 1] pixels, free unless `bounds` are given (the authors work in normalised space); (5) the class
        to leave is the predicted one unless `labels` are given. The candidates are the top classes of the clean image,
        as released. With `bounds` the iterate is clamped and pixels that cannot follow the step take no part in it.
        In a subspace, steps for l1 and l-infinity are the whole-space steps projected: feasible, not minimal.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = deepfool(model, torch.rand(4, 1, 4, 4))
        >>> result.success_rate
        1.0
    """
    p = check_norm(norm)
    if nearest < 1:
        raise UsageError(f"nearest must be at least 1; got {nearest}: choose how many rivals get gradients")
    search = partial(
        deepfool_search, norm=p, steps=steps, overshoot=overshoot, nearest=nearest, minimum_step=minimum_step
    )
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


def deepfool_search(
    search: Search,
    linear: Linearization,
    *,
    norm: float = 2,
    steps: int = 50,
    overshoot: float = 0.02,
    nearest: int = 2,
    minimum_step: float = 1e-4,
    live: Labels | None = None,
    start: Coefficients | None = None,
) -> SearchResult:
    """Return where DeepFool ends for the pairs of a search: the coefficients tried last, overshoot included.

    Args:
        search: The pairs.
        linear: The model linearized at their images.
        norm, steps, overshoot, nearest, minimum_step: As in `deepfool`.
        live: Numbers of the pairs to search; all that are still to search by default.
        start: Coefficients (P, C, kr, kc) to start from instead of the image.
    """
    status, taken, reach = linear.status.clone(), torch.zeros_like(linear.status), linear.lengths.clone()
    r = search.zeros() if start is None else start / (1 + overshoot)
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1) if live is None else live
    status[live] = Status.STEP_LIMIT
    values, gradients = linear.values[live], linear.gradients[live]
    objective, picked = nearest_rivals(search, linear.rivals, reach, nearest)
    for step in range(steps + 1):
        moved = step > 0 or start is not None
        if moved and len(live):
            # Testing first, and differentiating only what fails, costs a forward pass and saves `nearest` backward.
            status, live = settle(search, (1 + overshoot) * r[live], live, status)
        if step == steps or not len(live):
            break
        if moved:
            _, values, gradients, total = search.gradients((1 + overshoot) * r[live], live, objective)
            lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
            if search.target is None:
                reach[live] = reach[live].scatter(1, picked[live], lengths)
            finite = torch.isfinite(lengths).all(1)
            flat = (lengths <= rounding(total)).all(1)
            status[live[~finite]] = Status.NON_FINITE
            status[live[finite & flat]] = Status.INVARIANT
            on = (finite & ~flat).nonzero().squeeze(1)
            live, values, gradients = live[on], values[on], gradients[on]
        here = r[live]
        r[live] = search.fit(
            here + _step(search, (1 + overshoot) * here, values, gradients, live, norm, minimum_step),
            live,
            1 + overshoot,
        )
        taken[live] += 1
        if search.bounds is not None:
            # A step that the bounds undo would be undone for ever.
            stuck = (r[live] == here).flatten(1).all(1)
            status[live[stuck]] = Status.INFEASIBLE
            live = live[~stuck]
    return SearchResult((1 + overshoot) * r, status, taken)


def _step(
    search: Search, tried: Coefficients, values: Tensor, gradients: Tensor, live: Labels, norm: float, minimum: float
) -> Coefficients:
    """Return the step of least norm to the nearest of the boundaries linearized at `tried`, at least `minimum` long."""
    best, step = torch.full_like(values[:, 0], math.inf), torch.zeros_like(tried)
    for rival in range(values.shape[1]):
        direction, gain = _steepest(search, search.pinned(tried, gradients[:, rival], live), live, norm)
        distance = torch.where(
            gain > 0, values[:, rival].abs() / gain.clamp_min(torch.finfo(gain.dtype).tiny), math.inf
        )
        closer = distance < best
        best = torch.where(closer, distance, best)
        step = torch.where(per_sample(closer, step), direction * per_sample(distance.clamp_min(minimum), step), step)
    return torch.where(per_sample(torch.isfinite(best), step), step, 0)


def _steepest(search: Search, gradient: Coefficients, live: Labels, norm: float) -> tuple[Coefficients, Tensor]:
    """Return the direction of unit l_p norm along which the linearized value grows fastest, and how fast.

    In a subspace, for p other than 2, the whole-space direction is projected: feasible and of unit norm, not optimal.
    """
    if norm == 2:
        length = norms(gradient)
        return gradient / per_sample(length.clamp_min(torch.finfo(length.dtype).tiny), gradient), length
    pixels = search.frame.synthesise(gradient, search.band[live]).flatten(1)
    if norm == math.inf:
        shape = pixels.sign()
    else:
        shape = torch.zeros_like(pixels).scatter(1, pixels.abs().argmax(1, keepdim=True), 1.0) * pixels.sign()
    image = shape.reshape(-1, *search.images.shape[1:])
    direction = search.frame.analyse(image, search.band[live])
    cost = norms(search.frame.synthesise(direction, search.band[live]), norm)
    direction = direction / per_sample(cost.clamp_min(torch.finfo(cost.dtype).tiny), direction)
    return direction, (gradient * direction).flatten(1).sum(1)
