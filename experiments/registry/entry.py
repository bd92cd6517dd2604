"""What a row of the registry is, and how its result is called: reproduced, ordering only, differs or not run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Page = dict[str, Any]

REPRODUCED, ORDERING, DIFFERS, NOT_RUN, RAN = "reproduced", "ordering only", "differs", "not run", "ran"
"""The last is said at scale smoke alone, whose numbers compare nothing."""


class Verdict(NamedTuple):
    """The number that decides, whether the published direction holds, and whether the number is the published one."""

    here: str
    holds: bool
    close: bool = True


@dataclass(frozen=True)
class Criterion:
    """When a row counts as reproduced: in words, and as a function of the page of its experiment."""

    words: str
    decide: Callable[[Page], Verdict]


@dataclass(frozen=True, eq=False)
class Run:
    """An experiment that serves rows: the module in `experiments/`, its arguments, what it costs and needs.

    `minutes` are those of one core at each scale that it has, `data` the sets that scales above smoke read from a
    folder of data sets.
    """

    module: str
    minutes: Mapping[str, float]
    data: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    tag: str = ""

    @property
    def file(self) -> str:
        """The name of its page, in `figures/` and in a folder of runs."""
        return f"{self.module}{self.tag and '-'}{self.tag}.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One figure, table, equation or named experiment of a paper.

    Attributes:
        id: As it is named on the command line.
        where: What it is called in the paper.
        claim: What it claims, in one sentence.
        published: Its numbers, under names.
        run: The key in `RUNS` of the experiment that computes it; empty for none.
        criterion: When it counts as reproduced; write it before you measure.
        stand_in: How nets, data or attack differ from the published ones below scale paper; with it, a row is never
            more than "ordering only".
        same_at_paper: Whether scale paper has the published nets and data.
        why_not: Why nothing runs.
        function, tests: Of an equation: what computes it, and the tests that compare it with something independent.
    """

    id: str
    where: str
    claim: str
    published: Mapping[str, Any]
    run: str = ""
    criterion: Criterion | None = None
    stand_in: str = ""
    same_at_paper: bool = False
    why_not: str = ""
    function: str = ""
    tests: tuple[str, ...] = ()

    @property
    def paper(self) -> str:
        """The first word of its id."""
        return self.id.split("-")[0]

    def published_words(self) -> str:
        """Return the published numbers in a line."""
        return "; ".join(f"{name} {_value(value)}" for name, value in self.published.items()) or "no number"

    def judged(self, page: Page, scale: str) -> tuple[str, str]:
        """Return the status of a result, and the number that decides."""
        assert self.criterion is not None
        if scale == "smoke":
            # A part of the models at most, of which a criterion can decide nothing.
            return RAN, "smoke compares nothing"
        verdict = self.criterion.decide(page)
        differs = bool(self.stand_in) and not (scale == "paper" and self.same_at_paper)
        close = verdict.close and not differs
        return (REPRODUCED if close else ORDERING) if verdict.holds else DIFFERS, verdict.here


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return " / ".join(_value(one) for one in value)
    return f"{value:g}"
