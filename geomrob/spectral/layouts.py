"""How the coefficients of a band are laid out, and the matrix products that fill them: the inside of a `Frame`.

A band of a separable basis lies in a box of rows and columns, a band of a full basis is a list of vectors. Both work
on (P, C, H, W) images and on (P, C, *shape) coefficients, `band` (P,) saying which mask each pair has.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from geomrob.spectral.bases import Basis


class Boxes:
    """Coordinates of a separable basis: each band needs the rows and columns of a box of one common size.

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
        """Return the coefficients of the images in their bands."""
        if self.whole:
            return self._masked(self.basis.forward(images), band)
        rows, columns = self._gathered(images, band)
        # Rows first, since long rows of results multiply faster than narrow ones; then the channels are stacked as
        # rows, so that they share the matrix of columns without a copy for each.
        short = rows.unsqueeze(1) @ images
        coefficients = torch.bmm(short.flatten(1, 2), columns.mT).unflatten(1, short.shape[1:3])
        return self._masked(coefficients, band)

    def synthesise(self, coefficients: Tensor, band: Tensor) -> Tensor:
        """Return the images of the coefficients in their bands."""
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


class Lists:
    """Coordinates of a full basis: each band is a list of basis vectors, and the pairs of a band go together."""

    def __init__(self, basis: Basis, masks: Tensor) -> None:
        self.basis = basis
        self.lists = [mask.flatten().nonzero().flatten() for mask in masks]
        self.shape = (1, max(len(indices) for indices in self.lists))

    def analyse(self, images: Tensor, band: Tensor) -> Tensor:
        """Return the coefficients of the images in their bands."""
        flat = images.flatten(2)
        coefficients = images.new_zeros(*images.shape[:2], self.shape[1])
        for pairs, vectors in self._groups(images, band):
            coefficients[pairs, :, : len(vectors)] = flat[pairs] @ vectors.T
        return coefficients.unsqueeze(2)

    def synthesise(self, coefficients: Tensor, band: Tensor) -> Tensor:
        """Return the images of the coefficients in their bands."""
        flat = coefficients.squeeze(2)
        images = coefficients.new_zeros(*coefficients.shape[:2], self.basis.matrices[0].shape[1])
        for pairs, vectors in self._groups(coefficients, band):
            images[pairs] = flat[pairs, :, : len(vectors)] @ vectors
        return images.unflatten(2, self.basis.shape)

    def _groups(self, like: Tensor, band: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the pairs of each band that occurs, and its basis vectors (S, H*W)."""
        (matrix,) = self.basis.matrices_like(like)
        order = band.argsort(stable=True)
        counts = torch.bincount(band, minlength=len(self.lists)).tolist()
        for indices, pairs in zip(self.lists, order.split(counts), strict=True):
            if len(pairs):
                yield pairs, matrix.index_select(0, indices.to(matrix.device))


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
