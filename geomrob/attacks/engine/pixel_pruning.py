"""Fewer pixels for a perturbation that is adversarial already: drop, rebuild, swap, within a budget."""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.attacks.engine.linearize import towards_boundary
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.spectral.frames import Coefficients

Flat: TypeAlias = Float[Tensor, "n c d"]

PIECE = 1 << 26
"""Bytes of perturbed images that are built at a time."""


class Pixels:
    """The best adversarial point of each pair so far, and what is needed to look for one with fewer pixels.

    Attributes:
        search: The pairs, one an image, in the whole space and a box; it counts what is spent.
        best: The adversarial perturbation with the fewest pixels (P, C, D); every one was evaluated.
        budget: Most forward and backward evaluations together per pair.
        down, up: The change (P, C, D) that takes each element to the lower and to the upper side of its box.
    """

    def __init__(self, search: Search, points: Coefficients, budget: int) -> None:
        """Start from `points`, which must be adversarial where they are used."""
        assert search.whole, "the pixels of an image are pruned"
        assert search.bounds is not None, "they are pruned inside a box"
        images = search.images
        low, high = (torch.as_tensor(side, dtype=images.dtype, device=images.device) for side in search.bounds)
        self.search, self.budget = search, budget
        self.best = points.flatten(2).clone()
        self.down, self.up = (low - images).flatten(2), (high - images).flatten(2)

    def count(self, pairs: Labels) -> Labels:
        """Return how many pixels the best point of each pair changes."""
        return changed(self.best[pairs]).sum(1)

    def left(self, pairs: Labels) -> Labels:
        """Return how many evaluations each pair may still spend; one is set aside for the last verification."""
        spent = (self.search.spent.forwards + self.search.spent.backwards).to(pairs.device)[pairs]
        return self.budget - 1 - spent.ceil().long()

    def keep(self, points: Flat, pairs: Labels, gap: Distances) -> None:
        """Keep those points that are adversarial and change no more pixels than the best so far."""
        better = (gap < 0) & (changed(points).sum(1) <= self.count(pairs))
        self.best[pairs[better]] = points[better]

    def gap(self, points: Flat, pairs: Labels) -> Distances:
        """Return the logit gap of the points, negative iff adversarial; one forward evaluation each."""
        logits = self.search.logits(self._images(points), pairs)
        return self.search.logit_gap(logits, pairs).nan_to_num(torch.inf, torch.inf, -torch.inf)

    def gradients(self, points: Flat, pairs: Labels) -> tuple[Flat, Flat]:
        """Return the gradient towards the boundary, and each element's change to the side that it points to.

        One forward and one backward evaluation each.
        """
        towards = towards_boundary(self.search)
        gradients = self.search.gradients(self._images(points), pairs, towards)[2][:, 0].flatten(2).nan_to_num(0, 0, 0)
        sides = torch.where(gradients > 0, self.up[pairs], torch.where(gradients < 0, self.down[pairs], 0))
        return gradients, sides

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
            valid: Which trials to evaluate, one forward evaluation each; the gap is infinite where there is none.
        """
        gaps = torch.full(valid.shape, torch.inf, dtype=points.dtype, device=points.device)
        size = max(1, PIECE // (points[0].numel() * points.element_size()))
        for piece in valid.nonzero().split(size):
            row, trial = piece.unbind(1)
            if len(row):
                gaps[row, trial] = self.gap(_set(points[row], where[row, trial], values[row, trial]), pairs[row])
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


REST = 4
"""For how many exchanges a pixel that left stays out, so that the search does not turn in circles."""

LEAVING = 3
"""How many pixels are considered for leaving in an exchange: those whose reset costs least to first order."""

ROUNDS = 16
"""Most steps in which as many pixels as a perturbation has now are added again."""

SHARE = 0.6
"""Share of the budget left that adding them again may cost."""


def prune(search: Search, result: SearchResult, *, budget: int = 150, width: int | None = None) -> SearchResult:
    """Return the perturbations with fewer pixels changed, each still adversarial.

    *Drop*: all changed pixels go to the side of the box; ordered by gradient times change, bisection finds how many of
    them are enough. *Rebuild*: from the clean image one pixel is added at a time, the one that helps most of the
    `width` that promise most to first order; given up where it gets no smaller than what is there. *Swap*: the pixel
    needed least is dropped for as long as what is left is adversarial; then, with one pixel too few, pixels are
    exchanged one for one, the exchange that helps most of the `width` that promise most, until that is adversarial and
    a pixel can go again.

    Args:
        search: The pairs, one an image, in a box; what they have spent already counts.
        result: Where a search ended; what is not adversarial is returned as it is.
        budget: Most forward and backward evaluations together per image, over the whole life of `search`.
        width: Trials a step; budget / 14, from 4 to 16, by default.

    References:
        The stages are our own. Rebuilding is a greedy search in the manner of VFGA (Hajri et al., 2020), its
        first-order choice checked by forward evaluations.
    """
    pixels = Pixels(search, result.coefficients, budget)
    width = min(16, max(4, budget // 14)) if width is None else width
    live = result.success.nonzero().squeeze(1)
    live = live[pixels.count(live) > 0]
    _drop(pixels, live)
    _rebuild(pixels, live, width)
    _swap(pixels, live, width)
    return SearchResult(pixels.best.view_as(result.coefficients), result.status, result.steps)


def _drop(pixels: Pixels, live: Labels) -> None:
    """Saturate the changed pixels, order them by gradient times change, and bisect on how many are enough."""
    live = live[pixels.left(live) >= 3]
    if not len(live):
        return
    points = pixels.best[live]
    used = changed(points)
    gradients, sides = pixels.gradients(points, live)
    sides = sides * used[:, None]
    gain = (gradients * sides).sum(1).masked_fill(~used, -torch.inf)
    rank = gain.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    low, high = torch.zeros_like(live), used.sum(1)
    tried, rows = high.clone(), torch.arange(len(live), device=live.device)
    while len(rows):
        kept = sides[rows] * (rank[rows] < tried[rows, None])[:, None]
        gap = pixels.gap(kept, live[rows])
        pixels.keep(kept, live[rows], gap)
        high[rows] = torch.where(gap < 0, tried[rows], high[rows])
        low[rows] = torch.where(gap < 0, low[rows], tried[rows])
        tried[rows] = (low[rows] + high[rows]) // 2
        rows = rows[(high[rows] - low[rows] > 1) & (pixels.left(live[rows]) >= 1)]


def _rebuild(pixels: Pixels, live: Labels, width: int) -> None:
    """Add pixels to the clean image, the best of some trials at a time, until it is adversarial or no smaller.

    Where many pixels are changed now, several are added at a time; where the budget is short, fewer trials are made.
    """
    points, every = torch.zeros_like(pixels.best), pixels.search.pairs
    now = pixels.count(every)
    batch = (now // ROUNDS).clamp_min(1)
    trials = (SHARE * pixels.left(every) / now.clamp(1, ROUNDS)).long().sub(2).clamp(2, max(2, width))
    while True:
        live = live[changed(points[live]).sum(1) + batch[live] < pixels.count(live)]
        live = live[pixels.left(live) >= 2 + trials[live]]
        if not len(live):
            return
        gradients, sides = pixels.gradients(points[live], live)
        gain = (gradients * sides).sum(1).masked_fill(changed(points[live]), 0)
        gain, order = gain.sort(dim=1, descending=True, stable=True)
        # Trial m adds the most promising batch - 1 pixels and the m-th after them.
        trial = torch.arange(int(trials[live].max()), device=live.device).expand(len(live), -1)
        last = (trial + batch[live, None] - 1).clamp_max(order.shape[1] - 1)
        ahead = torch.arange(int(batch[live].max()), device=live.device)
        ranks = torch.where(ahead < batch[live, None, None] - 1, ahead, last[:, :, None])
        where = order.gather(1, ranks.flatten(1)).view_as(ranks)
        valid = (gain.gather(1, last) > 0) & (trial < trials[live, None])
        points[live], gap, _ = pixels.best_trial(points[live], live, where, take(sides, where), valid)
        pixels.keep(points[live], live, gap)
        live = live[(gap >= 0) & torch.isfinite(gap)]


def _swap(pixels: Pixels, live: Labels, width: int) -> None:
    """Drop pixels one at a time while that stays adversarial, else exchange pixels until one fewer is too."""
    points = pixels.best.clone()
    lacking = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    turn, rest = torch.zeros_like(lacking, dtype=torch.int64), torch.zeros_like(points[:, 0], dtype=torch.int64)
    while True:
        live = live[(pixels.count(live) > 1) & (pixels.left(live) >= 2 + width)]
        if not len(live):
            return
        full, short = live[~lacking[live]], live[lacking[live]]
        if len(full):
            points[full], gap = _without_one(pixels, full, width)
            pixels.keep(points[full], full, gap)
            lacking[full], turn[full], rest[full] = gap >= 0, 0, 0
        if len(short):
            turn[short] += 1
            points[short], gap, gone = _exchange(pixels, points[short], short, rest[short] > turn[short, None], width)
            pixels.keep(points[short], short, gap)
            lacking[short], rest[short, gone] = gap >= 0, turn[short] + REST
            short = short[torch.isfinite(gap)]
        live = torch.cat((full, short)).sort().values


def _without_one(pixels: Pixels, pairs: Labels, width: int) -> tuple[Flat, Distances]:
    """Return the best points less the pixel that they need least, and the gap."""
    points = pixels.best[pairs]
    used = changed(points)
    loss = torch.zeros_like(points[:, 0])
    many = (used.sum(1) > width).nonzero().squeeze(1)
    if len(many):
        loss[many] = (pixels.gradients(points[many], pairs[many])[0] * points[many]).sum(1)
    loss, order = loss.masked_fill(~used, torch.inf).sort(dim=1, stable=True)
    where = order[:, :width, None]
    nothing = torch.zeros_like(take(points, where))
    fewer, gap, _ = pixels.best_trial(points, pairs, where, nothing, torch.isfinite(loss[:, :width]))
    return fewer, gap


def _exchange(
    pixels: Pixels, points: Flat, pairs: Labels, resting: Bool[Tensor, "n d"], width: int
) -> tuple[Flat, Distances, Labels]:
    """Return the points after their best exchange of one pixel for another, the gap, and the pixel that left.

    The gap is infinite where no exchange promises anything.
    """
    gradients, sides = pixels.gradients(points, pairs)
    used, gain = changed(points), (gradients * sides).sum(1)
    gain = gain.masked_fill(used | resting | (gain <= 0), -torch.inf)
    relief = (-gradients * points).sum(1).masked_fill(~used, -torch.inf)
    gain, coming = (part[:, :width] for part in gain.sort(dim=1, descending=True, stable=True))
    relief, going = (part[:, :LEAVING] for part in relief.sort(dim=1, descending=True, stable=True))
    promise, pick = (relief[:, :, None] + gain[:, None]).flatten(1).sort(dim=1, descending=True, stable=True)
    promise, pick = promise[:, :width], pick[:, :width]
    out, into = going.gather(1, pick // gain.shape[1]), coming.gather(1, pick % gain.shape[1])
    where = torch.stack((out, into), 2)
    values = take(sides, where)
    values[:, :, :, 0] = 0
    moved, gap, which = pixels.best_trial(points, pairs, where, values, torch.isfinite(promise))
    return moved, gap, out.gather(1, which[:, None]).squeeze(1)
