"""When a row counts as reproduced: a number near the published one, an ordering, a property; and several together."""

import math
import statistics
from collections.abc import Callable, Sequence

from experiments.registry.entry import Criterion, Page, Verdict

Numbers = Callable[[Page], Sequence[float]]
"""A number of a page for each training: several where there are seeds."""


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error: NaN for no value, an error of 0 for one."""
    if not values:
        return math.nan, 0.0
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return statistics.fmean(values), error


def shown(values: Sequence[float]) -> str:
    """Return mean and standard error in words."""
    mean, error = mean_and_error(values)
    return f"{mean:.4g}" + (f" ± {error:.2g}" if len(values) > 1 else "")


def near(what: str, ours: Numbers, published: float, within: float = 0.1) -> Criterion:
    """A number that is the published one up to a share of it.

    Args:
        what: The number, in words.
        ours: The number.
        published: The published one.
        within: Largest relative difference.
    """

    def decide(page: Page) -> Verdict:
        mean, _ = mean_and_error(ours(page))
        good = abs(mean / published - 1) <= within
        return Verdict(f"{what} {shown(ours(page))}", good, good)

    return Criterion(f"{what} within {within:.0%} of {published:g}", decide)


def ordered(
    what: str, better: Numbers, worse: Numbers, published: Sequence[float] = (), within: float = 0.1
) -> Criterion:
    """A number above another one by more than the standard error of their difference.

    Args:
        what: The two numbers, in words.
        better: The one that is claimed to be larger.
        worse: The other one.
        published: Both, where they are published; the row is then reproduced if both are near.
        within: Largest relative difference from them.
    """

    def decide(page: Page) -> Verdict:
        pair = [mean_and_error(numbers(page)) for numbers in (better, worse)]
        (one, error), (other, spread) = pair
        close = all(abs(mean / value - 1) <= within for (mean, _), value in zip(pair, published, strict=False))
        holds = one > other + math.hypot(error, spread)
        return Verdict(f"{what}: {shown(better(page))} against {shown(worse(page))}", holds, close)

    words = f"{what}: first larger, beyond the standard error of the difference"
    near_too = f"; reproduced if both are within {within:.0%} of {' and '.join(f'{v:g}' for v in published)}"
    return Criterion(words + near_too * bool(published), decide)


def holds(words: str, check: Callable[[Page], tuple[bool, str]]) -> Criterion:
    """A property: a function of the page that returns whether it holds, and the number that decides."""

    def decide(page: Page) -> Verdict:
        good, here = check(page)
        return Verdict(here, good)

    return Criterion(words, decide)


def every(*criteria: Criterion) -> Criterion:
    """All of several criteria."""

    def decide(page: Page) -> Verdict:
        verdicts = [one.decide(page) for one in criteria]
        here = "; ".join(verdict.here for verdict in verdicts)
        return Verdict(here, all(v.holds for v in verdicts), all(v.close for v in verdicts))

    return Criterion("; ".join(one.words for one in criteria), decide)
