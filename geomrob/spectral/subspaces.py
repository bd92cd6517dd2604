"""Subspaces of the image space: a basis and a mask over its coefficients, the same for every channel.

    P = B^T M B    with B the orthonormal basis and M the diagonal 0/1 matrix of the mask

so that P^2 = P = P^T and masks that partition the plane give projectors that sum to the identity. The matrix P is
never built, nor is that of its D x S basis vectors.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from geomrob.errors import UsageError, unknown
from geomrob.spectral.bases import Basis


@dataclass(frozen=True, eq=False)
class Subspace:
    """The images whose coefficients vanish outside a mask.

    Attributes:
        basis: The basis that the mask selects from.
        mask: Which coefficients (H, W) belong, the same for every channel.
        name: Its name in tables and plots.
        frequency: Centre of the band in cycles per image, NaN if the basis has no frequencies.
        frequencies: Vertical and horizontal centre in cycles per image, NaN likewise.
    """

    basis: Basis = field(repr=False)
    mask: Bool[Tensor, "h w"] = field(repr=False)
    name: str
    frequency: float
    frequencies: tuple[float, float]

    def dimension(self, channels: int) -> int:
        """Return the number of coefficients, all channels together."""
        return int(self.mask.sum()) * channels

    def project(self, images: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
        """Return the nearest images of the subspace (orthogonal projection).

        Args:
            images: Planes (..., H, W) of any float type, on any device.

        Example:
            >>> from geomrob.spectral.bases import basis
            >>> constant = blocks(basis("dct", (4, 4)), 1, 1)[0]
            >>> constant.project(torch.arange(16.0).view(4, 4))[0].round(decimals=3).tolist()
            [7.5, 7.5, 7.5, 7.5]
        """
        coefficients = self.basis.forward(images)
        return self.basis.inverse(coefficients * self.mask.to(coefficients.device))


def blocks(basis: Basis, size: int | None = None, step: int | None = None) -> list[Subspace]:
    """Return the K x K blocks along the diagonal of the coefficient plane: indices [i, i+K) on both axes.

    They start at i = 0, T, 2T, ... while i + K fits the shorter side. On rectangular images both axes use the same
    indices, so that the finest coefficients of the longer side belong to no block; `grid` and `rings` reach them.

    Args:
        basis: The basis to select from.
        size: K, from 1 to the shorter side; by default 8, or 16 above 64 pixels.
        step: T, at least 1; by default 1 up to 28 pixels, 2 up to 64, 16 above.

    Raises:
        UsageError: K larger than the image, or K or T below 1.

    References:
        Ortiz-Jimenez, Modas, Moosavi-Dezfooli and Frossard, Hold me tight! Influence of discriminative features on
        deep network boundaries, NeurIPS 2020: the form of its released code.

    Example:
        >>> from geomrob.spectral.bases import basis
        >>> [band.name for band in blocks(basis("dct", (32, 32)))][:2], len(blocks(basis("dct", (28, 28))))
        (['block 0:8', 'block 2:10'], 21)
    """
    size, step = _size_and_step(basis, size, step)
    bands: list[Subspace] = []
    for start in range(0, min(basis.shape) - size + 1, step):
        mask = torch.zeros(basis.shape, dtype=torch.bool)
        mask[start : start + size, start : start + size] = True
        bands.append(_subspace(basis, mask, f"block {start}:{start + size}", radial=False))
    return bands


def diagonal(basis: Basis, size: int | None = None, step: int | None = None) -> list[Subspace]:
    """Return runs of K elements on the diagonal of the coefficient plane: (i+k, i+k) for k < K.

    Args:
        basis: The basis to select from.
        size: K, from 1 to the shorter side; default as in `blocks`.
        step: T, at least 1; default as in `blocks`.

    Raises:
        UsageError: K larger than the image, or K or T below 1.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 4.3: the formula as
        printed. Its text and its code take the whole block.
    """
    size, step = _size_and_step(basis, size, step)
    bands: list[Subspace] = []
    for start in range(0, min(basis.shape) - size + 1, step):
        mask = torch.zeros(basis.shape, dtype=torch.bool)
        index = torch.arange(start, start + size)
        mask[index, index] = True
        bands.append(_subspace(basis, mask, f"diagonal {start}:{start + size}", radial=False))
    return bands


def grid(basis: Basis, size: int | None = None) -> list[Subspace]:
    """Return all K x K blocks of the coefficient plane, row by row: a partition, for a two-dimensional map.

    Where K does not divide a side, the last block along it is smaller, so that the projectors sum to the identity.

    Args:
        basis: The basis to select from.
        size: K, from 1 to the shorter side; by default the power of two that gives at most 8 blocks a side.

    Raises:
        UsageError: K larger than the image or below 1.
    """
    if size is None:
        size = min(1 << max(0, math.ceil(math.log2(max(basis.shape) / 8))), *basis.shape)
    _check_size(basis, size)
    height, width = basis.shape
    bands: list[Subspace] = []
    for top in range(0, height, size):
        for left in range(0, width, size):
            bottom, right = min(top + size, height), min(left + size, width)
            mask = torch.zeros(basis.shape, dtype=torch.bool)
            mask[top:bottom, left:right] = True
            bands.append(_subspace(basis, mask, f"grid {top}:{bottom}, {left}:{right}", radial=True))
    return bands


def rings(basis: Basis, count: int | None = None) -> list[Subspace]:
    """Return rings of equal width around frequency zero: a partition, from low to high.

    The radius of a coefficient is the length of its (vertical, horizontal) frequency in cycles per image; on
    rectangular images in cycles per shorter side, so that a ring is round in cycles per pixel. A basis without
    frequencies is cut by the radius of its indices.

    Args:
        basis: The basis to select from.
        count: How many rings, at least 1, by default 8. Rings that would hold no coefficient are left out.

    Raises:
        UsageError: A count below 1.
    """
    count = 8 if count is None else count
    if count < 1:
        raise UsageError(f"count must be at least 1; got {count}: 8 is usual")
    radius = _radius(basis)
    # The small term keeps a radius that lies on an edge in the upper ring, whatever the rounding of the root.
    ring = (radius / radius.max().clamp_min(1e-300) * count + 1e-9).long().clamp_max(count - 1)
    masks = [ring == index for index in range(count)]
    return [
        _subspace(basis, mask, f"ring {index + 1}/{count}", radial=True)
        for index, mask in enumerate(masks)
        if bool(mask.any())
    ]


def span(basis: Basis, vectors: Sequence[int], name: str) -> Subspace:
    """Return the subspace that some vectors of a basis span.

    Args:
        basis: The basis to select from.
        vectors: Their numbers, row by row of the coefficient plane: number k is the coefficient at (k // W, k % W).
        name: Its name in tables and plots.

    Raises:
        UsageError: No vector, one twice, or one that the basis does not have.

    Example:
        >>> from geomrob.spectral.bases import basis
        >>> span(basis("random", (1, 9)), [0, 4], "two directions").dimension(channels=1)
        2
    """
    count = basis.shape[0] * basis.shape[1]
    if not vectors or len(set(vectors)) < len(vectors) or not 0 <= min(vectors) <= max(vectors) < count:
        raise UsageError(
            f"vectors must be different numbers in 0 ... {count - 1}; got {list(vectors)[:5]}: drop the rest"
        )
    mask = torch.zeros(count, dtype=torch.bool)
    mask[list(vectors)] = True
    return _subspace(basis, mask.reshape(basis.shape), name, radial=False)


BANDS: dict[str, Callable[..., list[Subspace]]] = {
    "blocks": blocks,
    "diagonal": diagonal,
    "grid": grid,
    "rings": rings,
}


def bands(
    kind: str, basis: Basis, *, size: int | None = None, step: int | None = None, count: int | None = None
) -> list[Subspace]:
    """Return the subspaces of that kind, with defaults that follow the size of the images.

    Args:
        kind: A name in `BANDS`.
        basis: The basis to select from.
        size: Side K of a block, in coefficients (blocks, diagonal, grid).
        step: Distance T between blocks, in coefficients (blocks, diagonal).
        count: Number of rings (rings).

    Raises:
        UsageError: Unknown kind (the nearest are offered), an option that the kind does not have, or one out of range.

    Example:
        >>> from geomrob.spectral.bases import basis
        >>> [len(bands(kind, basis("dct", (28, 28)))) for kind in BANDS]
        [21, 21, 49, 8]
    """
    if kind not in BANDS:
        raise unknown("bands", kind, BANDS)
    options = {"size": size, "step": step, "count": count}
    given = {name: value for name, value in options.items() if value is not None}
    taken = inspect.signature(BANDS[kind]).parameters
    for name, value in given.items():
        if name not in taken:
            raise UsageError(f"{name} must be left out for {kind}; got {value}: it belongs to other kinds of bands")
    return BANDS[kind](basis, **given)


def _size_and_step(basis: Basis, size: int | None, step: int | None) -> tuple[int, int]:
    side = min(basis.shape)
    default_size, default_step = (8, 1) if side <= 28 else (8, 2) if side <= 64 else (16, 16)
    size = min(default_size, side) if size is None else size
    step = default_step if step is None else step
    _check_size(basis, size)
    if step < 1:
        raise UsageError(f"step must be at least 1; got {step}: 1 is the densest")
    return size, step


def _check_size(basis: Basis, size: int) -> None:
    if not 1 <= size <= min(basis.shape):
        height, width = basis.shape
        raise UsageError(
            f"size must be from 1 to {min(basis.shape)} on {height}x{width} images; got {size}: fit the block in"
        )


def _radius(basis: Basis) -> Float64[Tensor, "h w"]:
    """Return the radius of each coefficient, in cycles (or in indices) per shorter side."""
    height, width = basis.shape
    frequencies = basis.frequencies
    if bool(frequencies.isnan().any()):
        axes = (torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64))
        frequencies = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    shorter = min(basis.shape)
    return torch.hypot(frequencies[0] * (shorter / height), frequencies[1] * (shorter / width))


def _subspace(basis: Basis, mask: Tensor, name: str, *, radial: bool) -> Subspace:
    """Return the subspace with its centre: the mean radius if `radial`, else the mean of the two axes."""
    chosen = basis.frequencies[:, mask]
    vertical, horizontal = chosen.mean(1).tolist()
    if math.isnan(vertical) or math.isnan(horizontal):
        frequency = math.nan
    else:
        frequency = float(_radius(basis)[mask].mean()) if radial else (vertical + horizontal) / 2
    return Subspace(basis, mask, name, frequency, (vertical, horizontal))
