"""DeepFool: repeat the step to the nearest boundary of the model linearized at the current point."""

import math
from functools import partial

import torch
from jaxtyping import Int64
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    Distances,
    ImagesLike,
    Labels,
    LabelsLike,
    Logits,
    Model,
    per_sample,
)
from geomrob.attacks.engine.balls import steepest
from geomrob.attacks.engine.linearize import Linearization, nearest_rivals
from geomrob.attacks.engine.options import checked
from geomrob.attacks.engine.run import run_linearized
from geomrob.attacks.engine.search import Search, SearchResult, rounding
from geomrob.results import AttackResult, Status
from geomrob.spectral.frames import Coefficients
from geomrob.spectral.subspaces import Subspace

SUCCEEDS_NEXT = 0.13
"""Share of the logit gap left by a step up to which the next point is expected to be adversarial.

Newton's error shrinks with its square, the overshoot takes 2 % of a step: s (s + 0.02) < 0.02."""


FAR = 3
"""Times as far as the nearest rival by the last known gradients, above which a rival gets no gradient."""


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
            put nearest, without those put more than three times as far as the first. All, `candidates - 1`, is classic
            DeepFool.
        minimum_step: Least step, in pixel units, so that a tie cannot stall the search.
        memory: Bytes for activations and search state; 1 GiB by default. Another budget can change the last digits.

    Returns:
        One entry an input; where no boundary was found `success` is False and `status` says why.

    Raises:
        UsageError: Images outside [0, 1], labels or targets that are no classes of the model, a target that is the
            current class, a norm other than 1, 2, inf, options out of range, a model that returns no finite (N, K)
            logits or no gradient.

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
    options = checked(norm=norm, steps=steps, overshoot=overshoot, nearest=nearest, minimum_step=minimum_step)
    search = partial(deepfool_search, **options)
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
    live = (linear.status == Status.STEP_LIMIT).nonzero().squeeze(1) if live is None else live
    path, taken, scale = _Path(search, linear, live, nearest), torch.zeros_like(linear.status), 1 + overshoot
    r = search.zeros() if start is None else start / scale
    values, gradients = linear.values[live], linear.gradients[live]
    if start is not None:
        live, values, gradients = path.evaluate(scale * r[live], live, last=steps == 0)
    for step in range(steps):
        if not len(live):
            break
        here = r[live]
        move = _step(search, scale * here, values, gradients, live, norm, minimum_step)
        r[live] = search.fit(here + move, live, scale)
        taken[live] += 1
        path.fall[live] = _fall(values, gradients, scale * r[live])
        if search.bounds is not None:
            # A step that the bounds undo would be undone for ever.
            stuck = (r[live] == here).flatten(1).all(1)
            path.status[live[stuck]] = Status.INFEASIBLE
            live = live[~stuck]
        live, values, gradients = path.evaluate(scale * r[live], live, last=step + 1 == steps)
    return SearchResult(scale * r, path.status, taken, path.gap, path.fall)


class _Path:
    """What is known of every pair on its way.

    Attributes:
        status: Of every pair (P,).
        gap: Logit gap (P,) at the last point.
        fall: By how much the gap falls along the ray from the image (P,), per length of the ray: a guess.
    """

    def __init__(self, search: Search, linear: Linearization, live: Labels, nearest: int) -> None:
        self._search, self._rivals = search, linear.rivals
        self._logits, self._lengths = search.clean.clone(), linear.lengths.clone()
        self._most = min(nearest, linear.rivals.shape[1])
        self._far = FAR if self._most < linear.rivals.shape[1] else math.inf
        self.status = linear.status.clone()
        self.status[live] = Status.STEP_LIMIT
        self.gap = search.logit_gap(search.clean, search.pairs)
        self._left, self.fall = torch.full_like(self.gap, math.nan), torch.full_like(self.gap, math.nan)

    def evaluate(
        self, points: Coefficients, live: Labels, *, last: bool
    ) -> tuple[Int64[Tensor, " left"], Tensor, Tensor]:
        """Return the pairs that are not adversarial at these points, with values and gradients of rivals there.

        A point that is likely to be adversarial is tested first, which costs a forward evaluation if it is not; the
        others are differentiated at once, which costs the backward ones if they are.
        """
        every, before, tested = live, self.gap[live], (self._left[live] <= SUCCEEDS_NEXT) | last
        if bool(tested.any()):
            self._settle(live[tested], self._search.logits(points[tested], live[tested]))
        wanted = (self.status[live] == Status.STEP_LIMIT) & (not last)
        live, points = live[wanted], points[wanted]
        values, gradients = (
            points.new_full((len(live), self._most), -math.inf),
            points.new_zeros(len(live), self._most, *points.shape[1:]),
        )
        counts = self._near(live)
        for count in counts.unique().tolist():
            rows = (counts == count).nonzero().squeeze(1)
            values[rows, :count], gradients[rows, :count] = self._differentiate(points[rows], live[rows], count)
        on = self.status[live] == Status.STEP_LIMIT
        self.fall[live] = _fall(values, gradients, points)
        self._left[every] = self.gap[every] / before
        return live[on], values[on], gradients[on]

    def _near(self, live: Labels) -> Tensor:
        """Return how many rivals (n,) get gradients: those that the last known ones do not put far beyond the first."""
        own = self._logits[live].gather(1, self._search.reference[live, None])
        lacking = (own - self._logits[live].gather(1, self._rivals[live])).clamp_min(0)
        distance = lacking / self._lengths[live].clamp_min(torch.finfo(lacking.dtype).tiny)
        return (~(distance > self._far * distance.amin(1, keepdim=True))).sum(1).clamp(1, self._most)

    def _differentiate(self, points: Coefficients, live: Labels, count: int) -> tuple[Tensor, Tensor]:
        """Return values and gradients of the so many nearest rivals of these pairs; what is seen there is written."""
        objective, picked = nearest_rivals(self._search, self._rivals, self._lengths, count)
        logits, values, gradients, total = self._search.gradients(points, live, objective)
        self._settle(live, logits)
        lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
        if self._search.target is None:
            self._lengths[live] = self._lengths[live].scatter(1, picked[live], lengths)
        on, finite = self.status[live] == Status.STEP_LIMIT, torch.isfinite(lengths).all(1)
        self.status[live[on & ~finite]] = Status.NON_FINITE
        # A flat rival among several is not nearest again; where it is all, no rival moves.
        flat = (lengths <= rounding(total)).all(1) & (count == self._most)
        self.status[live[on & flat]] = Status.INVARIANT
        return values, gradients

    def _settle(self, live: Labels, logits: Logits) -> None:
        """Write the logit gap of these pairs, and the status of those that are adversarial or not finite."""
        gap, finite = self._search.logit_gap(logits, live), torch.isfinite(logits).all(1)
        self._logits[live], self.gap[live] = logits, gap
        self.status[live[(gap < 0) & finite]] = Status.FOUND
        self.status[live[~finite]] = Status.NON_FINITE


def _fall(values: Tensor, gradients: Tensor, points: Coefficients) -> Distances:
    """Return how fast the nearest boundary is approached along the rays of these points, per length of the ray."""
    lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
    best = torch.where(values > 0, -values, -values / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)).argmin(1)
    nearest = gradients[torch.arange(len(best), device=best.device), best]
    return (nearest * points).flatten(1).sum(1)


def _step(
    search: Search, tried: Coefficients, values: Tensor, gradients: Tensor, live: Labels, norm: float, minimum: float
) -> Coefficients:
    """Return the step of least norm to the nearest of the boundaries linearized at `tried`, at least `minimum` long."""
    best, step = torch.full_like(values[:, 0], math.inf), torch.zeros_like(tried)
    for rival in range(values.shape[1]):
        direction, gain = steepest(search, search.pinned(tried, gradients[:, rival], live), live, norm)
        distance = torch.where(
            gain > 0, values[:, rival].abs() / gain.clamp_min(torch.finfo(gain.dtype).tiny), math.inf
        )
        closer = distance < best
        best = torch.where(closer, distance, best)
        step = torch.where(per_sample(closer, step), direction * per_sample(distance.clamp_min(minimum), step), step)
    return torch.where(per_sample(torch.isfinite(best), step), step, 0)
