"""How far a computation is: finished parts, and inside of a part the evaluations of the model so far."""

from collections.abc import Callable

Progress = Callable[[int, int], object]


class Meter:
    """Counts units (pairs, images) that are done, inside a part by the rows that the model has evaluated.

    Args:
        progress: Called with (units done, units in all), None for nothing.
        total: Units in all.
        each: Evaluations that a unit is expected to take; learnt from the last part where there is one.

    Example:
        >>> meter = Meter(lambda done, total: print(done, "of", total), 4, each=10)
        >>> meter.begin(2), meter.rows(15), meter.end(2)
        1 of 4
        2 of 4
        (None, None, None)
    """

    def __init__(self, progress: Progress | None, total: int, each: float = 0) -> None:
        self.progress, self.total, self.each = progress, total, each
        self.done, self.units, self.evaluated = 0, 0, 0

    def begin(self, units: int) -> None:
        """Say that a part of so many units is begun."""
        self.units, self.evaluated = units, 0

    def rows(self, count: int) -> None:
        """Say that the model has evaluated so many rows."""
        self.evaluated += count
        if self.progress is not None and self.each:
            self.progress(self.done + min(max(0, self.units - 1), int(self.evaluated / self.each)), self.total)

    def end(self, units: int) -> None:
        """Say that a part of so many units is done, begun here or not."""
        if self.units and self.evaluated:
            self.each = self.evaluated / self.units
        self.done, self.units = self.done + units, 0
        if self.progress is not None:
            self.progress(self.done, self.total)
