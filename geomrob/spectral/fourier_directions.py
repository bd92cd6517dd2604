"""Fourier basis directions: for each pair of opposite frequencies one real image of norm one."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from geomrob.spectral.spectra import frequencies


def half_plane(shape: Sequence[int]) -> tuple[Float64[Tensor, "b 2"], Int64[Tensor, "h w"]]:
    """Return one of each pair of opposite frequencies, and the index of its pair for every bin of the plane.

    A real image has the same modulus at (k, l) and (-k, -l), so that half of the plane suffices. On an axis of even
    length -n/2 and n/2 are the same frequency.

    Args:
        shape: Height and width.

    Returns:
        Vertical and horizontal frequency in cycles per image (B, 2), and the index (H, W) that spreads B numbers over
        the plane with frequency zero in the middle: `numbers[index]`.

    Example:
        >>> pairs, index = half_plane((4, 4))
        >>> len(pairs), index.shape
        (10, torch.Size([4, 4]))
    """
    height, width = shape
    rows, columns = frequencies(height).long(), frequencies(width).long()
    vertical, horizontal = torch.meshgrid(rows, columns, indexing="ij")
    here = (vertical % height) * width + horizontal % width
    opposite = (-vertical % height) * width + -horizontal % width
    first, index = torch.minimum(here, opposite).unique(return_inverse=True)
    row, column = first // width, first % width
    return torch.stack((_signed(row, height), _signed(column, width)), 1).double(), index


def fourier_directions(shape: Sequence[int], pairs: Float64[Tensor, "b 2"]) -> Float64[Tensor, "b h w"]:
    """Return the real image of norm one for each frequency: cos(2 pi (k y / H + l x / W)), scaled.

    Its transform is zero but at (k, l) and (-k, -l), where it is the same real number.

    Args:
        shape: Height and width.
        pairs: Whole numbers of vertical and horizontal cycles per image.

    References:
        Yin, Gontijo Lopes, Shlens, Cubuk and Gilmer, A Fourier perspective on model robustness in computer vision,
        NeurIPS 2019, section 2: the matrices U_ij.

    Example:
        >>> fourier_directions((2, 2), torch.tensor([[1.0, 0.0]], dtype=torch.float64)).tolist()
        [[[0.5, 0.5], [-0.5, -0.5]]]
    """
    height, width = shape
    vertical = pairs[:, 0, None, None] * torch.arange(height, dtype=torch.float64)[:, None] / height
    horizontal = pairs[:, 1, None, None] * torch.arange(width, dtype=torch.float64) / width
    waves = torch.cos(2 * math.pi * (vertical + horizontal))
    return waves / torch.linalg.vector_norm(waves, dim=(1, 2), keepdim=True)


def _signed(index: Int64[Tensor, " b"], length: int) -> Int64[Tensor, " b"]:
    """Return the frequency of smallest absolute value of an index of the transform."""
    return torch.where(index >= (length + 1) // 2, index - length, index)
