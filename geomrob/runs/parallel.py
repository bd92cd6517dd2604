"""The one way in which an analysis computes its parts: those that are kept are not computed again."""

import contextlib
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from geomrob.errors import ShardDone, UsageError
from geomrob.runs.folder import Run, in_process
from geomrob.runs.progress import Meter, Progress

Item = TypeVar("Item")

Part = dict[str, Tensor]
"""What is computed for an item: named tensors, on the CPU."""


def ranges(count: int, size: int, *, of: str = "images") -> dict[str, slice]:
    """Return `count` images, or what `of` calls them, cut into items of `size`, by key.

    Example:
        >>> ranges(5, 2)
        {'images-0-2': slice(0, 2, None), 'images-2-4': slice(2, 4, None), 'images-4-5': slice(4, 5, None)}
    """
    bounds = [(start, min(count, start + size)) for start in range(0, count, size)]
    return {f"{of}-{start}-{stop}": slice(start, stop) for start, stop in bounds}


def work(
    run: Run | None,
    name: str,
    compute: "partial[Part]",
    items: Mapping[str, Item],
    *,
    units: "Callable[[Item], int] | None" = None,
    each: float = 0,
    progress: Progress | None = None,
) -> list[Part]:
    """Return what `compute` returns for each item, in their order; with a run, what it has kept is not computed again.

    Args:
        run: The folder that keeps parts; None for a plain loop.
        name: Of the computation in the run: several of one run have different names.
        compute: A function of the package with its arguments bound by `functools.partial`; it is called with an item
            and returns named tensors on the CPU. What it is bound to is what the parts depend on: their identity is
            read off it, and other processes get a copy of it. What it returns for an item must depend on nothing else:
            not on the other items, nor on the memory.
        items: What to compute, by key: the name of its file.
        units: How many units of progress an item is; the length of a slice by default, else 1.
        each: Evaluations of the model that a unit is expected to take, for the progress inside a part.
        progress: Called with (units done, units in all).

    Raises:
        UsageError: The run has kept parts of another computation of that name.
        ShardDone: The run is a shard: its parts are there, those of the others are not.
    """
    count = units or _length
    meter = Meter(progress, sum(map(count, items.values())), each)
    with contextlib.ExitStack() as held:
        if run is not None:
            held.enter_context(run)
        held.enter_context(_counting(compute, meter))
        parts: dict[str, Part] = {} if run is None else run.begin(name, compute, items)
        for key in parts:
            meter.end(count(items[key]))
        mine = items if run is None else run.share(items)
        left = {key: item for key, item in mine.items() if key not in parts}
        engine = in_process if run is None else run.engine
        try:
            for key, part in engine(compute, left, lambda key: meter.begin(count(items[key]))) if left else ():
                if run is not None:
                    run.keep(name, key, part)
                parts[key] = part
                meter.end(count(items[key]))
        except UsageError:
            if run is not None and not parts:
                run.withdraw(name)
            raise
    if run is not None and run.shard is not None:
        raise ShardDone(run.shard_done())
    return [parts[key] for key in items]


@contextlib.contextmanager
def _counting(compute: "partial[Part]", meter: Meter) -> Generator[None]:
    """Let whatever of the bound arguments counts its evaluations (a `Prepared`) report them to the meter."""
    counters: list[Any] = []
    for value in (*compute.args, *compute.keywords.values()):
        several = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        counters += [each for each in (value, *several) if hasattr(each, "on_rows")]
    for counter in counters:
        counter.on_rows = meter.rows
    try:
        yield
    finally:
        for counter in counters:
            counter.on_rows = None


def _length(item: object) -> int:
    return item.stop - item.start if isinstance(item, slice) else 1
