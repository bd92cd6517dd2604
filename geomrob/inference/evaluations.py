"""Evaluations counted for each row, and rows cut into pieces that fit the memory."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels

MEMORY = 1 << 30
"""Default budget in bytes for activations and search state together."""


class Evaluations:
    """Forward and backward evaluations of a model, counted for each of P rows; a row given twice counts twice."""

    def __init__(self, count: int) -> None:
        self.forwards, self.backwards = (torch.zeros(count, dtype=torch.float64) for _ in range(2))

    def add(self, rows: Labels, forwards: float | Tensor = 0, backwards: float | Tensor = 0) -> None:
        """Count evaluations of these rows: one number for all of them, or one for each."""
        rows = rows.cpu()
        for total, number in ((self.forwards, forwards), (self.backwards, backwards)):
            if isinstance(number, Tensor) or number:
                total.index_add_(0, rows, torch.as_tensor(number, dtype=total.dtype, device="cpu").expand(len(rows)))

    def whole(self) -> tuple[Labels, Labels]:
        """Return the counts, rounded to whole numbers."""
        return self.forwards.round().long(), self.backwards.round().long()


def chunks(count: int, each: int, memory: int) -> Iterator[slice]:
    """Yield slices that cover `count` items of `each` bytes so that one slice takes at most half the budget."""
    size = max(1, memory // 2 // max(1, each))
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def pieces(
    images: Images, memory: int | None, copies: int = 8, *, within: slice | None = None
) -> Iterator[tuple[slice, Images]]:
    """Yield images, in their order, with the slice that they are: lazy ones are read here, and dropped by the caller.

    Args:
        images: Any, also more than fit the memory.
        memory: Budget in bytes, 1 GiB by default; a piece takes half of it.
        copies: Arrays as large as a piece that the caller holds at once.
        within: Of which images; of all by default.
    """
    each = math.prod(images.shape[1:]) * images.element_size() * copies
    fit = max(1, (MEMORY if memory is None else memory) // 2 // each)
    # Like blocks, pieces are powers of two: a whole number of calls, so that an image shares its call with the same
    # others whatever the memory.
    size = 1 << (fit.bit_length() - 1)
    first, last, _ = (within or slice(None)).indices(len(images))
    for start in range(first, last, size):
        piece = slice(start, min(last, start + size))
        yield piece, images[piece]
