"""The plain sentences of a comparison: which model is farther or better where, by how much, and where none is seen."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomrob.results.comparison.comparison import Comparison

NAMED = 4
"""Rows that are named before the others are counted."""


def statements(comparison: "Comparison") -> list[str]:
    """Return for each model that is compared with the first what is seen of its difference, in plain words.

    Rows that are over several others are said, the others counted; without such rows each is said. A difference is seen
    where the corrected p-value is below 5 %; where none is, the sentence says in how many images.
    """
    return [statement(comparison, index) for index in range(len(comparison.models) - 1)]


def statement(comparison: "Comparison", index: int) -> str:
    """Return what is seen of the difference of model `index + 1` from the first one."""
    count, pooled = len(comparison.rows), comparison.pooled
    said = range(pooled or count)
    seen = comparison.seen[index, 0].tolist()
    clauses = [_seen(comparison, index, row) for row in said if seen[row]]
    clauses += _unseen(comparison, index, [row for row in said if not seen[row]])
    sentence = "; ".join(clauses)
    # A name stays as it is, also at the start.
    start = sentence[0] if sentence.startswith(comparison.models) else sentence[0].upper()
    sentences = [f"{start}{sentence[1:]}."]
    if pooled:
        sentences.append(_counted(comparison, index))
    if len(comparison.groups) > 1:
        sentences.append(_classes(comparison, index, said))
    return " ".join(sentences)


def amount(estimate: Sequence[float], *, signed: bool = False) -> str:
    """Return an estimate with its interval, with as many decimals as the width of the interval allows.

    Example:
        >>> amount((1.304, 1.21, 1.41)), amount((1.0213, 0.991, 1.0507))
        ('1.3 [1.2, 1.4]', '1.02 [0.99, 1.05]')
        >>> amount((float("inf"), 1.9, float("inf")))
        'inf [1.90, inf]'
    """
    value, low, high = estimate
    width = high - low
    decimals = 2 if not 0 < width < math.inf else min(3, max(0, math.ceil(-math.log10(width / 2)) + (width >= 2)))
    form = f"{{:{'+' if signed else ''}.{max(decimals, 1)}f}}"
    if math.isnan(low) or math.isnan(high):
        return form.format(value)
    return f"{form.format(value)} [{form.format(low)}, {form.format(high)}]"


def _seen(comparison: "Comparison", index: int, row: int) -> str:
    """Return the clause of a row in which a difference is seen."""
    first, other, where = comparison.models[0], comparison.models[index + 1], _where(comparison, [row])
    up = int(comparison.direction[index, 0, row]) > 0
    if comparison.measure == "accuracy":
        estimate = comparison.difference[index, 0, row].tolist()
        if (estimate[0] > 0) == up and not estimate[1] <= 0 <= estimate[2]:
            low, high = sorted(abs(end) for end in estimate[1:])
            points = amount([100 * abs(estimate[0]), 100 * low, 100 * high])
            return f"{other}'s accuracy is {points} points {'above' if up else 'below'} {first}'s {where}"
        shown = f"{amount([100 * number for number in estimate], signed=True)} points"
        more = (
            f"{other} classifies more images correctly {where}"
            if up
            else f"{first} classifies more images correctly {where}"
        )
    else:
        estimate = comparison.ratio[index, 0, row].tolist()
        if (estimate[0] > 1) == up and not estimate[1] <= 1 <= estimate[2]:
            return f"{other}'s {comparison.quantity} is {_times(estimate)} as {_far(comparison)} as {first}'s {where}"
        shown = "both medians are infinite" if math.isnan(estimate[0]) else f"the medians' ratio is {amount(estimate)}"
        more = (
            f"{other}'s {comparison.quantity} is {_farther(comparison, up=up)} than {first}'s for most images {where}"
        )
    return f"{more} (p = {_p(float(comparison.corrected[index, 0, row]))}; {shown})"


def _unseen(comparison: "Comparison", index: int, rows: Sequence[int]) -> list[str]:
    """Return the clause of the rows in which no difference is seen, none where there are none."""
    if not rows:
        return []
    shown = ""
    if len(rows) == 1:
        ratio, difference = (getattr(comparison, name)[index, 0, rows[0]].tolist() for name in ("ratio", "difference"))
        points = f"{amount([100 * number for number in difference], signed=True)} points"
        shown = (
            f" ({_times(ratio)})"
            if not math.isnan(ratio[0])
            else f" ({points})"
            if comparison.measure == "accuracy"
            else ""
        )
    whom = (
        ""
        if len(rows) < len(range(comparison.pooled or len(comparison.rows)))
        else (f" between {comparison.models[index + 1]} and {comparison.models[0]}")
    )
    return [f"{_where(comparison, rows)} no difference{whom} is seen in {int(comparison.images[0])} images{shown}"]


def _counted(comparison: "Comparison", index: int) -> str:
    """Return in how many of the single rows a difference is seen."""
    single = slice(comparison.pooled, None)
    seen = comparison.seen[index, 0, single]
    up = int((seen & (comparison.direction[index, 0, single] > 0)).sum())
    down, count = int(seen.sum()) - up, len(comparison.rows) - comparison.pooled
    word = {True: "farther", False: "nearer"} if comparison.measure == "distance" else {True: "better", False: "worse"}
    return (
        f"Of {count} {comparison.row}s {comparison.models[index + 1]} is {word[True]} in {up} and {word[False]} in "
        f"{down}; "
        f"in {count - up - down} no difference is seen."
    )


def _classes(comparison: "Comparison", index: int, rows: Sequence[int]) -> str:
    """Return for which classes a difference is seen in the rows that are said."""
    seen = [
        f"{group} {'up' if int(comparison.direction[index, k, row]) > 0 else 'down'} {_where(comparison, [row])}"
        for k, group in enumerate(comparison.groups)
        for row in rows
        if k and bool(comparison.seen[index, k, row])
    ]
    tests = len(rows) * (len(comparison.groups) - 1)
    if not seen:
        return f"In {tests} tests of single classes no difference is seen."
    more = f" and {len(seen) - NAMED} more" if len(seen) > NAMED else ""
    return f"In {len(seen)} of {tests} tests of single classes a difference is seen: {'; '.join(seen[:NAMED])}{more}."


def _where(comparison: "Comparison", rows: Sequence[int]) -> str:
    """Return the rows as a place: in bands and norms, under corruptions, at strengths, on clean images."""
    word = {"corruption": "under", "strength": "at strength"}.get(comparison.row, "in")
    if comparison.row == "band" and min(rows) >= comparison.pooled:
        word = f"in band{'s' if len(rows) > 1 else ''}"
    names = [comparison.rows[row].replace("_", " ") for row in rows]
    clean = [name for name in names if name == "clean images"]
    others = [name for name in names if name != "clean images"]
    listed = others if len(others) <= NAMED else [*others[: NAMED - 1], f"{len(others) - NAMED + 1} others"]
    places = [f"on {name}" for name in clean]
    places += [f"{word} {_and(listed)}"] if listed else []
    return _and(places)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _times(ratio: Sequence[float]) -> str:
    """Return a ratio in words: 1.3 x [1.2, 1.4]."""
    value, _, interval = amount(ratio).partition(" ")
    return f"{value} x {interval}".rstrip()


def _far(comparison: "Comparison") -> str:
    return "far" if comparison.quantity == "boundary" else "large"


def _farther(comparison: "Comparison", *, up: bool) -> str:
    return ("farther" if up else "nearer") if comparison.quantity == "boundary" else ("larger" if up else "smaller")


def _p(value: float) -> str:
    return f"{value:.1g}"
