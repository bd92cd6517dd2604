"""How commands talk: answers on stdout, progress on stderr for people who watch, the device by name."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

Progress = Callable[[int, int], None]

WIDE = 200


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """Write one table to stdout; the first `words` columns are aligned left, the others, numbers, right.

    Where the terminal is narrow, words after the first column wrap; names and numbers stay on one line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < words else "right", no_wrap=not 0 < index < words)
    for row in rows:
        table.add_row(*row)
    # A pipe has no width of its own: there the table takes the room it needs, so that no number is cut.
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)


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


def check_resources(threads: int | None, memory: float | None) -> int | None:
    """Return the budget of a batch in bytes, None for the default, so that misuse is known before the work.

    Raises:
        UsageError: No thread, no memory.
    """
    from geomrob.errors import UsageError

    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1; got {threads}: leave --threads out for the default")
    if memory is not None and not 0 < memory < float("inf"):
        raise UsageError(f"memory must be above 0 GiB; got {memory:g}: leave --memory out for the default")
    return None if memory is None else int(memory * 2**30)


def set_threads(threads: int | None, model: "nn.Module", images: "torch.Tensor") -> None:
    """Set the number of CPU threads: as given, else one for a model of which a full block fits into one call.

    Such calls take milliseconds; more threads than one then mostly wait for each other, on a busy machine for long.
    """
    from geomrob.analysis import preparation

    preparation.set_threads(model, images, threads)
