"""What a section of a report is made of: sentences, pictures, tables; and how results become them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from matplotlib.axes import Axes

from geomrob.errors import UsageError
from geomrob.plot.style import blank
from geomrob.reports.pictures import Picture
from geomrob.results.result import Result
from geomrob.tables import Column, Table, one_line

Kind = TypeVar("Kind", bound=Result)


@dataclass(frozen=True)
class Grid:
    """A table of the page, all cells as text.

    Attributes:
        caption: What it shows.
        head: Headings of the columns; the first column names the rows.
        rows: Cells.
        left: Which columns hold words.
        folded: What it is called where it is shown on request.
        marks: Class of cells by their text, for verdicts.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[bool, ...]
    folded: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        key: Its address inside the page.
        title: Its heading.
        about: What was measured, for a reader who knows nothing of it.
        sentences: What was found.
        pictures, grids: Drawings and tables.
        notes: What a reader of the numbers has to know.
        failures: Why something is missing.
    """

    key: str
    title: str
    about: str = ""
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.sentences or self.pictures or self.grids or self.failures)


def of(results: Iterable[Result], kind: type[Kind]) -> list[Kind]:
    """Return the results of one class, in their order."""
    return [result for result in results if isinstance(result, kind)]


def grid(tables: Sequence[Table], *, caption: str = "", folded: str = "") -> list[Grid]:
    """Return tables of results as tables of the page, those with the same columns and title joined.

    Args:
        tables: Of one or several results.
        caption: In place of their titles.
        folded: What they are called where they are shown on request.
    """
    grids: list[Grid] = []
    for table in tables:
        if not table.rows:
            continue
        head = tuple(one_line(column.heading) for column in table.columns)
        title = caption or " ".join(table.title)
        left = tuple(at == 0 or column.words for at, column in enumerate(table.columns))
        rows = tuple(map(tuple, table.cells()))
        if grids and grids[-1].head == head and grids[-1].caption == title:
            grids[-1] = replace(grids[-1], rows=(*grids[-1].rows, *rows))
        else:
            grids.append(Grid(title, head, rows, left, folded))
    return grids


def by_model(rows: Sequence[tuple[str, Sequence[str]]], models: Sequence[str], caption: str) -> Grid:
    """Return a table with one column a model, and a row for each of some facts."""
    cells = tuple((name, *values) for name, values in rows)
    return Grid(caption, ("", *models), cells, (True, *(False,) * len(models)))


def with_model(table: Table, model: str) -> Table:
    """Return a table with the model as the first column, so that those of several models can be joined."""
    rows = [{"model": model, **row} for row in table.rows]
    return Table(table.title, (Column("model", ("model",)), *table.columns), rows)


def drawn(make: Callable[..., Iterable[Picture]], *about: Any) -> tuple[list[Picture], list[str]]:
    """Return the pictures that `make` draws of what it is about, or why they cannot be drawn."""
    try:
        return list(make(*about)), []
    except UsageError as error:
        return [], [f"not drawn: {error}"]


def axes(width: float = 5.4, height: float = 3.7) -> Axes:
    """Return axes of a size that can be read on a phone."""
    return blank(width, height).add_subplot()


def number(value: float, form: str = "{:.3g}") -> str:
    """Return a number as text, "none found" for an infinite one and a dash for one that is unknown."""
    if math.isnan(value):
        return "\u2013"
    return "none found" if math.isinf(value) else form.format(value)


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
