"""Coordinates of many (image, band) pairs at once: the inner loop of every search in subspaces.

For one pair, with A_r the rows and A_c the columns of a separable basis that its band needs,

    analyse:     c = mask . (A_r x A_c^T)        synthesise:  x = A_r^T (mask . c) A_c

so a search works in the K x K coefficients of a band, where the Euclidean norm is that of the image. The small
matrices are gathered pair by pair and the products are batched; nothing as large as image x band is ever built.

`Frame` checks shapes and leaves the products to the layout of its basis: boxes of rows and columns for a separable one,
lists of basis vectors for a full one. `WholeSpace` is the frame of attacks without a subspace.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.spectral.bases import Basis
from geomrob.spectral.subspaces import Subspace

Planes: TypeAlias = Float[Tensor, "p c h w"]
Coefficients: TypeAlias = Float[Tensor, "p c kr kc"]
Bands: TypeAlias = Int64[Tensor, " p"]

TILE = 64
"""Rows of one product with a full basis."""


@runtime_checkable
class Coordinates(Protocol):
    """What a search needs of its subspaces: analysis into orthonormal coordinates and synthesis from them."""

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
            raise UsageError("subspaces must hold at least one; got none: make them by geomrob.bands")
        if channels < 1:
            raise UsageError(f"channels must be at least 1; got {channels}: pass images.shape[1]")
        basis = subspaces[0].basis
        if any(subspace.basis is not basis for subspace in subspaces):
            raise UsageError("subspaces must share one basis; got several: build them from the same Basis object")
        empty = [subspace.name for subspace in subspaces if not bool(subspace.mask.any())]
        if empty:
            raise UsageError(
                f"subspaces must hold at least one coefficient; got none in {empty[0]}: leave it out of the list"
            )
        self.subspaces = tuple(subspaces)
        self.channels = channels
        self.dimension = torch.tensor([subspace.dimension(channels) for subspace in subspaces])
        masks = torch.stack([subspace.mask.cpu() for subspace in subspaces])
        self._layout = _SeparableLayout(basis, masks) if basis.separable else _DenseLayout(basis, masks)
        self._images = (channels, *basis.shape)
        self.shape = (channels, *self._layout.shape)

    def run_identity(self) -> dict[str, object]:
        """Return what the coordinates depend on: see `runs.fingerprint`."""
        return {"bands": self.subspaces, "channels": self.channels}

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
            given = tuple(values.shape)
            raise UsageError(f"{name} must be shaped (P, {', '.join(map(str, shape))}); got {given}: match the frame")


class _SeparableLayout:
    """Coordinates in a separable basis: each band needs the rows and columns of a box of one common size.

    The rows are gathered pair by pair and multiplied in a batch: measured on one thread this beats sorting the pairs
    by band, einsum, and one product with the whole basis. Where the boxes are the whole plane, the basis does it all.
    """

    def __init__(self, basis: Basis, masks: Tensor) -> None:
        self.basis = basis
        row_index = _intervals(masks.any(2))
        column_index = _intervals(masks.any(1))
        self.shape = (row_index.shape[1], column_index.shape[1])
        boxed = masks[torch.arange(len(masks))[:, None, None], row_index[:, :, None], column_index[:, None, :]]
        self.whole = self.shape == basis.shape
        self._full = bool(boxed.all())
        self._tables = _PerDevice((row_index, column_index, boxed))

    def analyse(self, images: Tensor, band: Tensor) -> Tensor:
        """Return the coefficients (P, C, kr, kc) of the images in their bands."""
        if self.whole:
            return self._masked(self.basis.forward(images), band)
        rows, columns = self._gathered(images, band)
        # Rows first, since long rows of results multiply faster than narrow ones; then the channels are stacked as
        # rows, so that they share the matrix of columns without a copy for each.
        short = rows.unsqueeze(1) @ images
        coefficients = torch.bmm(short.flatten(1, 2), columns.mT).unflatten(1, short.shape[1:3])
        return self._masked(coefficients, band)

    def synthesise(self, coefficients: Tensor, band: Tensor) -> Tensor:
        """Return the images (P, C, H, W) of the coefficients in their bands."""
        coefficients = self._masked(coefficients, band)
        if self.whole:
            return self.basis.inverse(coefficients)
        rows, columns = self._gathered(coefficients, band)
        wide = torch.bmm(coefficients.flatten(1, 2), columns).unflatten(1, coefficients.shape[1:3])
        return rows.unsqueeze(1).mT @ wide

    def _gathered(self, like: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows (P, kr, H) and the columns (P, kc, W) of the box of each pair."""
        row_index, column_index, _ = self._tables.on(like.device)
        rows, columns = self.basis.matrices_like(like)
        return _gather(rows, row_index, band), _gather(columns, column_index, band)

    def _masked(self, coefficients: Tensor, band: Tensor) -> Tensor:
        if self._full:
            return coefficients
        return coefficients * self._tables.on(coefficients.device)[2].index_select(0, band).unsqueeze(1)


class _DenseLayout:
    """Coordinates in a full basis: each band is a list of basis vectors.

    Every image is multiplied with the whole basis and each pair then takes its own coefficients, in products of one
    shape (`TILE` rows, padded): the rounding of a product depends on its shape, and the coordinates of a pair must not
    depend on which other pairs there are. Grouping the pairs by band costs about as much and lacks that.
    """

    def __init__(self, basis: Basis, masks: Tensor) -> None:
        self.basis = basis
        lists = [mask.flatten().nonzero().flatten() for mask in masks]
        size = max(len(indices) for indices in lists)
        self.shape = (1, size)
        # Short lists are filled up with vector 0, whose coefficient is then held at zero.
        index = torch.stack([torch.cat((vectors, vectors.new_zeros(size - len(vectors)))) for vectors in lists])
        kept = torch.stack([torch.arange(size) < len(vectors) for vectors in lists])
        self._tables = _PerDevice((index, kept))

    def analyse(self, images: Tensor, band: Tensor) -> Tensor:
        """Return the coefficients (P, C, kr, kc) of the images in their bands."""
        (matrix,) = self.basis.matrices_like(images)
        index, kept = self._of(images, band)
        everything = _tiled(images.flatten(2), matrix.T)
        return (everything.gather(2, index) * kept).unsqueeze(2)

    def synthesise(self, coefficients: Tensor, band: Tensor) -> Tensor:
        """Return the images (P, C, H, W) of the coefficients in their bands."""
        (matrix,) = self.basis.matrices_like(coefficients)
        index, kept = self._of(coefficients, band)
        everything = coefficients.new_zeros(*coefficients.shape[:2], matrix.shape[0])
        everything.scatter_add_(2, index, coefficients.squeeze(2) * kept)
        return _tiled(everything, matrix).unflatten(2, self.basis.shape)

    def _of(self, like: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Return for each pair and channel which vectors its band takes (P, C, S), and which of them count."""
        index, kept = (table.index_select(0, band).unsqueeze(1) for table in self._tables.on(like.device))
        return index.expand(-1, like.shape[1], -1), kept


def _tiled(rows: Tensor, matrix: Tensor) -> Tensor:
    """Return rows (P, C, N) times a matrix (N, N), in products of `TILE` rows each."""
    flat = rows.flatten(0, 1)
    short = -len(flat) % TILE
    tiles = torch.nn.functional.pad(flat, (0, 0, 0, short)).unflatten(0, (-1, TILE))
    product = torch.cat([tile @ matrix for tile in tiles]) if len(tiles) else flat
    return product[: len(flat)].unflatten(0, rows.shape[:2])


class _PerDevice:
    """Tensors that are copied to a device once."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        self._copies = {tensors[0].device: tensors}
        self._tensors = tensors

    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        """Return the tensors on that device."""
        if device not in self._copies:
            # Kept for later calls, which may need a gradient: what inference mode makes could not serve them.
            with torch.inference_mode(mode=False):
                self._copies[device] = tuple(tensor.to(device) for tensor in self._tensors)
        return self._copies[device]


def _gather(matrix: Tensor, index: Tensor, band: Tensor) -> Tensor:
    """Return the rows of a matrix (N, N) that each pair needs, (P, K, N), for the rows (R, K) of each band."""
    wanted = index.index_select(0, band)
    return matrix.index_select(0, wanted.flatten()).unflatten(0, wanted.shape)


def _intervals(occupied: Tensor) -> Tensor:
    """Return (R, K) consecutive indices that cover what each row of (R, N) occupies, K as small as all allow."""
    length = occupied.shape[1]
    first = occupied.int().argmax(1)
    last = length - 1 - occupied.flip(1).int().argmax(1)
    size = int((last - first).max()) + 1
    start = first.clamp_max(length - size)
    return start[:, None] + torch.arange(size)
