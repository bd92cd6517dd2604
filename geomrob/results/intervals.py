"""Intervals of shares and medians over images, 95 % each: what another draw of as many images may have given."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

LEVEL = 0.95
Z = 1.959963984540054
"""Half of the rest of a normal distribution lies above it."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share of `count` images.

    References:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
        >>> [round(end, 3) for end in wilson(0.9, 50)]
        [0.786, 0.957]
    """
    if count < 1 or math.isnan(share):
        return math.nan, math.nan
    middle = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(share * (1 - share) / count + (Z / (2 * count)) ** 2) / (1 + Z * Z / count)
    # At the ends rounding would leave a little.
    return 0.0 if share == 0 else max(middle - half, 0.0), 1.0 if share == 1 else min(middle + half, 1.0)


def wilson_each(shares: Float[Tensor, " k"], count: int) -> Float[Tensor, "k 2"]:
    """Return Wilson's interval of each of several shares of `count` images."""
    return torch.tensor([wilson(share, count) for share in shares.tolist()], dtype=torch.float64).reshape(-1, 2)


def share_words(share: float, count: int) -> str:
    """Return a share of images with its interval, as it is printed.

    Example:
        >>> share_words(0.9, 50)
        '90.0% [78.6%, 95.7%]'
    """
    low, high = wilson(share, count)
    return f"{share:.1%} [{low:.1%}, {high:.1%}]"


def median_interval(values: Float[Tensor, "r n"]) -> Float[Tensor, "r 2"]:
    """Return the interval of the median of each row between two of its values; NaN where there are fewer than six.

    It makes no assumption: the median lies between the j-th smallest and the j-th largest of n draws unless fewer than
    j of them, or more than n - j, fall below it, which are binomial counts.

    Example:
        >>> median_interval(torch.arange(1.0, 21.0)[None]).tolist()
        [[6.0, 15.0]]
    """
    count = values.shape[1]
    ordered, below, rank = values.double().sort(dim=1).values, 0.0, 0
    # How many of the smallest are left out: their counts together have at most 2.5 %.
    while (below := below + math.exp(_log_choose(count, rank) - count * math.log(2))) <= (1 - LEVEL) / 2:
        rank += 1
    if rank == 0:
        return torch.full((len(values), 2), torch.nan, dtype=torch.float64)
    return ordered[:, [rank - 1, count - rank]]


def median_words(values: Float[Tensor, " n"], form: str = "{:.3f}") -> str:
    """Return the ends of the interval of a median, as they are printed; nothing where there are too few values."""
    low, high = median_interval(values[None])[0].tolist()
    return "" if math.isnan(low) else f"[{form.format(low)}, {form.format(high)}]"


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)
