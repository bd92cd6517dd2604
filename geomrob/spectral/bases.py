"""Orthonormal bases of the image plane, the same for every channel.

A separable basis is two small matrices, one for the rows of pixels and one for the columns; a full basis is one matrix
over all pixels of a channel. Either way the H*W coefficients of a channel are laid out as an (H, W) plane, so that
the same masks select subspaces of any basis.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from geomrob.errors import UsageError, unknown
from geomrob.files import user_path
from geomrob.spectral.bases_1d import AxisBuilder, dct_axis, fourier_axis, haar_axis, pixel_axis
from geomrob.spectral.bases_dense import nearest_orthonormal, principal_components, random_matrix, read_matrices

Shape: TypeAlias = tuple[int, int]

MOST_PIXELS = 4096
"""Largest channel that gets one matrix over all its pixels (64 x 64: 128 MB in float64)."""


@dataclass(frozen=True, eq=False)
class Basis:
    """An orthonormal basis of (H, W) planes: coefficients = rows . image . columns^T, or matrix . vec(image).

    Attributes:
        name: Its name in `BASES`.
        shape: Height and width (H, W) of the images.
        matrices: Rows (H, H) and columns (W, W) of a separable basis, or the one (H*W, H*W) matrix of a full one;
            float64 on the CPU, one basis vector a row.
        axis_frequencies: Cycles per image along each index axis, (H,) and (W,); NaN where the basis has none.
        note: A remark about this basis for readers of a plot; may be empty.
    """

    name: str
    shape: Shape
    matrices: tuple[Tensor, ...] = field(repr=False)
    axis_frequencies: tuple[Tensor, Tensor] = field(repr=False)
    note: str = ""
    _casts: dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]] = field(
        default_factory=dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]], init=False, repr=False
    )

    @property
    def separable(self) -> bool:
        """Whether the basis is a product of one basis of rows and one of columns."""
        return len(self.matrices) == 2

    @property
    def frequencies(self) -> Float64[Tensor, "2 h w"]:
        """Vertical and horizontal cycles per image of each coefficient; NaN where the basis has none."""
        return torch.stack(torch.meshgrid(*self.axis_frequencies, indexing="ij"))

    def matrices_like(self, values: Tensor) -> tuple[Tensor, ...]:
        """Return the matrices in the dtype and on the device of `values`; cast once, then kept."""
        key = (values.dtype, values.device)
        if key not in self._casts:
            # Kept for later calls, which may need a gradient: what inference mode makes could not serve them.
            with torch.inference_mode(mode=False):
                self._casts[key] = tuple(matrix.to(values.device, values.dtype) for matrix in self.matrices)
        return self._casts[key]

    def forward(self, images: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
        """Return the coefficients of images, laid out as an (H, W) plane for each.

        Args:
            images: Planes (..., H, W) of any float type, on any device.

        Raises:
            UsageError: The planes are not those of this basis.

        Example:
            >>> float(basis("dct", (4, 4)).forward(torch.ones(4, 4))[0, 0])
            4.0
        """
        self._check(images)
        matrices = self.matrices_like(images)
        if self.separable:
            return matrices[0] @ images @ matrices[1].T
        return (images.flatten(-2) @ matrices[0].T).unflatten(-1, self.shape)

    def inverse(self, coefficients: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
        """Return the images that have these coefficients; the exact inverse and the adjoint of `forward`.

        Args:
            coefficients: Planes (..., H, W) of any float type, on any device.

        Raises:
            UsageError: The planes are not those of this basis.
        """
        self._check(coefficients)
        matrices = self.matrices_like(coefficients)
        if self.separable:
            return matrices[0].T @ coefficients @ matrices[1]
        return (coefficients.flatten(-2) @ matrices[0]).unflatten(-1, self.shape)

    def _check(self, planes: Tensor) -> None:
        if tuple(planes.shape[-2:]) != self.shape:
            shape = tuple(planes.shape[-2:])
            raise UsageError(f"images must have the basis' shape {self.shape}; got {shape}: build a basis for them")


def dct(shape: Shape) -> Basis:
    """Return the 2-D DCT-II basis of the margin papers, orthonormal, index k at k/2 cycles per image."""
    return _separable("dct", shape, dct_axis)


def pixel(shape: Shape) -> Basis:
    """Return the pixels themselves: bands are patches of the image, without a frequency."""
    return _separable("pixel", shape, pixel_axis)


def haar(shape: Shape) -> Basis:
    """Return products of Haar wavelets of any length, unbalanced where a half cannot be cut evenly."""
    return _separable("haar", shape, haar_axis)


def fourier(shape: Shape) -> Basis:
    """Return the real Fourier basis, whose rings hold the same images as rings of the fast Fourier transform."""
    return _separable("fourier", shape, fourier_axis)


def random(shape: Shape, *, seed: int = 0) -> Basis:
    """Return the control: an orthonormal basis drawn uniformly and without any notion of frequency.

    Up to 4,096 pixels it is one matrix over the whole channel, as in the thesis. Above, such a matrix does not fit
    and the basis is the product of a random basis of rows and one of columns; `note` says which.

    Args:
        shape: Height and width.
        seed: The draw, an integer.
    """
    generator = torch.Generator().manual_seed(seed)
    whole = shape[0] * shape[1] <= MOST_PIXELS
    matrices = tuple(random_matrix(length, generator) for length in ((shape[0] * shape[1],) if whole else shape))
    note = "drawn over the whole channel" if whole else "product of random rows and random columns"
    return Basis("random", shape, matrices, _no_frequencies(shape), f"{note}, seed {seed}")


def pca(shape: Shape, *, images: Tensor | None = None) -> Basis:
    """Return the principal components of images, by decreasing variance.

    Each channel of each image is one sample of H*W pixels, so that one basis serves all channels. Directions in which
    the samples do not vary come last, in an arbitrary orthonormal order.

    Args:
        shape: Height and width, at most 4,096 pixels together.
        images: The samples (N, C, H, W), at least two channels or images.

    Raises:
        UsageError: No images, images of another shape or not finite, or too many pixels.
    """
    pixels = shape[0] * shape[1]
    if images is None:
        raise UsageError("images must be given for the pca basis; got none: pass the images to fit it on")
    if pixels > MOST_PIXELS:
        raise UsageError(f"shape must have at most {MOST_PIXELS} pixels for pca; got {shape}: use dct or haar")
    if images.ndim != 4 or tuple(images.shape[-2:]) != shape or images.shape[0] * images.shape[1] < 2:
        raise UsageError(
            f"images must be several (N, C, {shape[0]}, {shape[1]}); got {tuple(images.shape)}: pass two or more"
        )
    if not bool(torch.isfinite(images).all()):
        raise UsageError("images must be finite; got NaN or infinity: leave these images out before fitting pca")
    samples = images.detach().cpu().reshape(-1, pixels)
    note = f"principal components of {samples.shape[0]} channels"
    return Basis("pca", shape, (principal_components(samples),), _no_frequencies(shape), note)


def custom(shape: Shape, *, file: str | Path | None = None) -> Basis:
    """Return the basis that a file holds: one (H*W, H*W) matrix, or two named rows (H, H) and columns (W, W).

    Args:
        shape: Height and width.
        file: A `.npy`, `.npz` or `.safetensors` file; each row of a matrix is a basis vector, orthonormal to 1e-4.

    Raises:
        UsageError: No file, an unreadable one, other shapes, or vectors that are not orthonormal.

    Differences:
        What deviates by at most 1e-4 is replaced by the nearest orthonormal matrix, so that inverses are exact.
    """
    if file is None:
        raise UsageError("file must be given for the custom basis; got none: pass a .npy, .npz or .safetensors file")
    path = user_path(file, "basis")
    return Basis("custom", shape, read_matrices(path, shape), _no_frequencies(shape), f"read from {path.name}")


def from_matrix(matrix: Float[Tensor, "d d"], shape: Shape, *, name: str = "custom", note: str = "") -> Basis:
    """Return the basis whose vectors are the rows of a matrix; vector k is the coefficient at (k // W, k % W).

    Args:
        matrix: Orthonormal to 1e-4; replaced by the nearest orthonormal matrix, in float64.
        shape: Height and width (H, W) of the images, H*W = d.
        name, note: Its name in tables and plots, and a remark for their readers.

    Raises:
        UsageError: Rows that are not orthonormal, or not as many as an image has pixels.

    Example:
        >>> from_matrix(torch.eye(6).flip(0), (2, 3)).forward(torch.arange(6.0).reshape(2, 3)).tolist()
        [[5.0, 4.0, 3.0], [2.0, 1.0, 0.0]]
    """
    whole = nearest_orthonormal(matrix.detach().cpu(), shape[0] * shape[1], "matrix")
    return Basis(name, shape, (whole,), _no_frequencies(shape), note)


BASES: dict[str, Callable[..., Basis]] = {
    "dct": dct,
    "pixel": pixel,
    "haar": haar,
    "fourier": fourier,
    "random": random,
    "pca": pca,
    "custom": custom,
}


def basis(
    name: str, shape: Sequence[int], *, seed: int = 0, images: Tensor | None = None, file: str | Path | None = None
) -> Basis:
    """Return the basis of that name for images of that shape.

    Args:
        name: A name in `BASES`.
        shape: Height and width (H, W) of the images, each at least 1.
        seed: The draw of `random`; the others do not draw.
        images: What `pca` is fitted on, (N, C, H, W); the others ignore them.
        file: Where `custom` reads; refused for the others.

    Raises:
        UsageError: Unknown name (the nearest are offered), no pixels, or what the builder of that name refuses.

    Example:
        >>> basis("haar", (28, 28)).separable, basis("random", (8, 8)).separable
        (True, False)
    """
    if name not in BASES:
        raise unknown("basis", name, BASES)
    if len(shape) != 2 or min(shape) < 1:
        raise UsageError(f"shape must be (height, width), each at least 1; got {tuple(shape)}: pass images.shape[-2:]")
    if file is not None and name != "custom":
        raise UsageError(f"file must be left out for the {name} basis; got {file}: choose the custom basis to read it")
    options = {"seed": seed, "images": images, "file": file}
    wanted = inspect.signature(BASES[name]).parameters
    return BASES[name]((int(shape[0]), int(shape[1])), **{key: options[key] for key in options if key in wanted})


def _separable(name: str, shape: Shape, axis: AxisBuilder) -> Basis:
    rows, vertical = axis(shape[0])
    columns, horizontal = axis(shape[1])
    return Basis(name, shape, (rows, columns), (vertical, horizontal))


def _no_frequencies(shape: Shape) -> tuple[Tensor, Tensor]:
    height, width = shape
    return (
        torch.full((height,), math.nan, dtype=torch.float64),
        torch.full((width,), math.nan, dtype=torch.float64),
    )
