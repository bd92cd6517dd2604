"""DeepFool: repeat the step to the nearest boundary of the model linearised at the current point."""

import math

import torch
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Logits, Model, check_norm, norms, per_sample
from geomrob.attacks.engine.linearize import Linear
from geomrob.attacks.engine.run import attack
from geomrob.attacks.engine.search import Found, Search, rounding, settle
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace


def deepfool(
    model: Model,
    inputs: Images,
    labels: Labels | None = None,
    *,
    targets: Labels | None = None,
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
    r"""Return perturbations that just change the decision, found by linearising the model over and over.

    With f the logits, c the class to leave and w_k = grad(f_k - f_c) at the current point, each step goes to the
    nearest of the linearised boundaries: k minimises |f_k - f_c| / ||w_k||_q and, for the l2 norm,
    r <- r + |f_k - f_c| / ||w_k||^2 w_k (1/p + 1/q = 1). In a subspace with projector P, w_k is replaced by P w_k.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        inputs: Images in [0, 1].
        labels: Classes to leave; the predicted ones by default. An input that is not classified as its label is
            across already and comes back unchanged, at distance 0.
        targets: Classes to reach, one an image; None if any other class will do.
        subspace: Where the perturbation must lie; the whole space by default.
        bounds: Lowest and highest pixel of the perturbed image, numbers or tensors; None leaves them free.
        norm: 1, 2 or infinity: the norm that each step minimises.
        steps: Most steps per image.
        overshoot: The perturbation tried is (1 + overshoot) r.
        candidates: How many top classes count, the class to leave included.
        nearest: For how many of the candidates slopes are computed each step: those that the last known slopes put
            nearest. `candidates - 1` is classic DeepFool.
        minimum_step: Least step, in pixel units, so that a tie cannot stall the search.
        memory: Bytes for activations and search state; 1 GiB by default.

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
        raise UsageError(f"nearest must be at least 1; got {nearest}: choose how many rivals get slopes")

    def run(search: Search, linear: Linear) -> Found:
        return deepfool_search(
            search, linear, norm=p, steps=steps, overshoot=overshoot, nearest=nearest, minimum_step=minimum_step
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


def deepfool_search(
    search: Search,
    linear: Linear,
    *,
    norm: float = 2,
    steps: int = 50,
    overshoot: float = 0.02,
    nearest: int = 2,
    minimum_step: float = 1e-4,
    live: Labels | None = None,
    start: Coefficients | None = None,
) -> Found:
    """Return where DeepFool ends for the pairs of a search: the coefficients tried last, overshoot included.

    Args:
        search: The pairs.
        linear: The model linearised at their images.
        norm, steps, overshoot, nearest, minimum_step: As in `deepfool`.
        live: Numbers of the pairs to search; all that are not settled at the image by default.
        start: Coefficients (P, C, kr, kc) to start from instead of the image.
    """
    status, taken, reach = linear.status.clone(), torch.zeros_like(linear.status), linear.lengths.clone()
    r = search.zeros() if start is None else start / (1 + overshoot)
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1) if live is None else live
    status[live] = Status.STEP_LIMIT
    values, slopes = linear.values[live], linear.slopes[live]
    picked = linear.rivals.new_zeros(len(search), min(nearest, linear.rivals.shape[1]))

    def nearest_rivals(logits: Logits, pairs: Labels) -> Tensor:
        if search.target is not None:
            return -search.gap(logits, pairs)[:, None]
        lacking = logits.gather(1, search.reference[pairs, None]) - logits.gather(1, linear.rivals[pairs])
        estimate = lacking.detach() / reach[pairs].clamp_min(torch.finfo(logits.dtype).tiny)
        picked[pairs] = estimate.topk(picked.shape[1], 1, largest=False).indices
        return -lacking.gather(1, picked[pairs])

    for step in range(steps + 1):
        moved = step > 0 or start is not None
        if moved and len(live):
            # Asking first, and taking slopes where the answer is no, costs a forward pass and saves `nearest` backward.
            status, live = settle(search, (1 + overshoot) * r[live], live, status)
        if step == steps or not len(live):
            break
        if moved:
            _, values, slopes, total = search.slopes((1 + overshoot) * r[live], live, nearest_rivals)
            lengths = torch.linalg.vector_norm(slopes.flatten(2), dim=2)
            if search.target is None:
                reach[live] = reach[live].scatter(1, picked[live], lengths)
            finite = torch.isfinite(lengths).all(1)
            flat = (lengths <= rounding(total)).all(1)
            status[live[~finite]] = Status.NON_FINITE
            status[live[finite & flat]] = Status.INVARIANT
            on = (finite & ~flat).nonzero().squeeze(1)
            live, values, slopes = live[on], values[on], slopes[on]
        here = r[live]
        r[live] = search.fit(
            here + _step(search, (1 + overshoot) * here, values, slopes, live, norm, minimum_step), live, 1 + overshoot
        )
        taken[live] += 1
        if search.bounds is not None:
            # A step that the bounds undo would be undone for ever.
            stuck = (r[live] == here).flatten(1).all(1)
            status[live[stuck]] = Status.INFEASIBLE
            live = live[~stuck]
    return Found((1 + overshoot) * r, status, taken)


def _step(
    search: Search, tried: Coefficients, values: Tensor, slopes: Tensor, live: Labels, norm: float, minimum: float
) -> Coefficients:
    """Return the step of least norm to the nearest of the boundaries linearised at `tried`, at least `minimum` long."""
    best, step = torch.full_like(values[:, 0], math.inf), torch.zeros_like(tried)
    for rival in range(values.shape[1]):
        slope = search.pinned(tried, slopes[:, rival], live)
        direction, gain = _steepest(search, slope, live, norm)
        distance = torch.where(
            gain > 0, values[:, rival].abs() / gain.clamp_min(torch.finfo(gain.dtype).tiny), math.inf
        )
        closer = distance < best
        best = torch.where(closer, distance, best)
        step = torch.where(per_sample(closer, step), direction * per_sample(distance.clamp_min(minimum), step), step)
    return torch.where(per_sample(torch.isfinite(best), step), step, 0)


def _steepest(search: Search, slope: Coefficients, live: Labels, norm: float) -> tuple[Coefficients, Tensor]:
    """Return the direction of unit l_p norm along which the linearised value grows fastest, and how fast.

    In a subspace, for p other than 2, the whole-space direction is projected: feasible and of unit norm, not optimal.
    """
    if norm == 2:
        length = norms(slope)
        return slope / per_sample(length.clamp_min(torch.finfo(length.dtype).tiny), slope), length
    pixels = search.frame.synthesise(slope, search.band[live]).flatten(1)
    if norm == math.inf:
        shape = pixels.sign()
    else:
        shape = torch.zeros_like(pixels).scatter(1, pixels.abs().argmax(1, keepdim=True), 1.0) * pixels.sign()
    image = shape.reshape(-1, *search.images.shape[1:])
    direction = search.frame.analyse(image, search.band[live])
    cost = norms(search.frame.synthesise(direction, search.band[live]), norm)
    direction = direction / per_sample(cost.clamp_min(torch.finfo(cost.dtype).tiny), direction)
    return direction, (slope * direction).flatten(1).sum(1)
