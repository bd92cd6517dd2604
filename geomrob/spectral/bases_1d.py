"""Orthonormal bases of a line of pixels; a product of two of them is a basis of images.

Each function returns the matrix, one basis vector a row, from coarse to fine, and the frequency of each row in
cycles per image. Everything is float64: what is cast later starts from exact numbers.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float64
from torch import Tensor

Axis: TypeAlias = tuple[Float64[Tensor, "n n"], Float64[Tensor, " n"]]
AxisBuilder: TypeAlias = Callable[[int], Axis]


def dct_axis(length: int) -> Axis:
    """Return the orthonormal DCT-II; row k is sqrt(2/n) cos(pi k (t + 1/2) / n), at k/2 cycles per image.

    Args:
        length: Number of pixels n, at least 1.

    References:
        Ahmed, Natarajan and Rao, Discrete cosine transform, IEEE Transactions on Computers, 1974.

    Example:
        >>> matrix, frequencies = dct_axis(4)
        >>> bool(torch.allclose(matrix @ matrix.T, torch.eye(4, dtype=torch.float64)))
        True
        >>> frequencies.tolist()
        [0.0, 0.5, 1.0, 1.5]
    """
    index = torch.arange(length, dtype=torch.float64)
    matrix = torch.cos(math.pi / length * index[:, None] * (index + 0.5)) * math.sqrt(2 / length)
    matrix[0] = 1 / math.sqrt(length)
    return matrix, index / 2


def pixel_axis(length: int) -> Axis:
    """Return the identity: one pixel a row, without a frequency.

    Args:
        length: Number of pixels, at least 1.
    """
    return torch.eye(length, dtype=torch.float64), torch.full((length,), math.nan, dtype=torch.float64)


def haar_axis(length: int) -> Axis:
    """Return Haar wavelets: the mean, then halves against halves, from the whole line down to neighbouring pixels.

    An odd interval is cut into unequal halves and the two heights are set so that the wavelet still has mean zero and
    norm one; so any length has an orthonormal basis, and a power of two gives the classical one. The frequency of a
    wavelet is the length of the line over the length of its support.

    Args:
        length: Number of pixels, at least 1.

    References:
        Haar, Zur Theorie der orthogonalen Funktionensysteme, Mathematische Annalen, 1910; Girardi and Sweldens, A new
        class of unbalanced Haar wavelets, Journal of Fourier Analysis and Applications, 1997.

    Example:
        >>> matrix, frequencies = haar_axis(3)
        >>> (matrix[1] * 6**0.5).round().tolist(), frequencies.tolist()
        ([1.0, 1.0, -2.0], [0.0, 1.0, 1.5])
    """
    matrix = torch.zeros(length, length, dtype=torch.float64)
    frequencies = torch.zeros(length, dtype=torch.float64)
    matrix[0] = 1 / math.sqrt(length)
    # A queue, so that all wavelets of one scale come before those of the next.
    intervals = [(0, length)]
    row = 1
    for start, stop in intervals:
        size = stop - start
        if size < 2:
            continue
        middle = start + (size + 1) // 2
        left, right = middle - start, stop - middle
        matrix[row, start:middle] = math.sqrt(right / (left * size))
        matrix[row, middle:stop] = -math.sqrt(left / (right * size))
        frequencies[row] = length / size
        row += 1
        intervals += [(start, middle), (middle, stop)]
    return matrix, frequencies


def fourier_axis(length: int) -> Axis:
    """Return the real Fourier basis: 1, then cosine and sine at each frequency, then the Nyquist row if n is even.

    The products of the rows at |k| on one axis and |l| on the other span the same images as the complex coefficients
    (+-k, +-l) of the fast Fourier transform, so that a ring of one is a ring of the other.

    Args:
        length: Number of pixels n, at least 1.

    Example:
        >>> fourier_axis(4)[1].tolist()
        [0.0, 1.0, 1.0, 2.0]
    """
    index = torch.arange(length)
    frequencies = ((index + 1) // 2).double()
    phase = 2 * math.pi / length * frequencies[:, None] * index
    odd = (index % 2 == 1)[:, None]
    matrix = torch.where(odd, torch.cos(phase), torch.sin(phase)) * math.sqrt(2 / length)
    matrix[0] = 1 / math.sqrt(length)
    if length % 2 == 0:
        matrix[-1] /= math.sqrt(2)
    return matrix, frequencies
