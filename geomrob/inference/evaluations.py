"""Evaluations counted for each row, and rows cut into pieces that fit the memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

from geomrob.arrays import Labels


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
