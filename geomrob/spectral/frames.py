"""Coordinates of many (image, band) pairs at once: the inner loop of every search in subspaces.

For one pair, with A_r the rows and A_c the columns of a separable basis that its band needs,

    analyse:     c = mask . (A_r x A_c^T)        synthesise:  x = A_r^T (mask . c) A_c

so a search works in the K x K coefficients of a band, where the Euclidean norm is that of the image. The small
matrices are gathered pair by pair and the products are batched; nothing as large as image x band is ever built.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import UsageError
from geomrob.spectral.layouts import Boxes, Lists
from geomrob.spectral.subspaces import Subspace

Planes: TypeAlias = Float[Tensor, "p c h w"]
Coefficients: TypeAlias = Float[Tensor, "p c kr kc"]
Bands: TypeAlias = Int64[Tensor, " p"]


@runtime_checkable
class Coordinates(Protocol):
    """What a search needs of its subspaces: orthonormal coordinates there and back."""

    @property
    def dimension(self) -> Int64[Tensor, " r"]:
        """Dimension of each subspace, all channels together."""
        ...

    def __len__(self) -> int: ...

    def analyse(self, images: Planes, band: Bands) -> Coefficients:
        """Return the coordinates of each image in its subspace."""
        ...

    def synthesise(self, coefficients: Coefficients, band: Bands) -> Planes:
        """Return the image of each set of coordinates."""
        ...


class WholeSpace:
    """The whole image space as a frame of one subspace: the coefficients are the images."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        """Args: shape: Channels, height and width (C, H, W) of the images."""
        self.shape = shape
        self.dimension = torch.tensor([shape[0] * shape[1] * shape[2]])

    def __len__(self) -> int:
        return 1

    def analyse(self, images: Planes, band: Bands) -> Coefficients:
        """Return the images."""
        del band
        return images

    def synthesise(self, coefficients: Coefficients, band: Bands) -> Planes:
        """Return the coefficients."""
        del band
        return coefficients


class Frame:
    """Orthonormal coordinates in several subspaces of one basis, for a batch of (image, band) pairs.

    `analyse` and `synthesise` are adjoints; `analyse` after `synthesise` keeps the coefficients inside the mask, and
    `synthesise` after `analyse` is the orthogonal projection. Both work in the dtype and on the device of what comes.

    Attributes:
        subspaces: The bands, in the order that `band` counts.
        channels: C of the images.
        dimension: Dimension of each band, all channels together, (R,).
        shape: Shape (C, kr, kc) of the coefficients of one pair: the smallest box around the largest mask of a
            separable basis, or (C, 1, S) for a full one.
    """

    def __init__(self, subspaces: Sequence[Subspace], channels: int) -> None:
        """Prepare the coordinates.

        Args:
            subspaces: At least one, all of the same basis.
            channels: Number of channels of the images, at least 1.

        Raises:
            UsageError: No subspace, different bases, an empty subspace, or no channel.

        Example:
            >>> from geomrob.spectral.bases import basis
            >>> from geomrob.spectral.subspaces import blocks
            >>> frame = Frame(blocks(basis("dct", (28, 28)), 8, 1), channels=1)
            >>> frame.analyse(torch.rand(5, 1, 28, 28), torch.tensor([0, 3, 20, 20, 7])).shape
            torch.Size([5, 1, 8, 8])
        """
        if not subspaces:
            raise UsageError("subspaces must hold at least one; got none: pass a list of subspaces")
        if channels < 1:
            raise UsageError(f"channels must be at least 1; got {channels}: pass images.shape[1]")
        basis = subspaces[0].basis
        if any(subspace.basis is not basis for subspace in subspaces):
            raise UsageError("subspaces must share one basis; got several: build them from the same Basis object")
        empty = [subspace.name for subspace in subspaces if not bool(subspace.mask.any())]
        if empty:
            raise UsageError(f"subspaces must hold at least one coefficient; got none in {empty[0]}: drop it")
        self.subspaces = tuple(subspaces)
        self.channels = channels
        self.dimension = torch.tensor([subspace.dimension(channels) for subspace in subspaces])
        masks = torch.stack([subspace.mask.cpu() for subspace in subspaces])
        self._layout = Boxes(basis, masks) if basis.separable else Lists(basis, masks)
        self._images = (channels, *basis.shape)
        self.shape = (channels, *self._layout.shape)

    def __len__(self) -> int:
        return len(self.subspaces)

    def analyse(self, images: Planes, band: Bands) -> Coefficients:
        """Return the coordinates of each image in its band, zero outside the mask.

        Args:
            images: One image a pair, (P, C, H, W).
            band: Index of the subspace of each pair, (P,).

        Raises:
            UsageError: Images of another shape.
        """
        self._check(images, self._images, "images")
        return self._layout.analyse(images, band)

    def synthesise(self, coefficients: Coefficients, band: Bands) -> Planes:
        """Return the image of each set of coordinates; what lies outside the mask is ignored.

        Args:
            coefficients: Coordinates as `analyse` returns them, (P, C, kr, kc).
            band: Index of the subspace of each pair, (P,).

        Raises:
            UsageError: Coefficients of another shape.
        """
        self._check(coefficients, self.shape, "coefficients")
        return self._layout.synthesise(coefficients, band)

    def _check(self, values: Tensor, shape: tuple[int, ...], name: str) -> None:
        if tuple(values.shape[1:]) != shape:
            found = tuple(values.shape)
            raise UsageError(f"{name} must be shaped (P, {', '.join(map(str, shape))}); got {found}: match the frame")
