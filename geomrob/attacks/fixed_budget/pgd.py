"""PGD: steps of given size along the gradient, projected onto a ball and the box, with restarts."""

import math

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    Images,
    ImagesLike,
    Labels,
    LabelsLike,
    Logits,
    Model,
    as_images,
    check_count,
    check_norm,
    norms,
    per_sample,
)
from geomrob.attacks.engine.balls import into_ball
from geomrob.attacks.engine.linearize import towards_boundary
from geomrob.attacks.engine.run import check_strength, run_attack
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.fixed_budget.fgsm import cross_entropy
from geomrob.errors import UsageError, unknown
from geomrob.inference import Objective
from geomrob.randomness import Keys, checked_indices, fork, normal, sample, uniform
from geomrob.results import AttackResult, Status

LOSSES = ("cross-entropy", "margin")

DENSITY = 0.02
"""Share of the elements that a step in an l1 ball moves: those with the largest gradients."""


def pgd(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    epsilon: float | Tensor,
    norm: float = math.inf,
    targets: LabelsLike | None = None,
    bounds: Bounds = (0.0, 1.0),
    steps: int = 40,
    step_size: float | Tensor | None = None,
    restarts: int = 1,
    random_start: bool = True,
    starts: Images | None = None,
    loss: str = "cross-entropy",
    seed: int = 0,
    indices: Labels | None = None,
    memory: int | None = None,
) -> AttackResult:
    r"""Return adversarial images inside a ball around the inputs, where steps along the gradient find one.

    r <- clamp(project(r + s d)), with d = sign(g) for l_inf, g / ||g|| for l_2, and for l_1 the signs of the elements
    with the largest |g| over their number; g is the gradient of the loss at x + r, and s = 2.5 epsilon / steps: enough
    to traverse the ball from any start. An image leaves the batch at its first success; of one that never succeeds the
    point nearest to success (the smallest margin of the logits) is kept.

    Args:
        model, inputs, labels, targets, memory: As in `deepfool`.
        epsilon: Radius of the ball in [0, 1] units, one for all images or one each.
        norm: inf, 2 or 1.
        bounds: The box that the perturbed images lie in.
        steps: Steps of each restart.
        step_size: Length of a step in the norm of the ball, one for all or one each; 2.5 epsilon / steps by default.
        restarts: How many starts.
        random_start: Whether the first start is drawn from the ball too; later ones always are.
        starts: Images to begin the first of the restarts from, moved into the ball; those of a closer search, say.
        loss: `cross-entropy`, or `margin`, the difference of the logits, whose gradient does not vanish where saturated
            logits round the cross-entropy to zero.
        seed, indices: Of the starts, as in `noisy`.

    Returns:
        One entry an input; `steps` counts steps until success, restarts added up (0 where the input itself is not
        classified as its label). Failures keep their best point, `success` False and a status: STEP_LIMIT, INVARIANT
        where every gradient was exactly zero, NON_FINITE where the last start met NaN.

    Raises:
        UsageError: As `deepfool`; a negative radius, another norm or loss, less than one step or restart.

    References:
        Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018; Tramer, Boneh,
        "Adversarial training and robustness for multiple perturbations", NeurIPS 2019, for the steps in an l1 ball;
        Duchi et al., "Efficient projections onto the l1-ball for learning in high dimensions", ICML 2008.

    Differences:
        The first success ends an image's search, and every point on the way is tested, not the last one alone.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> pgd(model, torch.full((4, 1, 4, 4), 0.5), epsilon=0.5).success_rate
        1.0
    """
    radii = _radii(epsilon, inputs)
    check_norm(norm)
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    steps = check_count("steps", steps, 1, "40 is usual")
    restarts = check_count("restarts", restarts, 1, "1 is usual")
    lengths = None if step_size is None else _radii(step_size, inputs, "step_size")
    if lengths is not None and not bool((lengths > 0).all()):
        raise UsageError(f"step_size must be above 0; got {step_size}: leave it out for 2.5 epsilon / steps")
    keys = checked_indices(indices, len(inputs))
    starts = None if starts is None else as_images(starts, name="starts")
    if starts is not None and starts.shape != (shape := as_images(inputs).shape):
        raise UsageError(
            f"starts must be of the shape of the inputs, {tuple(shape)}; got {tuple(starts.shape)}: one an image"
        )

    def run(search: Search, piece: slice) -> SearchResult:
        objective = cross_entropy(search) if loss == LOSSES[0] else towards_boundary(search)
        exact = per_sample(radii[piece].to(search.images.device), search.images)
        size = 2.5 * exact / steps if lengths is None else per_sample(lengths[piece].to(exact), exact)
        radius = exact.flatten().to(search.images)
        state = PGDState(search, norm, radius, size.to(search.images), objective)
        for restart in range(restarts):
            begin = search.zeros()
            if starts is not None and not restart:
                begin = into_ball(starts[piece] - search.images, norm, radius)
            elif restart or random_start:
                begin = _start(search.images, norm, exact, seed, keys[piece], restart)
            state.climb(begin, steps)
        return state.result()

    return run_attack(model, inputs, labels, run, targets=targets, bounds=bounds, on_boundary=False, memory=memory)


class PGDState:
    """The best point of each pair so far, and the steps that continue from one start."""

    def __init__(self, search: Search, norm: float, epsilon: Tensor, size: Tensor, loss: Objective) -> None:
        """Begin at the images themselves: one that is adversarial already is done; radius and step are one an image."""
        self.search, self.norm, self.epsilon, self.size, self.loss = search, norm, epsilon, size, loss
        self.best = search.zeros()
        self.least = search.logit_gap(search.clean, search.pairs).nan_to_num(math.inf)
        self.status: Int64[Tensor, " p"] = torch.full_like(search.image, Status.INVARIANT)
        self.status[self.least < 0] = Status.FOUND
        self.steps = torch.zeros_like(search.image)

    def climb(self, start: Images, steps: int) -> None:
        """Climb from `start` with all pairs that have not succeeded yet."""
        live = (self.status != Status.FOUND).nonzero().squeeze(1)
        self.status[live[self.status[live] == Status.NON_FINITE]] = Status.INVARIANT
        c = self.search.fit(start, self.search.pairs)
        for _ in range(steps):
            if not len(live):
                return
            logits, _, gradients, _ = self.search.gradients(c[live], live, self.loss)
            going = self._record(logits, c[live], live)
            gradient, live = gradients[going, 0], live[going]
            moves = (gradient != 0).flatten(1).any(1) & torch.isfinite(gradient).flatten(1).all(1)
            self.status[live[moves]] = Status.STEP_LIMIT
            c[live] = self._step(c[live], gradient.nan_to_num(0, 0, 0), live)
            self.steps[live] += 1
        if len(live):
            self._record(self.search.logits(c[live], live), c[live], live)

    def result(self) -> SearchResult:
        """Return the best point of each pair."""
        return SearchResult(self.best, self.status, self.steps)

    def _record(self, logits: Logits, points: Images, live: Labels) -> Bool[Tensor, " n"]:
        """Keep the points nearest to success so far; return which pairs continue."""
        gap, finite = self.search.logit_gap(logits, live), torch.isfinite(logits).all(1)
        better = finite & (gap < self.least[live])
        self.best[live[better]] = points[better]
        self.least[live] = torch.where(finite, torch.minimum(gap, self.least[live]), self.least[live])
        self.status[live[~finite]] = Status.NON_FINITE
        self.status[live[finite & (gap < 0)]] = Status.FOUND
        return finite & (gap >= 0)

    def _step(self, points: Images, gradient: Images, pairs: Labels) -> Images:
        """Return the points a step further, back in the ball and the box."""
        if math.isinf(self.norm):
            direction = gradient.sign()
        elif self.norm == 1:
            # An element at a bound cannot follow: another one moves in its place.
            flat = self.search.pinned(points, gradient, pairs).flatten(1)
            most = flat.abs().topk(max(1, round(DENSITY * flat.shape[1])), 1).indices
            direction = torch.zeros_like(flat).scatter(1, most, flat.gather(1, most).sign() / most.shape[1])
            direction = direction.reshape(gradient.shape)
        else:
            direction = gradient / per_sample(norms(gradient).clamp_min(torch.finfo(gradient.dtype).tiny), gradient)
        moved = into_ball(points + self.size[pairs] * direction, self.norm, self.epsilon[pairs])
        return self.search.fit(moved, pairs)


def _start(images: Images, norm: float, epsilon: Tensor, seed: int, keys: Labels, restart: int) -> Images:
    """Return points drawn uniformly from the ball, by (seed, index, restart)."""

    def draw(keys: Keys, count: int) -> Tensor:
        if math.isinf(norm):
            return 2 * uniform(keys, count).double() - 1
        radius = uniform(fork(keys, 0), 1).double() ** (1 / count)
        ball = normal(fork(keys, 1), count).double()
        if norm == 1:
            ball = ball.sign() * -uniform(fork(keys, 2), count).double().clamp_min(1e-12).log()
        # Each length by itself: how a sum is split over threads would depend on the batch.
        return radius * torch.stack([row / torch.linalg.vector_norm(row, norm) for row in ball])

    return (epsilon * sample(draw, f"pgd {restart}", seed, keys, images.double())).to(images)


def _radii(epsilon: float | Tensor, inputs: ImagesLike, name: str = "epsilon") -> Tensor:
    """Return the radius of the ball of each image, or the length of its steps, (N,)."""
    try:
        radii = torch.as_tensor(epsilon, dtype=torch.float64).flatten()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise UsageError(f"{name} must be one number or one an image; got {epsilon!r}: give one") from None
    if len(radii) not in (1, len(inputs)):
        raise UsageError(f"{name} must be one number or one an image; got {len(radii)} for {len(inputs)}: give one")
    for radius in radii.unique().tolist():
        check_strength(radius, name)
    return radii.expand(len(inputs))
