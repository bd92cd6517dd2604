"""Output of the commands: tables and lines on stdout, progress on stderr for people who watch; the device by name."""

import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from geomrob.cli.invocation import silent
from geomrob.errors import Note

if TYPE_CHECKING:
    import torch

    from geomrob.tables import Column, Table

Progress = Callable[[int, int], None]

WIDE = 10_000
"""Characters in a line of a pipe: more than any table needs, so that nothing is cut or wrapped."""

PAUSE = 30.0
"""Seconds between two lines of progress where stderr is no terminal."""

GAP = 2
"""Characters between two columns."""


def show_table(table: "Table") -> None:
    """Write the columns of a table to stdout; words are aligned left, numbers right.

    Where the terminal is narrow, words wrap; the first column and numbers stay on one line. Columns that do not fit
    follow below, behind the first column again, so that nothing is cut. Where not even two columns fit, each row is a
    list.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    # A pipe has no width of its own.
    terminal = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    room, cells = terminal.width, table.cells()
    least, most = _widths(table.columns, cells)
    if len(least) > 1 and least[0] + max(least[1:]) > room:
        _show_lists(table.columns, cells)
        return
    for part in _side_by_side(least, room):
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        taken = sum(least[index] for index in part)
        shares = _shares([most[index] - least[index] for index in part], max(room - taken, 0))
        for index, share in zip(part, shares, strict=True):
            column = table.columns[index]
            left = index == 0 or column.words
            # Left to itself rich shrinks the widest column first, below its longest word too.
            width = least[index] - GAP + share
            grid.add_column(column.heading, justify="left" if left else "right", width=width)
        for row in cells:
            grid.add_row(*(row[index] for index in part))
        terminal.width = max(room, taken)
        terminal.print(grid)


def _show_lists(columns: "Sequence[Column]", cells: list[list[str]]) -> None:
    """Write each row as a list: the first cell, then the others, a line each behind their headings."""
    from geomrob.tables import one_line

    for first, *others in cells:
        say("", first)
        say(*(f"  {one_line(column.heading)}: {cell}" for column, cell in zip(columns[1:], others, strict=True)))
    say("")


def _widths(columns: "Sequence[Column]", cells: list[list[str]]) -> tuple[list[int], list[int]]:
    """Return how many characters columns take at least and at most, with their gaps; words wrap between words only."""
    from rich.cells import cell_len

    least: list[int] = []
    most: list[int] = []
    for index, column in enumerate(columns):
        lines = [line for text in (column.heading, *(row[index] for row in cells)) for line in text.splitlines()]
        pieces = [piece for line in lines for piece in line.split()] if index > 0 and column.words else lines
        least.append(GAP + max(map(cell_len, pieces), default=0))
        most.append(GAP + max(map(cell_len, lines), default=0))
    return least, most


def _shares(wants: "Sequence[int]", spare: int) -> list[int]:
    """Return how many of the spare characters each column gets of those it wants; who wants least is served first."""
    shares = [0] * len(wants)
    for served, index in enumerate(sorted(range(len(wants)), key=wants.__getitem__)):
        shares[index] = min(wants[index], spare // (len(wants) - served))
        spare -= shares[index]
    return shares


def _side_by_side(widths: "Sequence[int]", room: int) -> list[list[int]]:
    """Return which columns are shown next to each other: the first one, and as many of the others as fit."""
    parts, taken = [[0]], widths[0]
    for index, width in enumerate(widths[1:], 1):
        if taken + width > room and len(parts[-1]) > 1:
            parts.append([0])
            taken = widths[0]
        parts[-1].append(index)
        taken += width
    return parts


def say(*lines: str) -> None:
    """Write lines to stdout; on a terminal wrapped between words, so that no number is."""
    if sys.stdout.isatty():
        from rich.console import Console

        wrap = partial(textwrap.wrap, width=Console().width, break_long_words=False, break_on_hyphens=False)
        lines = tuple(part for line in lines for part in wrap(line) or [""])
    sys.stdout.write("".join(f"{line}\n" for line in lines))


_printed: ContextVar[tuple[str, ...]] = ContextVar("_printed", default=())


@contextmanager
def notes_on_stderr() -> Generator[None, None, None]:
    """Print each `Note` once as `note: ...` on stderr, and keep it for `printed_notes` until the end."""
    token = _printed.set(())
    with warnings.catch_warnings():
        otherwise = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            text = " ".join(str(message).split())
            if not issubclass(category, Note):
                otherwise(message, category, *where, **more)
            elif text not in _printed.get():
                _printed.set((*_printed.get(), text))
                sys.stderr.write(f"note: {text}\n")

        warnings.simplefilter("always", Note)
        warnings.showwarning = show
        try:
            yield
        finally:
            _printed.reset(token)


def printed_notes() -> tuple[str, ...]:
    """Return the notes that this command has printed so far."""
    return _printed.get()


@contextmanager
def progress(title: str) -> Generator[Progress, None, None]:
    """Yield a function of (done, total) that moves a bar on stderr; where that is no terminal, it writes lines.

    Args:
        title: What is being done.
    """
    if silent():
        yield lambda _done, _total: None
        return
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    # Behind the log: a bar that moves is nothing to keep.
    terminal = Console(file=getattr(sys.stderr, "inner", sys.stderr))
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task(title, total=None, rate="")

        def move(done: int, total: int) -> None:
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate="" if speed is None else f"{speed:,.3g} a second")

        yield move


def _lines(title: str) -> Progress:
    """Return a function of (done, total) that writes a line to stderr every half minute."""
    last = time.monotonic()
    first: tuple[float, int] | None = None

    def report(done: int, total: int) -> None:
        nonlocal first, last
        now = time.monotonic()
        # What was there before the first report, of a run that resumes, took no time now.
        first = first or (now, done)
        if now - last >= PAUSE and done < total:
            last = now
            rate = (done - first[1]) / max(now - first[0], 1e-9)
            left = f", {rate:,.3g} a second, about {duration((total - done) / rate)} left" if rate > 0 else ""
            sys.stderr.write(f"{title}: {done:,} of {total:,} ({done / total:.0%}){left}\n")
            sys.stderr.flush()

    return report


def duration(seconds: float) -> str:
    """Return a time in whole seconds, minutes or hours, as it is said.

    Example:
        >>> duration(40), duration(200), duration(9000)
        ('40 seconds', '3 minutes', '2.5 hours')
    """
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


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
        # On a meta device, say, there are no numbers.
        torch.zeros(1, device=device).tolist()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = " ".join(str(error).split("\n")[0].split())[:120]
        raise UsageError(
            f"device must be auto, cpu or a GPU of this machine; got {name!r} ({reason}): leave --device out"
        ) from error
    if device.type == "cpu" and device.index is not None:  # pyright: ignore[reportUnnecessaryComparison]
        raise UsageError(f"device must be auto, cpu or a GPU of this machine; got {name!r}: write cpu without a number")
    return device
