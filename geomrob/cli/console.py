"""Output of the commands: tables and lines on stdout, progress on stderr for people who watch; the device by name."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from geomrob.tables import Table

Progress = Callable[[int, int], None]

WIDE = 10_000
"""Columns that no table needs: one in a pipe is as wide as it is, however many models it compares."""
WORDS = 8
"""Columns that words have at least."""
BETWEEN = 2
"""Columns between two of a table."""


def show_table(table: "Table") -> None:
    """Write the columns of a table to stdout; words are aligned left, numbers right.

    Where the terminal is narrow, words wrap; the first column and numbers stay on one line and are never cut: a table
    of more of them than the terminal has room for is wider than it.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    rows, needed = table.cells(), 0
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(table.columns):
        whole = index == 0 or not column.words
        longest = max(map(len, [*column.heading.split("\n"), *(cells[index] for cells in rows)]))
        least = longest if whole else min(longest, WORDS)
        needed += least + BETWEEN
        left = index == 0 or column.words
        grid.add_column(
            column.heading, justify="left" if left else "right", no_wrap=whole, min_width=least, overflow="fold"
        )
    for cells in rows:
        grid.add_row(*cells)
    # A pipe has no width of its own: there the table takes the room it needs, so that nothing is cut or wrapped.
    Console(highlight=False, width=max(Console().width, needed) if sys.stdout.isatty() else WIDE).print(grid)


def say(*lines: str) -> None:
    """Write lines to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Generator[Progress, None, None]:
    """Yield a function of (done, total) that moves a bar on stderr; it does nothing where nobody watches.

    Args:
        title: What is being done.
        quiet: Show nothing even on a terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def resolve_device(name: str) -> "torch.device":
    """Return the device of that name; `auto` is the first GPU where there is one, else the CPU.

    Raises:
        UsageError: No such device on this machine.
    """
    import torch

    from geomrob.errors import UsageError

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device must be auto, cpu or a GPU of this machine; got {name!r} ({reason})") from error
    return device
