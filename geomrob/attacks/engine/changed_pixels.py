"""The adversarial points with the fewest pixels, or elements, so far, and trials with some of them replaced."""

import math
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels
from geomrob.attacks.engine.linearize import towards_boundary
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.results import Status
from geomrob.spectral.frames import Coefficients

Flat: TypeAlias = Float[Tensor, "n u d"]
COUNTS = ("pixels", "elements")
"""What can be few."""

PIECE = 1 << 26
"""Bytes of perturbed images that are built at a time."""

SPARE = 2
"""Evaluations that are set aside for the last verification."""


class Pixels:
    """The best adversarial point of each pair so far, and what is needed to look for one with fewer pixels.

    What is to be few is called a pixel here: a position with all its channels or, with `count="elements"`, one channel
    of one position. C below is then 1 and D the number of elements, else they are the channels and the positions.

    Attributes:
        search: The pairs, one an image, in the whole space and a box; it counts what is spent.
        best: The adversarial perturbation with the fewest pixels (P, C, D); every one was evaluated.
        known: Whether there is one yet (P,).
        budget: Most forward and backward evaluations together per pair.
        down, up: The change (P, C, D) that takes each element to the lower and to the upper side of its box.
    """

    def __init__(self, search: Search, *, budget: int, count: str = "pixels") -> None:
        assert search.whole, "the pixels of an image are pruned"
        assert search.bounds is not None, "they are pruned inside a box"
        images = search.images
        low, high = (torch.as_tensor(side, dtype=images.dtype, device=images.device) for side in search.bounds)
        self.search, self.budget, self._channels = search, budget, images.shape[1] if count == "pixels" else 1
        self.down, self.up = self.flat(low - images), self.flat(high - images)
        self.best = torch.zeros_like(self.up)
        self.known = torch.zeros_like(search.image, dtype=torch.bool)
        self._over = torch.zeros_like(self.known)

    def flat(self, coefficients: Coefficients) -> Flat:
        """Return perturbations by pixel."""
        size = math.prod(coefficients.shape[1:]) // self._channels
        return coefficients.reshape(len(coefficients), self._channels, size)

    def count(self, pairs: Labels) -> Labels:
        """Return how many pixels the best point of each pair changes; more than there are where there is none."""
        return torch.where(self.known[pairs], changed(self.best[pairs]).sum(1), self.best.shape[2] + 1)

    def afford(self, pairs: Labels, evaluations: int | Tensor) -> Bool[Tensor, " n"]:
        """Return which pairs have so many evaluations left; those that have not are over.

        So what a pair does with a budget is how it begins with a larger one.
        """
        spent = (self.search.spent.forwards + self.search.spent.backwards).to(pairs.device)[pairs]
        self._over[pairs] |= spent + evaluations > self.budget - SPARE
        return ~self._over[pairs]

    def worth(self, images: Images, pairs: Labels, cost: int) -> Bool[Tensor, " n"]:
        """Return whether a search now at these images can end with fewer pixels than the best, and can afford `cost`.

        It takes back no pixel that it has moved, unless to a side of the box where the pixel was before.
        """
        moved = self.flat(images - self.search.images[pairs]) != 0
        inside = (self.up[pairs] != 0) & (self.down[pairs] != 0)
        on = (moved & inside).any(1).sum(1) + 1 < self.count(pairs)
        on[on.clone()] = self.afford(pairs[on], cost)
        return on

    def offer(self, result: SearchResult) -> None:
        """Take over where a search ended, where that is adversarial and changes fewer pixels than the best."""
        points = self.flat(result.coefficients)
        better = result.success & (changed(points).sum(1) < self.count(self.search.pairs))
        self.best[better] = points[better]
        self.known |= better

    def result(self, other: SearchResult) -> SearchResult:
        """Return the best points; where there is none, those of another search with their status."""
        coefficients = torch.where(self.known[:, None, None], self.best, self.flat(other.coefficients))
        status = torch.where(self.known, int(Status.FOUND), other.status)
        return SearchResult(coefficients.view_as(other.coefficients), status, other.steps)

    def keep(self, points: Flat, pairs: Labels, gap: Distances) -> None:
        """Keep those points that are adversarial and change no more pixels than the best so far."""
        better = (gap < 0) & (changed(points).sum(1) <= self.count(pairs))
        self.best[pairs[better]] = points[better]
        self.known[pairs[better]] = True

    def gap(self, points: Flat, pairs: Labels) -> Distances:
        """Return the logit gap of the points, negative iff adversarial; one forward evaluation each."""
        logits = self.search.logits(self._images(points), pairs)
        return self.search.logit_gap(logits, pairs).nan_to_num(torch.inf, torch.inf, -torch.inf)

    def gradients(self, points: Flat, pairs: Labels) -> tuple[Flat, Flat, Distances]:
        """Return the gradient towards the boundary, each element's change to the side that it points to, and the gap.

        One forward and one backward evaluation each.
        """
        _, values, gradients, _ = self.search.gradients(self._images(points), pairs, towards_boundary(self.search))
        gap = (-values[:, 0]).nan_to_num(torch.inf, torch.inf, -torch.inf)
        return *self.sides(self.flat(gradients[:, 0]), pairs), gap

    def sides(self, gradients: Flat, pairs: Labels) -> tuple[Flat, Flat]:
        """Return gradients without NaN, and each element's change to the side that they point to."""
        gradients = gradients.nan_to_num(0, 0, 0)
        return gradients, torch.where(gradients > 0, self.up[pairs], torch.where(gradients < 0, self.down[pairs], 0))

    def best_trial(
        self,
        points: Flat,
        pairs: Labels,
        where: Int64[Tensor, "n m t"],
        values: Float[Tensor, "n m u t"],
        valid: Bool[Tensor, "n m"],
    ) -> tuple[Flat, Distances]:
        """Return the points after that of m trials which leaves the least gap, and the gap; what is better is kept.

        Args:
            points: What the trials change.
            pairs: Whose points they are.
            where: The t pixels that each trial sets; one that is named twice must be set to the same.
            values: What it sets them to.
            valid: Which trials to evaluate, one forward evaluation each; the gap is infinite where there is none.
        """
        gaps = torch.full(valid.shape, torch.inf, dtype=points.dtype, device=points.device)
        size = max(1, PIECE // (points[0].numel() * points.element_size()))
        for piece in valid.nonzero().split(size):
            row, trial = piece.unbind(1)
            if len(row):
                gaps[row, trial] = self.gap(_set(points[row], where[row, trial], values[row, trial]), pairs[row])
        row, best = torch.arange(len(points), device=points.device), gaps.argmin(1)
        moved, gap = _set(points, where[row, best], values[row, best]), gaps[row, best]
        self.keep(moved, pairs, gap)
        return moved, gap

    def _images(self, points: Flat) -> Coefficients:
        return points.reshape(-1, *self.search.images.shape[1:])


def changed(points: Flat) -> Bool[Tensor, "n d"]:
    """Return which pixels are changed, in any channel."""
    return (points != 0).any(1)


def take(points: Flat, where: Int64[Tensor, "n m t"]) -> Float[Tensor, "n m u t"]:
    """Return the values of some pixels in all channels."""
    index = where[:, :, None].expand(-1, -1, points.shape[1], -1)
    return points[:, None].expand(-1, where.shape[1], -1, -1).gather(3, index)


def _set(points: Flat, where: Int64[Tensor, "n t"], values: Float[Tensor, "n c t"]) -> Flat:
    """Return the points with some pixels replaced."""
    return points.scatter(2, where[:, None].expand(-1, points.shape[1], -1), values)
