"""Fewer pixels, or elements, than a perturbation changes: add, drop and exchange them, in groups, within a budget."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.attacks.engine.changed_pixels import Flat, Pixels, changed, take
from geomrob.attacks.engine.linearize import Linearization
from geomrob.attacks.engine.ordering import descending, ranks
from geomrob.results import Status


def _first(order: Int64[Tensor, "n d"], group: Labels, count: int) -> tuple[Tensor, Tensor]:
    """Return the pixels (n, m, t) of m trials, the first `group` - 1 and the m-th after them, and the rank of that."""
    trial = torch.arange(count, device=order.device).expand(len(order), -1)
    last = (trial + group[:, None] - 1).clamp_max(order.shape[1] - 1)
    ahead = torch.arange(int(group.max()), device=order.device)
    taken = torch.where(ahead < group[:, None, None] - 1, ahead, last[:, :, None])
    return order.gather(1, taken.flatten(1)).view_as(taken), last


WIDTH = 8
"""Trials of one exchange, of a pixel that is added and of one that is dropped."""

FEW = 6
"""Up to so many pixels are added one by one, with trials; more are added in groups, by the gradient alone."""

STEPS = 8
"""Groups of pixels that are added until there are as many as before."""

PART = 4
"""A group of pixels that is dropped at once is this part of all."""

REST = 4
"""For how many exchanges a pixel that left stays out, so that the search does not turn in circles."""

DOUBT = 0.5
"""What a pixel promises is multiplied by this for every exchange that it was tried in and not chosen.

The gradient promises as much of it again a few pixels later, as wrongly as before.
"""

LEAVING = 2
"""How many pixels are considered for leaving in an exchange: those whose reset costs least to first order."""

PATIENCE = 5
"""After so many exchanges without success twice as many are tried, and twice as many pixels considered for leaving."""

PROGRESS = 0.8
"""An exchange that leaves more of the logit gap than this share is a failure ..."""

FAILURES = 2
"""... and after so many a group that was dropped is halved."""

CHEAPER = 3
"""Exchanges of one pixel that are left out for each exchange of several."""


def first_points(pixels: Pixels, linear: Linearization) -> None:
    """Find an adversarial point with few pixels from the image, by the gradient there and a few more.

    The pixels that promise most are set to the sides of the box, as few as are enough by doubling and bisection. Then
    they are added anew in groups, by the gradient after each group; or where there are few, one by one, the one that
    helps most of some trials. What is not needed is dropped.
    """
    live = (linear.status == Status.STEP_LIMIT).nonzero().squeeze(1)
    clean = pixels.flat(linear.gradients[:, 0])
    gradients, sides = pixels.sides(clean[live], live)
    gain = (gradients * sides).sum(1)
    _fewest(pixels, live, sides, gain, (gain > 0).sum(1), torch.ones_like(live))
    _add_groups(pixels, live, clean)
    _drop(pixels, live[pixels.known[live]])
    _add_pixels(pixels, live, clean)


def _fewest(pixels: Pixels, live: Labels, sides: Flat, gain: Tensor, most: Labels, tried: Labels) -> None:
    """Find how many of the pixels that gain most are enough, set to their sides: doubled from `tried` on, bisected."""
    rank = ranks(gain)
    low, high, tried = torch.zeros_like(tried), most + 1, tried.clone()
    enough = torch.zeros_like(tried, dtype=torch.bool)
    rows = (tried <= most).nonzero().squeeze(1)
    while len(rows := rows[pixels.afford(live[rows], 1)]):
        points = sides[rows] * (rank[rows] < tried[rows, None])[:, None]
        gap = pixels.gap(points, live[rows])
        pixels.keep(points, live[rows], gap)
        over = gap < 0
        high[rows], low[rows] = torch.where(over, tried[rows], high[rows]), torch.where(over, low[rows], tried[rows])
        enough[rows] |= over
        tried[rows] = torch.where(enough[rows], (low[rows] + high[rows]) // 2, 2 * tried[rows])
        wide = torch.where(enough, high - low > (high // 16).clamp_min(1), tried <= most)
        rows = rows[wide[rows]]


def _drop(pixels: Pixels, live: Labels) -> None:
    """Order the changed pixels by gradient times change, and bisect on how many of them are enough."""
    live = live[pixels.count(live) > 1]
    live = live[pixels.afford(live, 3)]
    if not len(live):
        return
    points = pixels.best[live]
    gradients, sides, _ = pixels.gradients(points, live)
    # An element goes on to the side that it has moved towards, where that helps.
    sides = torch.where(gradients * points > 0, sides, points)
    used = changed(points)
    gain = (gradients * sides).sum(1).masked_fill(~used, -torch.inf)
    _fewest(pixels, live, sides, gain, used.sum(1), used.sum(1))


def _add_groups(pixels: Pixels, live: Labels, clean: Float[Tensor, "images u d"]) -> None:
    """Add groups of pixels to the image, by the gradient after each, until it is adversarial or has no fewer."""
    points, group = torch.zeros_like(pixels.best), (pixels.count(pixels.search.pairs) // STEPS).clamp_min(1)
    live = live[pixels.count(live) > FEW]
    gradients, sides = pixels.sides(clean[live], live)
    while len(live):
        gain = (gradients * sides).sum(1).masked_fill(changed(points[live]), 0)
        rank = ranks(gain)
        points[live] = torch.where(((rank < group[live, None]) & (gain > 0))[:, None], sides, points[live])
        live = live[changed(points[live]).sum(1) < pixels.count(live)]
        live = live[pixels.afford(live, 2)]
        if not len(live):
            return
        gradients, sides, gap = pixels.gradients(points[live], live)
        pixels.keep(points[live], live, gap)
        on = (gap >= 0) & torch.isfinite(gap) & (changed(points[live]).sum(1) + group[live] < pixels.count(live))
        live, gradients, sides = live[on], gradients[on], sides[on]


def _add_pixels(pixels: Pixels, live: Labels, clean: Float[Tensor, "images u d"]) -> None:
    """Add pixels to the image, each the best of some trials, until it is adversarial or has no fewer."""
    points = torch.zeros_like(pixels.best)
    live = live[(pixels.count(live) > 1) & (pixels.count(live) <= FEW)]
    live = live[pixels.afford(live, WIDTH)]
    gradients, sides = pixels.sides(clean[live], live)
    while len(live):
        gain = (gradients * sides).sum(1).masked_fill(changed(points[live]), 0)
        gain, order = (part[:, :, None] for part in descending(gain, WIDTH))
        points[live], gap = pixels.best_trial(points[live], live, order, take(sides, order), (gain > 0).squeeze(2))
        live = live[(gap >= 0) & torch.isfinite(gap) & (changed(points[live]).sum(1) + 1 < pixels.count(live))]
        live = live[pixels.afford(live, 2 + WIDTH)]
        if len(live):
            gradients, sides, _ = pixels.gradients(points[live], live)


def without_needless(pixels: Pixels, *, alone: bool) -> None:
    """Look for fewer pixels than the best points have, until the budget is spent.

    Pixels that are needed least are dropped for as long as what is left is adversarial; then, with too few, pixels are
    exchanged for others, the exchange that helps most of those that promise most to first order, until that is
    adversarial and others can go. They are dropped in groups, which are halved where they cannot be spared.

    Args:
        pixels: The points, and what was spent on them.
        alone: Whether to go on where single pixels are dropped; else pairs that are down to these are left as they are.
    """
    every = pixels.search.pairs
    points, state = pixels.best.clone(), _Exchanges(pixels, alone)
    live = every[pixels.known]
    while True:
        live = live[(pixels.count(live) > 1) & ((state.group[live] > 1) | alone)]
        wide = torch.where(state.turn[live] >= PATIENCE, 2, 1)
        live = live[pixels.afford(live, 2 + WIDTH * wide)]
        if not len(live):
            return
        full, short = live[~state.lacking[live]], live[state.lacking[live]]
        if len(full):
            points[full], gap = _without(pixels, full, state.group[full])
            state.dropped(full, gap)
        if len(short):
            before, trust = changed(points[short]), state.trust(short)
            points[short], gap, tried = _exchanged(pixels, points[short], short, trust, state.turn[short] >= PATIENCE)
            after = changed(points[short])
            state.exchanged(short, gap, before & ~after, tried & ~after)
            short = short[torch.isfinite(gap) | ~state.lacking[short]]
        live = torch.cat((full, short)).sort().values


class _Exchanges:
    """Where the exchanges of each pair are.

    Attributes:
        group: How many pixels are dropped at once.
        lacking: Whether the point is not adversarial, having too few pixels.
        turn: Exchanges since it is so.
    """

    def __init__(self, pixels: Pixels, alone: bool) -> None:
        self._pixels, count = pixels, pixels.count(pixels.search.pairs)
        self.group = torch.ones_like(count) if alone else self._groups(pixels.search.pairs)
        self.lacking, self.turn = torch.zeros_like(count, dtype=torch.bool), torch.zeros_like(count)
        # Turn until which a pixel (P, D) stays out; how much of its promise is believed.
        self._rest = torch.zeros_like(pixels.best[:, 0], dtype=torch.int64)
        self._trust = torch.ones_like(pixels.best[:, 0])
        self._failures, self._gap = torch.zeros_like(count), torch.zeros_like(pixels.best[:, 0, 0])

    def _groups(self, pairs: Labels) -> Labels:
        return (self._pixels.count(pairs) // PART).clamp_min(1)

    def trust(self, pairs: Labels) -> Float[Tensor, "n d"]:
        """Return how much of what each pixel promises is believed; nothing while it stays out."""
        return self._trust[pairs].masked_fill(self._rest[pairs] > self.turn[pairs, None] + 1, 0)

    def dropped(self, pairs: Labels, gap: Distances) -> None:
        """Note the logit gap after a group was dropped."""
        self.lacking[pairs], self._gap[pairs] = gap >= 0, gap
        self.turn[pairs], self._failures[pairs], self._rest[pairs] = 0, 0, 0

    def exchanged(self, pairs: Labels, gap: Distances, gone: Bool[Tensor, "n d"], vain: Bool[Tensor, "n d"]) -> None:
        """Note the logit gap after an exchange, which pixels left in it, and which were tried in vain."""
        self.turn[pairs] += 1
        self._rest[pairs] = torch.where(gone, self.turn[pairs, None] + REST, self._rest[pairs])
        self._trust[pairs] *= torch.where(vain, DOUBT, 1.0)
        self._failures[pairs] += gap > PROGRESS * self._gap[pairs]
        self._gap[pairs] = gap
        over = (gap >= 0) & (self.group[pairs] > 1) & (self._failures[pairs] >= FAILURES)
        halved = torch.where(over, self.group[pairs] // 2, self.group[pairs])
        self.group[pairs] = torch.where(gap < 0, self._groups(pairs), halved)
        self.lacking[pairs] = (gap >= 0) & ~over


def _without(pixels: Pixels, pairs: Labels, group: Labels) -> tuple[Flat, Distances]:
    """Return the best points less the pixels that they need least, so many, and the gap."""
    points = pixels.best[pairs]
    used = changed(points)
    loss = torch.zeros_like(points[:, 0])
    many = (used.sum(1) > WIDTH).nonzero().squeeze(1)
    if len(many):
        loss[many] = (pixels.gradients(points[many], pairs[many])[0] * points[many]).sum(1)
    least, order = descending(-loss.masked_fill(~used, torch.inf), int(group.max()) + WIDTH)
    where, last = _first(order, group, WIDTH)
    trial = torch.arange(WIDTH, device=pairs.device)
    valid = torch.isfinite(least.gather(1, last)) & (trial < torch.where(group > 1, 1, WIDTH)[:, None])
    return pixels.best_trial(points, pairs, where, torch.zeros_like(take(points, where)), valid)


def _exchanged(
    pixels: Pixels, points: Flat, pairs: Labels, trust: Float[Tensor, "n d"], stuck: Bool[Tensor, " n"]
) -> tuple[Flat, Distances, Bool[Tensor, "n d"]]:
    """Return the points after their best exchange of pixels for others, the gap, and which pixels were tried.

    Single pixels are exchanged, and the first 2, 4, 8 ... to leave for as many to come, up to half of them; where a
    pair is stuck, twice as many single ones. The gap is infinite where no exchange promises anything.
    """
    gradients, sides, _ = pixels.gradients(points, pairs)
    used, gain = changed(points), (gradients * sides).sum(1) * trust
    half = used.sum(1) // 2
    sizes = [1 << power for power in range(1, int(half.max()).bit_length())]
    most = max([2 * WIDTH, *sizes])
    gain, coming = descending(gain.masked_fill(used | (gain <= 0), -torch.inf), most)
    relief, going = descending((-gradients * points).sum(1).masked_fill(~used, -torch.inf), most)
    times, wide = torch.where(stuck, 2, 1)[:, None], min(2 * WIDTH, gain.shape[1])
    rank = torch.arange(max(2 * LEAVING, 2 * WIDTH), device=pairs.device)
    first = relief[:, : 2 * LEAVING].masked_fill(rank[: 2 * LEAVING] >= LEAVING * times, -torch.inf)
    second = gain[:, :wide].masked_fill(rank[:wide] >= WIDTH * times, -torch.inf)
    promise = (first[:, :, None] + second[:, None]).flatten(1)
    promise, pick = descending(promise, 2 * WIDTH)
    groups = half[:, None] >= torch.tensor(sizes, dtype=torch.int64, device=pairs.device)
    # Where several are exchanged, fewer single exchanges are tried.
    singles = (WIDTH * times - CHEAPER * groups.sum(1, keepdim=True)).clamp_min(2)
    valid = torch.isfinite(promise) & (rank[: promise.shape[1]] < singles)
    valid = torch.cat((valid, groups & torch.isfinite(gain[:, [size - 1 for size in sizes]])), 1)
    places = torch.arange(sizes[-1] if sizes else 1, device=pairs.device)
    several = [places.clamp_max(size - 1) for size in sizes]
    out, into = (
        torch.cat(
            (order.gather(1, one)[:, :, None].expand(-1, -1, len(places)), *(order[:, None, r] for r in several)), 1
        )
        for order, one in ((going, pick // wide), (coming, pick % wide))
    )
    values = torch.cat((torch.zeros_like(take(sides, out)), take(sides, into)), 3)
    row, trial = valid.nonzero().unbind(1)
    tried = torch.zeros_like(used)
    tried[row[:, None], into[row, trial]] = True
    return *pixels.best_trial(points, pairs, torch.cat((out, into), 2), values, valid), tried
