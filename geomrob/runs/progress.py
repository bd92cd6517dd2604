"""How far a computation is: finished parts, and inside of a part the evaluations of the model so far."""

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

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


PAUSE = 0.2
"""Seconds between two updates of a bar at least."""

WIDTH = 30
"""Characters of a bar."""


def progress_bar(title: str = "") -> Progress:
    """Return what analyses take as `progress`: a bar, in a notebook below its cell, in a terminal on stderr.

    It needs no further package. Make one for each analysis.

    Args:
        title: What is being done.

    Example:
        >>> import torch
        >>> from geomrob import sparsity
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = sparsity(model, torch.rand(5, 1, 8, 8), progress=progress_bar("SparseFool"))
    """
    show, begun, last = _shown(), time.monotonic(), -PAUSE

    def move(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PAUSE and done < total:
            return
        last = now
        share = done / max(total, 1)
        full = round(WIDTH * share)
        left = f", about {(now - begun) * (1 / share - 1):,.0f} s left" if 0 < done < total else ""
        show(f"{title} |{'#' * full}{'.' * (WIDTH - full)}| {done:,} of {total:,}{left}".lstrip(), done >= total)

    return move


def _shown() -> Callable[[str, bool], object]:
    """Return what shows a line in place of the one before: in a cell of a notebook, on a terminal, else nothing."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        display: Any = importlib.import_module("IPython.display")
        handle: list[Any] = []

        def update(line: str, _: bool) -> None:
            content = {"text/plain": line}
            if handle:
                handle[0].update(content, raw=True)
            else:
                handle.append(display.display(content, raw=True, display_id=True))

        return update
    if not sys.stderr.isatty():
        return lambda _line, _end: None

    def write(line: str, end: bool) -> None:
        sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if end else ""))
        sys.stderr.flush()

    return write
