"""Where a decision-based attack begins: an image that is decided otherwise, drawn in along its ray to the boundary."""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, check_images, per_sample
from geomrob.attacks.engine.search import Search
from geomrob.errors import UsageError
from geomrob.randomness import Keys, normal, sample, uniform
from geomrob.spectral.bases import basis

ROUNDS = 8
"""Bisections of a start: its distance is then known to 1/256."""

NEARER = 0.9
"""A later start costs a query only where it could be nearer than this share of the best."""

ALWAYS = 8
"""How many kinds of noise every image tries, to begin from the nearest; more only where none of them will do."""

CONTRAST = 0.35
"""Standard deviation of smooth noise before it is clamped."""


class DecisionOracle:
    """Whether points are adversarial, for attacks with a budget of queries: counted, and nothing beyond the budget.

    Attributes:
        search: The pairs, one an image, in the whole space and a box; its forward evaluations are the queries.
        budget: Most queries an image; two are set aside for the verification.
    """

    def __init__(self, search: Search, budget: int) -> None:
        self.search, self.budget = search, budget

    def left(self, pairs: Labels) -> Bool[Tensor, " n"]:
        """Return which pairs have a query left."""
        return (self.search.spent.forwards < self.budget - 2).to(pairs.device)[pairs]

    def is_adversarial(self, points: Images, pairs: Labels) -> Bool[Tensor, " n"]:
        """Return which perturbations are adversarial; those of pairs without a query left are not."""
        may = self.left(pairs)
        adversarial = torch.zeros_like(may)
        if bool(may.any()):
            adversarial[may] = self.search.is_adversarial(points[may], pairs[may])
        return adversarial


def find_starts(
    oracle: DecisionOracle,
    box: tuple[Images, Images],
    *,
    given: Tensor | None,
    pool: Tensor | None,
    tries: int,
    seed: int,
    keys: Labels,
) -> tuple[Images, Distances]:
    """Return the nearest perturbation (P, C, H, W) that is adversarial, and its length; infinity for none.

    Args:
        oracle: Evaluates and counts.
        box: Lowest and highest image of each pair.
        given: One start a pair; nothing else is tried then.
        pool: Images to begin from, nearest first.
        tries: Most images of noise, and most of the pool, that a pair tries.
        seed, keys: Of the noise.
    """
    search = oracle.search
    best = search.zeros()
    length = torch.full_like(lengths(best), math.inf)
    length[search.logit_gap(search.clean, search.pairs) < 0] = 0
    if given is not None:
        return _try(oracle, given - search.images, best, length)
    if pool is not None:
        # Not by matrix products, whose rounding depends on the batch.
        apart = torch.cdist(search.images.flatten(1), pool.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
        order = apart.sort(dim=1, stable=True).indices
        for rank in range(min(tries, len(pool))):
            best, length = _try(oracle, pool[order[:, rank]] - search.images, best, length, late=True)
    for attempt in range(tries):
        late = pool is not None or attempt >= ALWAYS
        if late and bool(torch.isfinite(length).all()):
            break
        best, length = _try(oracle, _noise(attempt, box, search.images, seed, keys), best, length, late=late)
    return best, length


def check_starts(given: Tensor | None, pool: Tensor | None, inputs: Images) -> None:
    """Refuse starts that are no images of this size.

    Raises:
        UsageError: Starts that are not one an input; a pool of other images; values outside [0, 1].
    """
    for name, images in (("starts", given), ("pool", pool)):
        if images is None:
            continue
        check_images(images, None, name=name)
        if images.shape[1:] != inputs.shape[1:]:
            wanted, shape = tuple(inputs.shape[1:]), tuple(images.shape[1:])
            raise UsageError(f"{name} must be images shaped {wanted}; got {shape}: take them from the same data set")
    if given is not None and len(given) != len(inputs):
        raise UsageError(f"starts must be one for each of {len(inputs)} inputs; got {len(given)}: or pass a pool")


def lengths(perturbations: Images) -> Distances:
    """Return the l2 norm of each perturbation, summed in float64: rounded once, it does not depend on the batch."""
    return perturbations.double().flatten(1).square().sum(1).sqrt().to(perturbations)


def _try(
    oracle: DecisionOracle, rays: Images, best: Images, length: Distances, *, late: bool = False
) -> tuple[Images, Distances]:
    """Return the nearer, pair by pair, of the best so far and what a bisection finds on a ray.

    A pair with a start spends one query, on whether the ray could lead to a nearer one; none if it is `late`.
    """
    reach = (NEARER * length / lengths(rays).clamp_min(torch.finfo(length.dtype).tiny)).clamp(max=1)
    wanted = (length > 0) & (lengths(rays) > 0)
    wanted = wanted & torch.isinf(length) if late else wanted
    pairs = wanted.nonzero().squeeze(1)
    if not len(pairs):
        return best, length
    hit = oracle.is_adversarial(rays[pairs] * per_sample(reach[pairs], rays), pairs)
    pairs = pairs[hit]
    low, high = torch.zeros_like(reach[pairs]), reach[pairs]
    for _ in range(ROUNDS if len(pairs) else 0):
        middle = (low + high) / 2
        adversarial = oracle.is_adversarial(rays[pairs] * per_sample(middle, rays), pairs)
        low, high = torch.where(adversarial, low, middle), torch.where(adversarial, middle, high)
    best, length = best.clone(), length.clone()
    best[pairs] = oracle.search.fit(rays[pairs] * per_sample(high, rays), pairs)
    length[pairs] = lengths(best[pairs])
    return best, length


def _noise(attempt: int, box: tuple[Images, Images], images: Images, seed: int, keys: Labels) -> Images:
    """Return the perturbations that make the images noise: white, smooth, their negative, or one shade.

    Models sort all noise of one kind into few classes, so several kinds are tried.
    """
    low, high = box
    kind = attempt % ALWAYS
    if kind in (5, 6, 7) and attempt < ALWAYS:
        shade = {5: low + high - images, 6: low, 7: high}[kind]
        return shade - images
    shape = images.shape[1:]
    cosines = basis("dct", (shape[1], shape[2]))
    band = torch.linalg.vector_norm(cosines.frequencies, dim=0) < 1 + kind

    def draw(keys: Keys, count: int) -> Tensor:
        if kind % 4 == 0:
            return uniform(keys, count)
        # One by one: the rounding of a product would depend on the batch.
        fields = [cosines.inverse(row.reshape(shape) * band) for row in normal(keys, count).double()]
        return torch.stack([(0.5 + CONTRAST * field / field.std().clamp_min(1e-9)).clamp(0, 1) for field in fields])

    return low + (high - low) * sample(draw, f"boundary start {attempt}", seed, keys, images) - images
