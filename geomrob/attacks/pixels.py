"""The fewest changed pixels that are known to cross the boundary, image by image, and cheap trials to find fewer.

A pixel counts once however many of its channels change, so all channels of a pixel move together, each to the side of
the box that the slope points to. Perturbations here have the pixels of an image in one axis.
"""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.attacks.search import Search
from geomrob.spectral.frames import Coefficients

Flat: TypeAlias = Float[Tensor, "n c d"]

PIECE = 1 << 26
"""Bytes of perturbed images that are built at a time."""


class Pixels:
    """The best crossing of each pair so far, and what is needed to look for one with fewer pixels.

    Attributes:
        search: The pairs, one an image, in the whole space and a box; it counts what is spent.
        best: The crossing with the fewest pixels (P, C, D); every one was asked about.
        budget: Most forward and backward evaluations together per pair.
        down, up: The change (P, C, D) that takes each element to the lower and to the upper side of its box.
    """

    def __init__(self, search: Search, crossings: Coefficients, budget: int) -> None:
        """Start from `crossings`, which must all cross where they are used."""
        assert search.whole, "the pixels of an image are pruned"
        assert search.bounds is not None, "they are pruned inside a box"
        images = search.images
        low, high = (torch.as_tensor(side, dtype=images.dtype, device=images.device) for side in search.bounds)
        self.search, self.budget = search, budget
        self.best = crossings.flatten(2).clone()
        self.down, self.up = (low - images).flatten(2), (high - images).flatten(2)

    def count(self, pairs: Labels) -> Labels:
        """Return how many pixels the best crossing of each pair changes."""
        return changed(self.best[pairs]).sum(1)

    def left(self, pairs: Labels) -> Labels:
        """Return how many evaluations each pair may still spend; one is set aside for the last verification."""
        spent = (self.search.forwards + self.search.backwards).to(pairs.device)[pairs]
        return self.budget - 1 - spent.ceil().long()

    def keep(self, points: Flat, pairs: Labels, gap: Distances) -> None:
        """Keep those points that cross and change no more pixels than the best so far."""
        better = (gap < 0) & (changed(points).sum(1) <= self.count(pairs))
        self.best[pairs[better]] = points[better]

    def gap(self, points: Flat, pairs: Labels) -> Distances:
        """Return how far the points are from crossing, negative beyond; one forward evaluation each."""
        logits = self.search.logits(self._images(points), pairs)
        return self.search.gap(logits, pairs).nan_to_num(torch.inf, torch.inf, -torch.inf)

    def slopes(self, points: Flat, pairs: Labels) -> tuple[Flat, Flat]:
        """Return the slope towards crossing, and each element's change to the side that it points to.

        One forward and one backward evaluation each.
        """

        def rise(logits: Tensor, p: Labels) -> Tensor:
            return -self.search.gap(logits, p)[:, None]

        slopes = self.search.slopes(self._images(points), pairs, rise)[2][:, 0].flatten(2).nan_to_num(0, 0, 0)
        sides = torch.where(slopes > 0, self.up[pairs], torch.where(slopes < 0, self.down[pairs], 0))
        return slopes, sides

    def best_trial(
        self,
        points: Flat,
        pairs: Labels,
        where: Int64[Tensor, "n m t"],
        values: Float[Tensor, "n m c t"],
        valid: Bool[Tensor, "n m"],
    ) -> tuple[Flat, Distances, Labels]:
        """Return the points after that of m trials which leaves the least gap, the gap, and which trial it was.

        Args:
            points: What the trials change.
            pairs: Whose points they are.
            where: The t pixels that each trial sets.
            values: What it sets them to.
            valid: Which trials to ask about, one forward evaluation each; the gap is infinite where there is none.
        """
        gaps = torch.full(valid.shape, torch.inf, dtype=points.dtype, device=points.device)
        spent = self.search.forwards.clone()
        size = max(1, PIECE // (points[0].numel() * points.element_size()))
        for piece in valid.nonzero().split(size):
            row, trial = piece.unbind(1)
            if len(row):
                gaps[row, trial] = self.gap(_set(points[row], where[row, trial], values[row, trial]), pairs[row])
        # The search counts a pair once a call, however often it is in it.
        self.search.forwards = spent
        self.search.forwards[pairs.cpu()] += valid.sum(1).cpu()
        row, best = torch.arange(len(points), device=points.device), gaps.argmin(1)
        return _set(points, where[row, best], values[row, best]), gaps[row, best], best

    def _images(self, points: Flat) -> Coefficients:
        return points.reshape(-1, *self.search.images.shape[1:])


def changed(points: Flat) -> Bool[Tensor, "n d"]:
    """Return which pixels are changed, in any channel."""
    return (points != 0).any(1)


def take(points: Flat, where: Int64[Tensor, "n m t"]) -> Float[Tensor, "n m c t"]:
    """Return the values of some pixels in all channels."""
    index = where[:, :, None].expand(-1, -1, points.shape[1], -1)
    return points[:, None].expand(-1, where.shape[1], -1, -1).gather(3, index)


def _set(points: Flat, where: Int64[Tensor, "n t"], values: Float[Tensor, "n c t"]) -> Flat:
    """Return the points with some pixels replaced."""
    return points.scatter(2, where[:, None].expand(-1, points.shape[1], -1), values)
