"""BlurPool: a binomial low-pass and a subsampling, as a function and as a layer."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images
from geomrob.errors import UsageError


def binomial(size: int) -> Float[Tensor, "k k"]:
    """Return the binomial filter of side `size`: the outer product of a row of Pascal's triangle with itself, sum 1.

    Raises:
        UsageError: A size below 1.

    Example:
        >>> (binomial(4)[0] * 64).tolist()
        [1.0, 3.0, 3.0, 1.0]
    """
    if size < 1:
        raise UsageError(f"size must be at least 1; got {size}: 4 and 5 are the usual ones, 1 does not blur")
    row = torch.tensor([math.comb(size - 1, index) for index in range(size)], dtype=torch.float64)
    return (torch.outer(row, row) / 4 ** (size - 1)).float()


def blur_pool(inputs: Images, *, size: int = 4, stride: int | tuple[int, int] = 2) -> Float[Tensor, "n c i j"]:
    """Return each channel filtered by the binomial low-pass, then subsampled.

    Borders are reflected, floor((size - 1) / 2) above and on the left, ceil((size - 1) / 2) below and on the right, so
    that ceil(H / stride) rows remain and a constant stays what it is. Size 1 only subsamples.

    Args:
        inputs: Images or features (N, C, H, W).
        size: Side of the filter.
        stride: Step of the subsampling; 1 is the low-pass alone.

    Raises:
        UsageError: A size below 1.

    References:
        Zhang, Making convolutional networks shift-invariant again, ICML 2019, section 3.

    Differences:
        Where an image is too small to be reflected, its border is repeated instead; the reference fails there.

    Example:
        >>> blur_pool(torch.ones(1, 2, 5, 4)).shape
        torch.Size([1, 2, 3, 2])
    """
    return _filtered(inputs, binomial(size).to(inputs), stride)


class BlurPool(nn.Module):
    """`blur_pool` as a layer for any number of channels; it has no weights and adds nothing to a state dict.

    Args:
        size: Side of the filter.
        stride: Step of the subsampling.
    """

    kernel: Tensor

    def __init__(self, size: int = 4, stride: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.size, self.stride = size, stride
        self.register_buffer("kernel", binomial(size), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, C, ceil(H / stride), ceil(W / stride))."""
        return _filtered(inputs, self.kernel.to(inputs.dtype), self.stride)

    def extra_repr(self) -> str:
        """Return size and stride, for `print`."""
        return f"size={self.size}, stride={self.stride}"


def _filtered(inputs: Tensor, kernel: Tensor, stride: int | tuple[int, int]) -> Tensor:
    """Return the inputs filtered channel by channel."""
    size = kernel.shape[-1]
    if size == 1:
        rows, columns = pair(stride)
        return inputs[..., ::rows, ::columns]
    before, after = (size - 1) // 2, size // 2
    mode = "reflect" if after < min(inputs.shape[-2:]) else "replicate"
    padded = F.pad(inputs, [before, after, before, after], mode=mode)
    channels = inputs.shape[1]
    return F.conv2d(padded, kernel.expand(channels, 1, size, size), stride=stride, groups=channels)


def pair(value: Any) -> tuple[int, int]:
    """Return a side or a step for rows and columns."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
