"""What every search for the boundary shares: (image, band) pairs and one counted, reproducible way to ask the model.

A pair p asks for the smallest coefficients c with F(x + S c) != F(x), where x is image `image[p]` and S the synthesis
of band `band[p]`. The searches work on c alone; this file turns c into images, calls the model and brings slopes back.

Every call of the model has the same batch shape (`block` rows, the last one repeated as padding), because the rounding
of a matrix product depends on the shape of the batch and a search can amplify it. So the answer for a pair does not
depend on its neighbours, on their order or on how many have finished.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Bounds, Distances, Images, Labels, Logits, Model, norms, per_sample
from geomrob.inference import out_of_memory, scores, slope
from geomrob.results import Status
from geomrob.spectral.frames import Coefficients, Coordinates, WholeSpace

Pairs: TypeAlias = Int64[Tensor, " p"]
"""One number a pair: which pair, image, band or class."""

Objective: TypeAlias = Callable[[Logits, Labels], Float[Tensor, "n r"]]
"""Maps logits and the pairs they belong to onto r scalars per pair, whose slopes are wanted."""


@dataclass(frozen=True)
class Found:
    """Where a search ended: coefficients (P, C, kr, kc), status and steps, and whether they cross the boundary."""

    coefficients: Coefficients
    status: Int64[Tensor, " p"]
    steps: Int64[Tensor, " p"]

    @property
    def success(self) -> Bool[Tensor, " p"]:
        """Whether the coefficients change the decision."""
        return self.status == Status.FOUND


class Search:
    """P searches at once, and what they have spent.

    Attributes:
        model: Images to logits.
        images: The clean images (I, C, H, W).
        frame: Coordinates of the bands.
        image, band: For each pair (P,), which image and which band.
        reference: For each pair, the class to leave.
        target: For each pair, the class to reach; None if any other class will do.
        bounds: Lowest and highest image (I, C, H, W) or scalars; None for free space.
        block: Samples per call of the model.
        forwards, backwards: Model sample-evaluations spent per pair (P,); evaluations shared by an image's pairs are
            divided among them.
        clean: Logits (P, K) of each pair's image, once `linearise` has asked for them.
    """

    def __init__(
        self,
        model: Model,
        images: Images,
        frame: Coordinates | None = None,
        *,
        image: Pairs | None = None,
        band: Pairs | None = None,
        reference: Pairs,
        target: Pairs | None = None,
        bounds: Bounds | None = None,
        block: int = 64,
    ) -> None:
        """Prepare the pairs; `image` and `band` default to every image in the first band."""
        self.model = model
        self.images = images
        channels, height, width = images.shape[1:]
        self.frame: Coordinates = WholeSpace((channels, height, width)) if frame is None else frame
        self.image = torch.arange(len(images), device=images.device) if image is None else image
        self.band = torch.zeros_like(self.image) if band is None else band
        self.reference = reference
        self.target = target
        self.bounds = bounds
        self.block = block
        self.forwards = torch.zeros(len(self.image), dtype=torch.float64)
        self.backwards = torch.zeros(len(self.image), dtype=torch.float64)
        self.whole = isinstance(self.frame, WholeSpace)
        self.clean = torch.empty(0)

    def __len__(self) -> int:
        return len(self.image)

    @property
    def pairs(self) -> Pairs:
        """Every pair's number, (P,)."""
        return torch.arange(len(self), device=self.images.device)

    def zeros(self) -> Coefficients:
        """Return no perturbation, for every pair."""
        none = self.images.new_zeros(1, *self.images.shape[1:])
        shape = self.frame.analyse(none, self.band[:1]).shape[1:]
        return self.images.new_zeros(len(self), *shape)

    def points(self, coefficients: Coefficients, pairs: Labels) -> Images:
        """Return the images x + S c of these pairs; in the whole space inside the bounds to the last bit."""
        moved = self.images[self.image[pairs]] + self.frame.synthesise(coefficients, self.band[pairs])
        if self.bounds is None or not self.whole:
            return moved
        return moved.clamp(*self._box(pairs))

    def gap(self, logits: Logits, pairs: Labels) -> Distances:
        """Return how far the decision is from changed: negative exactly where it has (the target is reached)."""
        held = self.reference if self.target is None else self.target
        own = logits.gather(1, held[pairs, None]).squeeze(1)
        best = logits.scatter(1, held[pairs, None], -math.inf).amax(1)
        return own - best if self.target is None else best - own

    def logits(self, coefficients: Coefficients, pairs: Labels) -> Logits:
        """Return the logits at x + S c, one forward evaluation a pair."""

        def ask(c: Coefficients, p: Labels, n: int) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return (scores(self.model, self.points(c, p))[:n],)

        (logits,) = self._in_blocks(ask, coefficients, pairs)
        self.forwards[pairs.cpu()] += 1
        return logits

    def crosses(self, coefficients: Coefficients, pairs: Labels) -> Bool[Tensor, " n"]:
        """Return where x + S c has changed the decision, one forward evaluation a pair."""
        return self.gap(self.logits(coefficients, pairs), pairs) < 0

    def slopes(
        self, coefficients: Coefficients, pairs: Labels, objective: Objective
    ) -> tuple[Logits, Float[Tensor, "n r"], Float[Tensor, "n r c kr kc"], Float[Tensor, "n r"]]:
        """Return logits, the r objectives, their slopes in the coefficients, and the norm of their slopes in the image.

        One forward and r backward evaluations a pair: r vector-Jacobian products for the whole block.
        """

        def ask(c: Coefficients, p: Labels, n: int) -> tuple[Tensor, ...]:
            where = self.points(c, p).requires_grad_()
            with torch.enable_grad():
                logits = scores(self.model, where)
                values = objective(logits, p)
                sums = values.sum(0).unbind()
            inner, length = [], []
            for r, total in enumerate(sums):
                image = slope(total, where, again=r + 1 < len(sums))
                inner.append(self.frame.analyse(image, self.band[p])[:n])
                length.append(norms(image)[:n])
            return logits[:n].detach(), values[:n].detach(), torch.stack(inner, 1), torch.stack(length, 1)

        logits, values, inner, length = self._in_blocks(ask, coefficients, pairs)
        self.forwards[pairs.cpu()] += 1
        self.backwards[pairs.cpu()] += values.shape[1]
        return logits, values, inner, length

    def fit(self, coefficients: Coefficients, pairs: Labels, scale: float = 1.0) -> Coefficients:
        """Return the coefficients moved so that x + scale S c lies inside the bounds (unchanged in free space).

        The whole space is clamped. In a subspace, a few alternating projections onto box and subspace, then the
        largest shrinkage towards the image that is inside both: the box holds x, so there always is one.
        """
        if self.bounds is None:
            return coefficients
        low, high = (side - self.images[self.image[pairs]] for side in self._box(pairs))
        if self.whole:
            return (coefficients * scale).clamp(low, high) / scale
        c = coefficients * scale
        for _ in range(10):
            c = self.frame.analyse(self.frame.synthesise(c, self.band[pairs]).clamp(low, high), self.band[pairs])
        move = self.frame.synthesise(c, self.band[pairs])
        room = torch.where(move > 0, high / move, torch.where(move < 0, low / move, math.inf)).flatten(1).amin(1)
        return c * per_sample(room.clamp(0, 1), c) / scale

    def pinned(self, coefficients: Coefficients, slope: Coefficients, pairs: Labels) -> Coefficients:
        """Return the slope without the elements that cannot follow it, being at a bound already (whole space only)."""
        if self.bounds is None or not self.whole:
            return slope
        low, high = self._box(pairs)
        where, slack = self.points(coefficients, pairs), 8 * torch.finfo(slope.dtype).eps
        stuck = ((slope > 0) & (where >= high - slack)) | ((slope < 0) & (where <= low + slack))
        return slope.masked_fill(stuck, 0)

    def _box(self, pairs: Labels) -> tuple[Tensor, Tensor]:
        assert self.bounds is not None
        sides = [torch.as_tensor(side, dtype=self.images.dtype, device=self.images.device) for side in self.bounds]
        low, high = (side[self.image[pairs]] if side.ndim == 4 and len(side) > 1 else side for side in sides)
        return low, high

    def _in_blocks(
        self, ask: Callable[[Coefficients, Labels, int], tuple[Tensor, ...]], coefficients: Coefficients, pairs: Labels
    ) -> tuple[Tensor, ...]:
        """Return what `ask` answers for all pairs, asked in calls of one shape; a call too big for memory is halved.

        `ask` gets the coefficients and pair numbers of a block and how many of its rows are no padding.
        """
        while True:
            answers: list[tuple[Tensor, ...]] = []
            try:
                for start in range(0, len(pairs), self.block):
                    c, p = coefficients[start : start + self.block], pairs[start : start + self.block]
                    short = self.block - len(p)
                    if short:
                        c = torch.cat((c, c[-1:].expand(short, *c.shape[1:])))
                        p = torch.cat((p, p[-1:].expand(short)))
                    answers.append(ask(c, p, self.block - short))
                return tuple(torch.cat(part) for part in zip(*answers, strict=True))
            except RuntimeError as error:
                if self.block == 1 or not out_of_memory(error):
                    raise
            self.block //= 2
            if self.images.is_cuda:
                torch.cuda.empty_cache()


def rounding(length: Tensor) -> Tensor:
    """Return the size below which the part of a slope inside a band is rounding error of the projection."""
    return length * 64 * torch.finfo(length.dtype).eps


def settle(
    search: Search, coefficients: Coefficients, live: Labels, status: Int64[Tensor, " every"]
) -> tuple[Int64[Tensor, " every"], Int64[Tensor, " left"]]:
    """Return the status with those pairs marked that have crossed or gone non-finite, and the pairs still to search."""
    logits = search.logits(coefficients, live)
    across, finite = search.gap(logits, live) < 0, torch.isfinite(logits).all(1)
    status = status.clone()
    status[live[across & finite]] = Status.FOUND
    status[live[~finite]] = Status.NON_FINITE
    return status, live[~across & finite]


def keep_closest(
    best: Coefficients, distance: Distances, new: Coefficients, crossed: Bool[Tensor, " n"]
) -> tuple[Coefficients, Distances]:
    """Return, pair by pair, the closer of the best so far and a new point that has crossed."""
    length = norms(new)
    closer = crossed & (length < distance)
    return torch.where(per_sample(closer, new), new, best), torch.where(closer, length, distance)
