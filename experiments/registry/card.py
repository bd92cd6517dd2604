"""A row with its result, as `geomrob reproduce` prints it."""

from dataclasses import dataclass
from pathlib import Path

from experiments.registry.entry import Entry
from experiments.registry.runs import RUNS
from experiments.registry.schedule import outcome
from geomrob.results.result import Result
from geomrob.tables import Column, Table


@dataclass(frozen=True, repr=False)
class Card(Result):
    """A row: what is claimed and published, what came out here, what it costs; `minutes` are NaN where nothing runs.

    `listed` says that it stands in the list of all rows and not in the results of a run.
    """

    id: str
    where: str
    claim: str
    published: str
    criterion: str
    stand_in: str
    experiment: str
    scale: str
    status: str
    here: str
    minutes: float
    listed: bool

    def tables(self) -> list[Table]:
        """Return one row: the tables of several cards are one."""
        middle = (
            (Column("claim", ("claim",), words=True),)
            if self.listed
            else (Column("here", ("here",), words=True), Column("published", ("published",), words=True))
        )
        result = Column("result", ("status",), words=True)
        columns = (Column("row", ("id",)), *middle, result, Column("minutes", ("minutes",), "{:g}"))
        return [Table((), columns, self.records())]


def card(entry: Entry, folder: Path, scale: str, *, reason: str = "", listed: bool = False) -> Card:
    """Return a row with its result in a folder at a scale.

    Args:
        entry: The row.
        folder: Where the page of its experiment is.
        scale: At which scale.
        reason: Why it was not run.
        listed: Whether it stands in the list of all rows.
    """
    status, here = outcome(entry, folder, scale, reason)
    run = RUNS.get(entry.run)
    return Card(
        id=entry.id,
        where=entry.where,
        claim=entry.claim,
        published=entry.published_words(),
        criterion=entry.criterion.words if entry.criterion else "",
        stand_in=entry.stand_in,
        experiment=run.module if run else "",
        scale=scale,
        status=status,
        here=here,
        minutes=run.minutes.get(scale, float("nan")) if run else float("nan"),
        listed=listed,
    )
