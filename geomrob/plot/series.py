"""Curves of sparsity: which points belong together, and what tells one curve from another."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from geomrob.arrays import UsageError
from geomrob.plot.style import Look, look
from geomrob.results import Sparsity


@dataclass(frozen=True)
class Series:
    """The points of one model, data set, method and other options, in the order of the parameter."""

    name: str
    look: Look
    at: list[float]
    points: list[Sparsity]

    def each(self, number: Callable[[Sparsity], float]) -> list[float]:
        """Return a number of each point."""
        return [number(point) for point in self.points]


def option_words(name: str, value: float) -> str:
    """Return an option of an attack in words.

    Example:
        >>> option_words("radius", 10 / 255), option_words("prune", 1.0)
        ('radius 10/255', 'pruned')
    """
    if name == "prune":
        return "pruned" if value else "not pruned"
    if name == "radius":
        return "no radius" if math.isinf(value) else f"radius {round(255 * value, 2):g}/255"
    return f"λ = {value:g}" if name == "lam" else f"{name} {value:g}"


def told_options(options: Mapping[str, float]) -> str:
    """Return in brackets those options of an attack that a reader must know and that limit or change something.

    Example:
        >>> told_options({"lam": 3.0, "radius": math.inf, "prune": 1.0, "candidates": 10.0})
        ' (λ = 3, pruned)'
    """
    known = [(name, options.get(name, 0.0)) for name in ("lam", "radius", "prune")]
    told = [option_words(name, value) for name, value in known if value != 0 and math.isfinite(value)]
    return f" ({', '.join(told)})" if told else ""


def shared_options(points: Sequence[Sparsity], parameter: str) -> dict[str, float]:
    """Return the options, other than the parameter, that all points have alike."""
    return {
        name: value
        for name, value in points[0].options.items()
        if name != parameter and all(point.options.get(name) == value for point in points)
    }


def series_of(points: Sequence[Sparsity], parameter: str) -> list[Series]:
    """Return the points in groups that differ in nothing but the parameter."""
    if not points:
        raise UsageError("points must hold at least one Sparsity; got none: measure some with sweep")
    for point in points:
        if parameter not in point.options:
            known = ", ".join(point.options) or "none"
            raise UsageError(f"parameter must be an option of {point.method}; got {parameter!r}: it has {known}")
    groups: dict[tuple[object, ...], list[Sparsity]] = {}
    for point in points:
        rest = tuple(sorted((name, value) for name, value in point.options.items() if name != parameter))
        groups.setdefault((point.model, point.data, point.method, rest), []).append(point)
    curves = [sorted(group, key=lambda point: _place(point, parameter)) for group in groups.values()]
    names = _names([curve[0] for curve in curves], parameter)
    series = [
        Series(name, look(index), [_place(point, parameter) for point in curve], curve)
        for index, (name, curve) in enumerate(zip(names, curves, strict=True))
    ]
    for curve in series:
        twice = [at for at, following in zip(curve.at, curve.at[1:], strict=False) if at == following]
        if twice:
            raise UsageError(
                f"points must differ in {parameter}; got two of {curve.name} at {twice[0]:g}: draw them apart"
            )
    return series


def _place(point: Sparsity, parameter: str) -> float:
    """Return where a point stands on the horizontal axis."""
    value = point.options[parameter]
    return round(255 * min(value, 1.0), 6) if parameter == "radius" else value


def _names(points: Sequence[Sparsity], parameter: str) -> list[str]:
    """Return what tells the curves apart, and each one's clean accuracy."""
    options = list(dict.fromkeys(name for point in points for name in point.options if name != parameter))
    told = [
        (
            point.model,
            point.data,
            point.method,
            *(option_words(name, point.options[name]) if name in point.options else "" for name in options),
        )
        for point in points
    ]
    varies = [index == 0 or len(set(column)) > 1 for index, column in enumerate(zip(*told, strict=True))]
    return [
        f"{', '.join(word for word, shown in zip(words, varies, strict=True) if shown and word)} "
        f"({point.accuracy:.1%} correct)"
        for words, point in zip(told, points, strict=True)
    ]
