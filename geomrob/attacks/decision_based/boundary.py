"""Boundary attack: a walk along the decision boundary towards the image that needs predictions alone."""

import math
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import (
    Bounds,
    Distances,
    Images,
    ImagesLike,
    Labels,
    LabelsLike,
    Model,
    as_images,
    bounds_of,
    check_count,
    check_images,
    check_number,
    check_pair,
    is_number,
    per_sample,
)
from geomrob.attacks.engine.run import run_attack
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.engine.sparse_projection import box_around
from geomrob.attacks.engine.starting_points import DecisionOracle, check_starts, find_starts, lengths
from geomrob.errors import UsageError
from geomrob.randomness import checked_indices, fork, image_keys, normal
from geomrob.results import BoundaryResult, Status
from geomrob.spectral.bases import basis

Draws: TypeAlias = Float[Tensor, "n k c h w"]

RATE = 0.2
"""Share of the proposals that should succeed: fewer and the angle shrinks, more and it grows."""

WIDEST = 0.7
"""Largest angle of a proposal."""

TRUST, MEMORY_OF_STEPS = 0.2, 0.995
"""Weight in a proposal of the mean of the steps that succeeded, and how slowly that mean forgets."""

SMOOTHEST = 10
"""Beyond it, directions have little but the mean of the image."""

CORNER = 3.0
"""Cycles per image from where on smooth directions have less of a frequency."""


def boundary(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    targets: LabelsLike | None = None,
    bounds: Bounds = (0.0, 1.0),
    budget: int = 5000,
    starts: ImagesLike | None = None,
    pool: ImagesLike | None = None,
    tries: int = 50,
    spherical_step: float = 0.3,
    adaptation: float = 1.15,
    convergence: float = 1e-7,
    smoothness: float = 1.0,
    seed: int = 0,
    indices: Labels | None = None,
    memory: int | None = None,
) -> BoundaryResult:
    r"""Return small perturbations found from the predicted classes alone (decision-based, hard-label).

    From an adversarial start y, with r = ||y - x|| and u = (y - x) / r, each query proposes

        x + r cos(t) (cos(t) u + sin(t) v),    v a random unit vector orthogonal to u:

    a step by the angle t on the sphere around x, then one towards x that ends on the circle over the diameter [x, y],
    where a flat boundary through y would be met at the right angle. What is adversarial and nearer becomes y. The angle
    of each image grows by `adaptation` when a proposal succeeds and shrinks so that one in five does.

    Args:
        model, inputs, labels, targets, memory: As in `deepfool`; the model need not be differentiable.
        bounds: The box of the perturbed images.
        budget: Most queries (forward evaluations) an image, the clean one, the start and the verification included.
        starts: An adversarial image (N, C, H, W) for each input; nothing else is tried then.
        pool: Images (M, C, H, W) of the data set, say: each input begins from the nearest that is adversarial.
        tries: Most images of noise, and most of the pool, that an input evaluates to find its start.
        spherical_step: First angle t, in radians.
        adaptation: Factor of the angle, above 1.
        convergence: An image is finished when its step towards x, 1 - cos(t), falls under this.
        smoothness: Directions have amplitude (1 + f / 3)^-smoothness at f cycles per image, in [0, 10]; 0 for white
            noise.
        seed, indices: Of all draws, as in `noisy`: with them no batch split or order changes the result.

    Returns:
        One entry an input, with where it began and how the steps ended. An input without a valid start has the status
        NO_START, an infinite distance and no influence on the others; `unstarted` lists them.

    Raises:
        UsageError: As `deepfool`; a budget under 20 queries; options out of range; starts or pool that are no images
            of this size.

    References:
        Brendel, Rauber, Bethge, "Decision-based adversarial attacks", ICLR 2018, Algorithm 1; the circle is that of
        Maho, Furon, Le Merrer, "SurFree: a fast surrogate-free black-box attack", CVPR 2021.

    Differences:
        The two steps are tied by the circle, so one query tests both and one angle is adapted, after every query
        instead of over windows of 100 and 30. Directions are smooth, and biased towards the mean of the steps that have
        succeeded. Starts are bisected, and the nearest of several kinds of noise is taken, not the first. Draws belong
        to the image. Images that are done leave the batch. With `smoothness=0` directions are white as in the paper.
        Calls are padded to one shape by repeating a row, and a few images are evaluated again to learn whether the
        model is deterministic: neither is counted as a query.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = boundary(model, torch.full((4, 1, 4, 4), 0.5), budget=200)
        >>> bool((result.forwards <= 200).all())
        True
    """
    budget = check_count("budget", budget, 20, "a start alone takes about ten", " queries")
    tries = check_count("tries", tries, 1, "50 is usual")
    if not is_number(spherical_step) or not 0 < spherical_step <= WIDEST:
        raise UsageError(f"spherical_step must lie in (0, {WIDEST}]; got {spherical_step!r}: 0.3 is usual")
    adaptation = check_number("adaptation", adaptation, 1, "1.15 is usual", above=True)
    convergence = check_number("convergence", convergence, 0, "1e-7 is usual")
    smoothness = check_smoothness(smoothness)
    bounds = check_pair(bounds)
    inputs = check_images(inputs)
    starts = None if starts is None else as_images(starts, name="starts")
    pool = None if pool is None else as_images(pool, name="pool")
    check_starts(starts, pool, inputs)
    keys = checked_indices(indices, len(inputs))
    walks: list[BoundaryWalk] = []

    def run(search: Search, piece: slice) -> SearchResult:
        oracle = DecisionOracle(search, budget)
        box = box_around(search.images, bounds_of(bounds, piece), None)
        given = None if starts is None else starts[piece]
        begin = find_starts(oracle, box, given=given, pool=pool, tries=tries, seed=seed, keys=keys[piece])
        walk = BoundaryWalk(oracle, *begin, angle=spherical_step, smoothness=smoothness, seed=seed, keys=keys[piece])
        walks.append(walk)
        return walk.run(adaptation, convergence)

    chunk = _chunk(inputs)
    result = run_attack(
        model,
        inputs,
        labels,
        run,
        targets=targets,
        bounds=bounds,
        on_boundary=True,
        forward_only=True,
        copies=20 + chunk,
        memory=memory,
    )
    angle = torch.cat([walk.angle for walk in walks])
    return BoundaryResult(
        **vars(result),
        start=torch.cat([walk.start for walk in walks]),
        spherical_step=angle.sin(),
        source_step=1 - angle.cos(),
        converged=1 - angle.cos() < convergence,
        adapted=torch.cat([walk.adapted for walk in walks]),
    )


class BoundaryWalk:
    """The point of each pair on the boundary, and its next proposals."""

    def __init__(
        self,
        oracle: DecisionOracle,
        points: Images,
        away: Distances,
        *,
        angle: float,
        smoothness: float,
        seed: int,
        keys: Labels,
    ) -> None:
        """Begin at `points`, which lie `away` from their images: infinitely far where there is no start."""
        self.oracle = oracle
        self.points, self.start = points.clone(), away
        self.angle = torch.full_like(away, angle)
        self.adapted = torch.zeros_like(away, dtype=torch.bool)
        self.steps = torch.zeros_like(oracle.search.image)
        self.mean = torch.zeros_like(points)
        self.keys = image_keys(seed, keys, use="boundary walk")
        self.basis = basis("dct", (points.shape[2], points.shape[3]))
        frequency = torch.linalg.vector_norm(self.basis.frequencies, dim=0)
        self.weight = (1 + frequency / CORNER) ** -smoothness
        self.chunk = _chunk(points)

    def run(self, adaptation: float, convergence: float) -> SearchResult:
        """Return where the walks end: out of queries, or with steps under `convergence`."""
        began = torch.isfinite(self.start)
        status = torch.where(began, int(Status.FOUND), int(Status.NO_START))
        live = (began & (self.start > 0)).nonzero().squeeze(1)
        draws = self.points[:0, None]
        for turn in range(self.oracle.budget):
            kept = self.oracle.left(live) & (1 - self.angle[live].cos() >= convergence)
            live = live[kept]
            if not len(live):
                break
            draws = self._draw(live, turn) if turn % self.chunk == 0 else draws[kept]
            self._step(draws[:, turn % self.chunk], live, adaptation)
        return SearchResult(self.points, status, self.steps)

    def _draw(self, live: Labels, turn: int) -> Draws:
        """Return the next random directions of each pair."""
        shape = (self.chunk, *self.points.shape[1:])
        planes = normal(fork(self.keys[live.cpu()], turn), math.prod(shape)).unflatten(1, shape) * self.weight.float()
        # Pair by pair: the rounding of a product would depend on the batch.
        return torch.stack([self.basis.inverse(plane) for plane in planes]).to(self.points)

    def _step(self, draws: Images, live: Labels, adaptation: float) -> None:
        """Propose one point for each pair and keep those that are adversarial and nearer."""
        points, mean = self.points[live], self.mean[live]
        radius = lengths(points)
        outward = points / per_sample(radius, points)
        biased = math.sqrt(1 - TRUST**2) * _unit(draws) + TRUST * _unit(mean)
        sideways = _unit(biased - per_sample(_dot(biased, outward), points) * outward)
        angle = per_sample(self.angle[live], points)
        proposal = per_sample(radius, points) * angle.cos() * (angle.cos() * outward + angle.sin() * sideways)
        proposal = self.oracle.search.fit(proposal, live)
        accepted = self.oracle.is_adversarial(proposal, live) & (lengths(proposal) < radius)
        self.points[live] = torch.where(per_sample(accepted, points), proposal, points)
        weight = per_sample(torch.where(accepted, 1 - RATE, -RATE), points).to(points)
        self.mean[live] = MEMORY_OF_STEPS * mean + (1 - MEMORY_OF_STEPS) * weight * sideways
        factor = torch.where(accepted, adaptation, adaptation ** (-RATE / (1 - RATE)))
        self.angle[live] = (self.angle[live] * factor.to(points)).clamp(max=WIDEST)
        self.adapted[live] = True
        self.steps[live] += 1


def _chunk(images: Images) -> int:
    """Return how many directions of an image are drawn at a time: many of small images, one of large ones."""
    return max(1, min(32, (1 << 16) // images[0].numel()))


def _dot(one: Images, other: Images) -> Distances:
    """Return the inner products in float64: rounded once, they do not depend on how a batch is summed."""
    return (one.double() * other.double()).flatten(1).sum(1).to(one)


def _unit(images: Images) -> Images:
    return images / per_sample(lengths(images).clamp_min(torch.finfo(images.dtype).tiny), images)


def check_smoothness(smoothness: float) -> float:
    """Return the smoothness of proposals as a float.

    Raises:
        UsageError: It is outside [0, 10], or no number.
    """
    if not is_number(smoothness) or not 0 <= smoothness <= SMOOTHEST:
        raise UsageError(f"smoothness must lie in [0, {SMOOTHEST}]; got {smoothness!r}: 1 is usual, 0 is white noise")
    return float(smoothness)
