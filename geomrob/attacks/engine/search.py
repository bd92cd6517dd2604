"""What every search for the boundary shares: (image, band) pairs and one counted, reproducible way to call the model.

A pair p seeks the smallest coefficients c with F(x + S c) != F(x), where x is image `image[p]` and S the synthesis of
band `band[p]`. The searches work on c alone; this file turns c into images, calls the model in the padded blocks of
`inference.Prepared`, and takes gradients back into the coefficients.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Bounds, Distances, Images, Labels, Logits, norms, per_sample
from geomrob.inference import Evaluations, Objective, Prepared, gradients, logit_gap
from geomrob.results import Status
from geomrob.spectral.frames import Coefficients, Coordinates, WholeSpace

Pairs: TypeAlias = Int64[Tensor, " p"]
"""One number a pair: which pair, image, band or class."""


@dataclass(frozen=True)
class SearchResult:
    """Where a search ended: coefficients (P, C, kr, kc), status and steps, and what it may know of the logit gap there.

    Attributes:
        gap: The logit gap at the coefficients, where they are adversarial.
        fall: By how much the gap falls along the ray of the coefficients, per their length: near enough for a guess.
    """

    coefficients: Coefficients
    status: Int64[Tensor, " p"]
    steps: Int64[Tensor, " p"]
    gap: Float[Tensor, " p"] | None = None
    fall: Float[Tensor, " p"] | None = None

    @property
    def success(self) -> Bool[Tensor, " p"]:
        """Whether the coefficients are adversarial."""
        return self.status == Status.FOUND

    def rows(self, pairs: Labels) -> "SearchResult":
        """Return the result of some of the pairs."""
        gap, fall = (None if part is None else part[pairs] for part in (self.gap, self.fall))
        return SearchResult(self.coefficients[pairs], self.status[pairs], self.steps[pairs], gap, fall)


class Search:
    """P searches at once, and what they have spent.

    Attributes:
        ready: The model.
        images: The clean images (I, C, H, W).
        frame: Coordinates of the bands.
        image, band: For each pair (P,), which image and which band.
        reference: For each pair, the class to leave.
        target: For each pair, the class to reach; None if any other class will do.
        bounds: Lowest and highest image (I, C, H, W) or scalars; None for free space.
        spent: Evaluations per pair; those shared by an image's pairs are divided among them.
        clean: Logits (P, K) of each pair's image, once they are known.
    """

    def __init__(
        self,
        ready: Prepared,
        images: Images,
        frame: Coordinates | None = None,
        *,
        image: Pairs | None = None,
        band: Pairs | None = None,
        reference: Pairs,
        target: Pairs | None = None,
        bounds: Bounds | None = None,
        spent: Evaluations | None = None,
    ) -> None:
        """Prepare the pairs; `image` and `band` default to every image in the first band."""
        self.ready = ready
        self.images = images
        channels, height, width = images.shape[1:]
        self.frame: Coordinates = WholeSpace((channels, height, width)) if frame is None else frame
        self.image = torch.arange(len(images), device=images.device) if image is None else image
        self.band = torch.zeros_like(self.image) if band is None else band
        # An image without a predicted class (NaN) has class -1; its search ends as not finite.
        self.reference = reference.clamp_min(0)
        self.target = target
        self.bounds = bounds
        self._sides = [torch.as_tensor(side, dtype=images.dtype, device=images.device) for side in bounds or ()]
        self.spent = Evaluations(len(self.image)) if spent is None else spent
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
        """Return the images x + S c of these pairs; in the whole space exactly inside the bounds."""
        moved = self._images_of(pairs) + self.frame.synthesise(coefficients, self.band[pairs])
        if self.bounds is None or not self.whole:
            return moved
        low, high = self._box(pairs)
        if low.numel() == high.numel() == 1 and not moved.is_cuda:
            # By numbers, which a CPU clamps to several times as fast as to tensors that are spread.
            return moved.clamp(float(low), float(high))
        return moved.clamp(low, high)

    def logit_gap(self, logits: Logits, pairs: Labels) -> Distances:
        """Return f_c - max_{k != c} f_k, c the class to leave; its negative for a target: negative iff adversarial."""
        target = None if self.target is None else self.target[pairs]
        return logit_gap(logits, self.reference[pairs], target)

    def logits(self, coefficients: Coefficients, pairs: Labels) -> Logits:
        """Return the logits at x + S c, one forward evaluation a pair."""

        def call(c: Coefficients, p: Labels) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return (self.ready(self.points(c, p)),)

        (logits,) = self.ready.in_blocks(call, coefficients, pairs)
        self.spent.add(pairs, forwards=1)
        return logits

    def is_adversarial(self, coefficients: Coefficients, pairs: Labels) -> Bool[Tensor, " n"]:
        """Return where x + S c is adversarial, one forward evaluation a pair."""
        return self.logit_gap(self.logits(coefficients, pairs), pairs) < 0

    def gradients(
        self, coefficients: Coefficients, pairs: Labels, objective: Objective
    ) -> tuple[Logits, Float[Tensor, "n r"], Float[Tensor, "n r c kr kc"], Float[Tensor, "n r"]]:
        """Return logits, r objectives, their gradients in the coefficients, and the norm of their image gradients.

        One forward and r backward evaluations a pair: r vector-Jacobian products for the whole block.
        """

        def call(c: Coefficients, p: Labels) -> tuple[Tensor, ...]:
            logits, values, images = gradients(self.ready, self.points(c, p), p, objective)
            inner = [self.frame.analyse(image, self.band[p]) for image in images]
            return logits, values, torch.stack(inner, 1), torch.stack([norms(image) for image in images], 1)

        logits, values, inner, length = self.ready.in_blocks(call, coefficients, pairs)
        self.spent.add(pairs, forwards=1, backwards=values.shape[1])
        return logits, values, inner, length

    def fit(self, coefficients: Coefficients, pairs: Labels, scale: float = 1.0) -> Coefficients:
        """Return the coefficients moved so that x + scale S c lies inside the bounds (unchanged in free space).

        The whole space is clamped. In a subspace, a few alternating projections onto box and subspace, then the
        largest shrinkage towards the image that is inside both: the box holds x, so there always is one.
        """
        if self.bounds is None:
            return coefficients
        low, high = self.room(pairs)
        if self.whole:
            return coefficients.clamp(low, high) if scale == 1 else (coefficients * scale).clamp(low, high) / scale
        c = coefficients * scale
        move = self.frame.synthesise(c, self.band[pairs])
        slack = 8 * torch.finfo(move.dtype).eps
        inside = ((move >= low - slack) & (move <= high + slack)).flatten(1).all(1)
        for _ in range(10):
            c = self.frame.analyse(self.frame.synthesise(c, self.band[pairs]).clamp(low, high), self.band[pairs])
        move = self.frame.synthesise(c, self.band[pairs])
        room = torch.where(move > 0, high / move, torch.where(move < 0, low / move, math.inf)).flatten(1).amin(1)
        return torch.where(per_sample(inside, c), coefficients, c * per_sample(room.clamp(0, 1), c) / scale)

    def pinned(self, coefficients: Coefficients, gradient: Coefficients, pairs: Labels) -> Coefficients:
        """Return the gradient without the elements that cannot follow it, being at a bound (whole space only)."""
        if self.bounds is None or not self.whole:
            return gradient
        low, high = self._box(pairs)
        where, slack = self.points(coefficients, pairs), 8 * torch.finfo(gradient.dtype).eps
        stuck = ((gradient > 0) & (where >= high - slack)) | ((gradient < 0) & (where <= low + slack))
        return torch.where(stuck, 0, gradient)

    def room(self, pairs: Labels) -> tuple[Tensor, Tensor]:
        """Return how far each element of these images can be moved down (at most 0) and up inside the bounds."""
        images = self._images_of(pairs)
        low, high = (side - images for side in self._box(pairs))
        return low, high

    def _images_of(self, pairs: Labels) -> Images:
        """Return the clean image of each pair."""
        return self.images.index_select(0, self.image[pairs])

    def _box(self, pairs: Labels) -> tuple[Tensor, Tensor]:
        assert self.bounds is not None
        low, high = (
            side.index_select(0, self.image[pairs]) if side.ndim == 4 and len(side) > 1 else side
            for side in self._sides
        )
        return low, high


def rounding(length: Tensor) -> Tensor:
    """Return the size below which the part of a gradient inside a band is rounding error of the projection."""
    return length * 64 * torch.finfo(length.dtype).eps


def keep_closest(
    best: Coefficients,
    distance: Distances,
    new: Coefficients,
    adversarial: Bool[Tensor, " n"],
    length: Distances | None = None,
) -> tuple[Coefficients, Distances]:
    """Return, pair by pair, the closer of the best so far and a new point, where it is adversarial.

    Args:
        best, distance: Best points so far, and how far each is.
        new, adversarial: Other points, and which of them count.
        length: How far the new points are; their l2 norm by default.
    """
    length = norms(new) if length is None else length
    closer = adversarial & (length < distance)
    rows = closer.nonzero().squeeze(1)
    # Few rows are written faster than all of them are chosen from.
    return best.index_copy(0, rows, new.index_select(0, rows)), torch.where(closer, length, distance)
