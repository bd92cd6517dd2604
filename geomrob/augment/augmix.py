"""AugMix: images mixed from random chains of Pillow's operations."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images, per_sample
from geomrob.augment import pil_operations as pil
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys


@dataclass(frozen=True)
class Operation:
    """One operation of AugMix: the function, the amount of level 10, and how an amount becomes its argument.

    `whole` rounds down, `signed` draws a sign; `most` is NaN where it is a third of the images' side; `number` makes of
    the amount what the function takes, None for a function without a number.
    """

    function: Callable[..., Tensor]
    most: float = 0.0
    whole: bool = True
    signed: bool = False
    number: Callable[[Tensor], Tensor] | None = None


def _same(amount: Tensor) -> Tensor:
    """Return the amount as it is."""
    return amount


OPERATIONS: dict[str, Operation] = {
    "autocontrast": Operation(pil.autocontrast),
    "equalize": Operation(pil.equalize),
    "posterize": Operation(pil.posterize, most=4, number=lambda amount: 4 - amount),
    "rotate": Operation(pil.rotate, most=30, signed=True, number=_same),
    "solarize": Operation(pil.solarize, most=256, number=lambda amount: 256 - amount),
    "shear_x": Operation(pil.shear_x, most=0.3, whole=False, signed=True, number=_same),
    "shear_y": Operation(pil.shear_y, most=0.3, whole=False, signed=True, number=_same),
    "translate_x": Operation(pil.translate_x, most=math.nan, signed=True, number=_same),
    "translate_y": Operation(pil.translate_y, most=math.nan, signed=True, number=_same),
}
"""Those of the published code; a translation goes up to a third of the side of the images."""


@dataclass(frozen=True)
class AugMix:
    """The numbers of AugMix.

    Args:
        width: Chains that are mixed.
        depth: Operations in a chain; 0 draws 1, 2 or 3 for each.
        severity: Largest level, drawn from U(0.1, severity); 10 is the full amount.
        alpha: Parameter of the Beta(alpha, alpha) weight of the mixture; 1 is uniform.
        operations: Which ones, of `OPERATIONS`.

    Raises:
        UsageError: A value out of its range.
    """

    width: int = 3
    depth: int = 0
    severity: float = 3.0
    alpha: float = 1.0
    operations: tuple[str, ...] = tuple(OPERATIONS)

    def __post_init__(self) -> None:
        """Refuse what is no AugMix, in one sentence."""
        for name in self.operations:
            if name not in OPERATIONS:
                raise unknown("operation", name, OPERATIONS)
        if min(self.width, len(self.operations)) < 1 or self.depth < 0:
            values = f"width {self.width}, depth {self.depth}, {len(self.operations)} operations"
            raise UsageError(
                f"width and operations of AugMix must be at least 1, depth at least 0; got {values}: 3, 0 and all are "
                "the defaults"
            )
        if not (0.1 <= self.severity <= 10 and self.alpha > 0):
            values = f"severity {self.severity}, alpha {self.alpha}"
            raise UsageError(
                f"severity of AugMix must lie in [0.1, 10], alpha be above 0; got {values}: 3 and 1 are the defaults"
            )


@torch.no_grad()
def augmix(images: Images, keys: Keys, how: AugMix | None = None) -> Images:
    """Return one AugMix image of each image, in [0, 1].

        (1 - m) x + m sum over i of w_i chain_i(x),    w ~ Dirichlet(1, ..., 1),  m ~ Beta(1, 1)

    The operations work on 8-bit values, those of Pillow bit by bit; the mixture is not rounded.

    Args:
        images: (N, C, H, W) in [0, 1].
        keys: One an image: `randomness.image_keys(seed, indices, epoch=...)`. The same key draws the same, whatever the
            batch.
        how: The numbers; None for the published ones.

    References:
        Hendrycks, Mu, Cubuk, Zoph, Gilmer, Lakshminarayanan, AugMix: a simple data processing method to improve
        robustness and uncertainty, ICLR 2020, and its published code (google-research/augmix, Apache-2.0).

    Differences:
        None in the distribution for square images; translations go by width and height where the published code has one
        constant for both.

    Example:
        >>> from geomrob.randomness import image_keys
        >>> augmix(torch.rand(2, 3, 8, 8), image_keys(0, torch.arange(2))).shape
        torch.Size([2, 3, 8, 8])
    """
    how = how or AugMix()
    chain_keys = torch.cat([randomness.fork(keys, 1, chain) for chain in range(how.width)])
    start = (images * 255).round()
    chains = start.repeat(how.width, 1, 1, 1)
    kinds = len(how.operations)
    depth = torch.full_like(chain_keys, how.depth)
    if not how.depth:
        depth = randomness.whole(randomness.fork(chain_keys, 0), 1, 3)
    for link in range(how.depth or 3):
        link_keys = randomness.fork(chain_keys, 2, link)
        drawn = randomness.whole(link_keys, 0, kinds - 1).masked_fill(link >= depth, kinds)
        for number, name in enumerate(how.operations):
            chosen = (drawn == number).nonzero().flatten()
            if len(chosen):
                chains[chosen] = operate(name, chains[chosen], randomness.fork(link_keys[chosen], 1), how.severity)
    shares = randomness.dirichlet(randomness.fork(keys, 2), how.width).to(images)
    total = torch.zeros_like(images)
    for chain, share in zip(chains.unflatten(0, (how.width, -1)), shares.T, strict=True):
        total.addcmul_(chain, per_sample(share, images))
    weight = per_sample(randomness.beta(randomness.fork(keys, 3), how.alpha, how.alpha), images).to(images)
    return torch.lerp(images, total / 255, weight).clamp_(0, 1)


def operate(name: str, images: Images, keys: Keys, severity: float) -> Images:
    """Return 8-bit images, as floats, after one operation at levels drawn from U(0.1, severity).

    Args:
        name: A row of `OPERATIONS`.
        images: (N, C, H, W), whole numbers 0 ... 255.
        keys: Of the draws.
        severity: Largest level.
    """
    operation = OPERATIONS[name]
    if operation.number is None:
        return operation.function(images)
    most = operation.most
    if math.isnan(most):
        most = images.shape[-1 if name.endswith("x") else -2] / 3
    drawn = randomness.uniform(keys, 2)
    amount = (0.1 + (severity - 0.1) * drawn[:, 0]) * (most / 10)
    if operation.whole:
        amount = amount.floor()
    if operation.signed:
        amount = torch.where(drawn[:, 1] > 0.5, -amount, amount)
    return operation.function(images, operation.number(amount))
