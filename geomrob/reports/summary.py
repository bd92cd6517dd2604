"""What a report starts with: plain sentences, and a table of the important numbers with one column a model."""

import math
from collections.abc import Callable, Iterator, Sequence

from geomrob.reports.accuracy import accuracy_at, clean_accuracy, interval, share, with_verdicts
from geomrob.reports.boundary import band_name, curves_of
from geomrob.reports.content import listed, number, of
from geomrob.reports.inside import VERDICTS
from geomrob.results import Audit, Comparison, CorruptionTable, MarginCurve, RobustAccuracy, Sparsity, StrengthCurve
from geomrob.results.accuracy.robust_accuracy import NORM_NAMES, shown_epsilon
from geomrob.results.comparison.statement import amount
from geomrob.results.result import Result

Row = tuple[str, dict[str, str]]
"""A fact, and its value for each model."""


def sentences(results: Sequence[Result], models: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    """Return what was found in plain sentences, the most important first."""
    return [
        *_accurate(results, models),
        *(sentence for found in comparisons if found.measure == "distance" for sentence in _farther(found)),
        *_robust(results),
        *_sparse(results),
        *_corrupted(results),
        *_audited(results),
    ]


def _each(values: dict[str, str]) -> str:
    """Return a value for each model; a single model goes without its name."""
    return (
        next(iter(values.values())) if len(values) == 1 else listed([f"{name} {text}" for name, text in values.items()])
    )


def _accurate(results: Sequence[Result], models: Sequence[str]) -> Iterator[str]:
    clean = clean_accuracy(results)
    if not clean:
        return
    if len(models) == 1:
        value, low, high, count = next(iter(clean.values()))
        yield f"{models[0]} classifies {share(value)} of {count} clean images as labelled ({interval(low, high)})."
        return
    best, worst = (pick(clean, key=lambda name: clean[name][0]) for pick in (max, min))
    if clean[best][0] == clean[worst][0]:
        yield f"All models classify {share(clean[best][0])} of {clean[best][3]} clean images as labelled."
        return
    yield (
        f"Of {clean[best][3]} clean images {best} classifies most as labelled, {share(clean[best][0])}, and {worst} "
        f"fewest, {share(clean[worst][0])}."
    )


def _farther(found: Comparison) -> Iterator[str]:
    """Yield for the lower and the higher bands which boundaries are farther than that of the first model."""
    for row in range(found.pooled):
        groups: dict[str, list[str]] = {}
        for other, name in enumerate(found.models[1:]):
            ratio = found.ratio[other, 0, row].tolist()
            told = name if math.isnan(ratio[0]) else f"{name} ({amount(ratio)} times)"
            way = "farther" if int(found.direction[other, 0, row]) > 0 else "nearer"
            if not bool(found.seen[other, 0, row]):
                way, told = "no difference is seen", name
            elif ratio[1] <= 1 <= ratio[2]:
                way = f"{way} for most images, but not in the median for sure,"
            groups.setdefault(f"{way} for", []).append(told)
        parts = [f"{way} {listed(names)}" for way, names in sorted(groups.items())]
        yield f"Boundary in {found.rows[row]}, compared with {found.models[0]}: {'; '.join(parts)}."


def _robust(results: Sequence[Result]) -> Iterator[str]:
    found = with_verdicts(results)
    for norm in dict.fromkeys(one.norm for one in found):
        group = [one for one in found if one.norm == norm]
        sizes = _epsilons(group)
        epsilon = sizes[len(sizes) // 2]
        size, values = shown_epsilon(norm, epsilon), {one.model: share(accuracy_at(one, epsilon)) for one in group}
        yield f"Accuracy left under the strongest {NORM_NAMES[norm]} perturbations of size {size}: {_each(values)}."


def _epsilons(group: Sequence[RobustAccuracy]) -> list[float]:
    """Return the epsilons that all of some results have, or all of them where they share none."""
    each = [set(one.epsilons.tolist()) for one in group]
    return sorted(set.intersection(*each) or set.union(*each))


def _sparse(results: Sequence[Result]) -> Iterator[str]:
    values = {one.model: number(float(one.quantiles(0.5)[0]), "{:.4g}") for one in of(results, Sparsity)}
    if values:
        yield f"Pixels that have to change in the median image: {_each(values)}."


def _corrupted(results: Sequence[Result]) -> Iterator[str]:
    for table in of(results, CorruptionTable):
        means = table.mce(table.over).mean(1).tolist()
        values = {name: share(1 - mean) for name, mean in zip(table.models, means, strict=True)}
        yield f"Mean accuracy under {len(table.over)} corruptions: {_each(values)}."


def _audited(results: Sequence[Result]) -> Iterator[str]:
    found = of(results, Audit)
    for kind in ("passed", "warned", "failed", "skipped"):
        names = [
            f"{one.model}{f' ({listed(one.causes)})' if one.causes else ''}" for one in found if one.verdict == kind
        ]
        if names:
            yield f"Audit {kind} for {listed(names)}: {VERDICTS[kind]}."


def rows(results: Sequence[Result]) -> list[Row]:
    """Return the important numbers, each for every model that has it."""
    made: list[Row] = []
    for make in ROWS:
        made += [(name, values) for name, values in make(results) if values]
    return made


def _clean_row(results: Sequence[Result]) -> Iterator[Row]:
    clean = clean_accuracy(results)
    counts = sorted({count for *_, count in clean.values()})
    yield (
        f"clean accuracy, 95 % interval ({' or '.join(map(str, counts))} images)",
        {name: f"{share(value)} ({interval(low, high)})" for name, (value, low, high, _) in clean.items()},
    )


def _margin_rows(results: Sequence[Result]) -> Iterator[Row]:
    curves = curves_of(results)
    for word, pick in (("lowest", min), ("highest", max)):
        known = [curve for curve in curves if not bool(curve.frequency.isnan().any())]
        at = {curve.model: pick(range(len(curve.bands)), key=curve.frequency.tolist().__getitem__) for curve in known}
        yield (
            f"median margin, {word} band (l2), 95 % interval",
            {curve.model: _median(curve, at[curve.model]) for curve in known},
        )
    least = {curve.model: int(curve.quantiles(0.5)[:, 0].argmin()) for curve in curves}
    yield (
        "band of the smallest median margin",
        {
            curve.model: f"{_least(curve, least[curve.model])} at {band_name(curve, least[curve.model])}"
            for curve in curves
        },
    )


def _least(curve: MarginCurve, band: int) -> str:
    """Return the median of a band."""
    return number(float(curve.quantiles(0.5)[band, 0]))


def _median(curve: MarginCurve, band: int) -> str:
    """Return the median of a band with its interval."""
    middle, (low, high) = float(curve.quantiles(0.5)[band, 0]), curve.interval[band].tolist()
    return f"{number(middle)} ({number(low)}\u2013{number(high)})"


def _sparse_row(results: Sequence[Result]) -> Iterator[Row]:
    values: dict[str, str] = {}
    for one in of(results, Sparsity):
        low, middle, high = one.quantiles(0.25, 0.5, 0.75).tolist()
        values[one.model] = f"{number(middle, '{:.4g}')} ({number(low, '{:.4g}')}\u2013{number(high, '{:.4g}')})"
    yield "changed pixels, median (quartiles)", values


def _strength_rows(results: Sequence[Result]) -> Iterator[Row]:
    for curve in of(results, StrengthCurve):
        at = len(curve.strengths) // 2
        means = dict(zip(curve.models, curve.mean[:, at].tolist(), strict=True))
        name = f"accuracy under {curve.attack} noise of {float(curve.strengths[at]):g}"
        yield name, {model: share(value) for model, value in means.items()}


def _robust_rows(results: Sequence[Result]) -> Iterator[Row]:
    found: Sequence[RobustAccuracy] = of(results, RobustAccuracy)
    for norm in dict.fromkeys(one.norm for one in found):
        group = [one for one in found if one.norm == norm]
        sizes = _epsilons(group)
        for at in sorted({len(sizes) // 4, len(sizes) // 2, len(sizes) - 1}):
            values = {one.model: share(accuracy_at(one, sizes[at])) for one in group}
            yield f"robust accuracy, {NORM_NAMES[norm]} {shown_epsilon(norm, sizes[at])}", values


def _corruption_row(results: Sequence[Result]) -> Iterator[Row]:
    for table in of(results, CorruptionTable):
        means = table.mce(table.over).mean(1).tolist()
        values = {name: share(mean) for name, mean in zip(table.models, means, strict=True)}
        yield f"mean error under {len(table.over)} corruptions", values


def _audit_row(results: Sequence[Result]) -> Iterator[Row]:
    yield "audit", {audit.model: audit.verdict for audit in of(results, Audit)}


ROWS: tuple[Callable[[Sequence[Result]], Iterator[Row]], ...] = (
    _clean_row,
    _margin_rows,
    _sparse_row,
    _strength_rows,
    _robust_rows,
    _corruption_row,
    _audit_row,
)
"""The rows of the table, in their order."""
