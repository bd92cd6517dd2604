"""A picture of sparsity: how often few pixels suffice, how few, and at what cost, as one option varies."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from geomrob.errors import UsageError
from geomrob.plot.style import (
    FAINT,
    AnyFigure,
    Style,
    data_name,
    figure_headline,
    figure_or_new,
    literal,
    plain_numbers,
    style_of,
    tidy,
)
from geomrob.results import Sparsity


@dataclass(frozen=True)
class Series:
    """The points of one model, data set, attack and other options, in the order of the parameter."""

    name: str
    style: Style
    at: list[float]
    points: list[Sparsity]

    def each(self, number: Callable[[Sparsity], float]) -> list[float]:
        """Return a number of each point."""
        return [number(point) for point in self.points]


def option_words(name: str, value: float | str) -> str:
    """Return an option of an attack in words.

    Example:
        >>> option_words("radius", 10 / 255), option_words("prune", 1.0)
        ('radius 10/255', 'pruned')
    """
    if isinstance(value, str):
        return f"few {value}"
    if name == "prune":
        return "pruned" if value else "not pruned"
    if name == "radius":
        return "no radius" if math.isinf(value) else f"radius {round(255 * value, 2):g}/255"
    return f"λ = {value:g}" if name == "lam" else f"{name} {value:g}"


def option_note(options: Mapping[str, float | str]) -> str:
    """Return in brackets those options of an attack that a reader needs and that limit or change something.

    Example:
        >>> option_note({"lam": 3.0, "radius": math.inf, "prune": 1.0, "count": "elements", "candidates": 10.0})
        ' (λ = 3, pruned, few elements)'
    """
    known = [(name, options.get(name, 0.0)) for name in ("lam", "radius", "prune", "count")]
    words = [option_words(name, value) for name, value in known if value not in (0, math.inf, "pixels")]
    return f" ({', '.join(words)})" if words else ""


def shared_options(points: Sequence[Sparsity], parameter: str) -> dict[str, float | str]:
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
            raise UsageError(f"parameter must be an option of {point.attack}; got {parameter!r}: it has {known}")
    groups: dict[tuple[object, ...], list[Sparsity]] = {}
    for point in points:
        rest = tuple(sorted((name, value) for name, value in point.options.items() if name != parameter))
        groups.setdefault((point.model, point.data, point.attack, rest), []).append(point)
    curves = [sorted(group, key=lambda point: _place(point, parameter)) for group in groups.values()]
    names = _names([curve[0] for curve in curves], parameter)
    series = [
        Series(name, style_of(index), [_place(point, parameter) for point in curve], curve)
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
    if isinstance(value, str):
        raise UsageError(f"parameter must be an option with numbers; got {parameter}: compare its values in a table")
    return round(255 * min(value, 1.0), 6) if parameter == "radius" else value


def _names(points: Sequence[Sparsity], parameter: str) -> list[str]:
    """Return what distinguishes the curves, and each one's clean accuracy."""
    options = list(dict.fromkeys(name for point in points for name in point.options if name != parameter))
    facts = [
        (
            point.model,
            point.data,
            point.attack,
            *(option_words(name, point.options[name]) if name in point.options else "" for name in options),
        )
        for point in points
    ]
    varies = [index == 0 or len(set(column)) > 1 for index, column in enumerate(zip(*facts, strict=True))]
    return [
        f"{', '.join(word for word, shown in zip(words, varies, strict=True) if shown and word)} "
        f"({point.accuracy:.1%} correct)"
        for words, point in zip(facts, points, strict=True)
    ]


# Size of the marks of a line.
MARKER = 4.5
# More values than this on a logarithmic axis are not all written below it.
TICKS = 9


def plot_sparsity_sweep(
    points: Sequence[Sparsity], *, parameter: str = "lam", figure: AnyFigure | None = None
) -> AnyFigure:
    """Return a figure with fooling rate, changed pixels, steps and evaluations over one option of the attack.

    Points that differ in model, data, attack or another option become curves of their own. The thin line in the panel
    of fooling rates is what as many random pixels do, which keep to no radius. Medians count failures as infinitely
    many pixels: where at most half of the images are fooled the line stops, and a triangle stands on the upper edge.
    Steps and evaluations are means over all images, failures included: they cost too.

    Args:
        points: Sparsity for several values of the option, as measured by `sparsity_sweep`; any order.
        parameter: The option on the horizontal axis; `radius` is drawn in 1/255 on a logarithmic axis, with no radius
            at 255/255 (which limits nothing in [0, 1]).
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: No point, a point without that option, or two of one curve at the same position.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Figs. 3.3 (lam) and 3.6 (radius).
    """
    series = series_of(points, parameter)
    figure = figure_or_new(figure, 9.2, 7.0)
    figure_headline(figure, "How few pixels change the decision, and at what cost?", _caption(points, parameter))
    fooled, pixels, steps, evaluations = figure.subplots(2, 2, sharex=True).flat
    _draw_rates(fooled, series)
    _draw_pixels(pixels, series)
    _draw_means(steps, series, lambda point: float(point.result.steps.double().mean()))
    _draw_means(evaluations, series, _evaluations)
    fooled.set_ylabel("fooled images (%)")
    steps.set_ylabel("steps per image (mean)")
    evaluations.set_ylabel("forward + backward evaluations\nper image (mean)")
    for ax in (fooled, pixels, steps, evaluations):
        tidy(ax)
    for ax in (steps, evaluations):
        _parameter_axis(ax, parameter, sorted({at for curve in series for at in curve.at}))
    handles, names = fooled.get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8.5, frameon=False)
    for handle in legend.legend_handles:
        assert isinstance(handle, Line2D)
        handle.set_markersize(MARKER)
    return figure


def _draw_rates(ax: Axes, series: Sequence[Series]) -> None:
    """Draw the fooling rates, those that lie below others with larger marks, and those of random pixels."""
    for index, curve in enumerate(series):
        rates = curve.each(lambda point: 100 * point.fooling_rate)
        _line(ax, curve, rates, label=literal(curve.name), markersize=MARKER + 2.2 * (len(series) - 1 - index))
    for index, curve in enumerate(series):
        label = "as many random pixels set to 0 or 1, in spite of any radius (thin lines)" if index == 0 else None
        random = curve.each(lambda point: 100 * float(point.random.mean()))
        style = curve.style
        ax.plot(
            curve.at,
            random,
            color=style.colour,
            linestyle=style.line,
            linewidth=0.8,
            marker="x",
            markersize=4,
            label=label,
        )
    ax.set_ylim(-4, 104)


def _draw_pixels(ax: Axes, series: Sequence[Series]) -> None:
    """Draw the median number of changed pixels and the shade from 25 % to 75 %, with per cent on the other side."""
    areas = {point.result.inputs[0, 0].numel() for curve in series for point in curve.points}
    what = "pixels" if len(areas) == 1 else "percent"
    most = max(areas) if what == "pixels" else 100.0
    quantiles = [np.array([p.quantiles(0.25, 0.5, 0.75, of=what).tolist() for p in curve.points]) for curve in series]
    low, high = _limits(np.concatenate(quantiles), most)
    for curve, values in zip(series, quantiles, strict=True):
        lower, median, upper = np.minimum(values, high).T
        ax.fill_between(curve.at, lower, upper, color=curve.style.colour, alpha=0.16, linewidth=0)
        missing = np.isinf(values[:, 1])
        _line(ax, curve, np.where(missing, np.nan, median).tolist())
        if missing.any():
            at = np.array(curve.at)[missing]
            edge = np.full_like(at, high)
            ax.scatter(at, edge, s=28, marker="^", color=curve.style.colour, clip_on=False, zorder=4)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    plain_numbers(ax.yaxis)
    if what == "percent":
        ax.set_ylabel("changed pixels (% of the image)")
        return
    ax.set_ylabel("changed pixels (median, 25-75 %)")
    second = ax.secondary_yaxis("right", functions=(_times(100 / most), _times(most / 100)))
    plain_numbers(second.yaxis)
    second.set_ylabel("% of the image")
    second.tick_params(colors=FAINT, labelsize=9)


def _times(factor: float) -> Callable[[ArrayLike], ArrayLike]:
    """Return the function that multiplies by a factor."""
    return lambda values: np.asarray(values) * factor


def _draw_means(ax: Axes, series: Sequence[Series], number: Callable[[Sparsity], float]) -> None:
    """Draw one number a point on an axis that starts at 0."""
    for curve in series:
        _line(ax, curve, curve.each(number))
    ax.set_ylim(bottom=0)


def _line(
    ax: Axes, curve: Series, values: list[float], *, label: str | None = None, markersize: float = MARKER
) -> None:
    """Draw one curve in its style."""
    style = curve.style
    ax.plot(
        curve.at,
        values,
        color=style.colour,
        linestyle=style.line,
        linewidth=2,
        marker=style.marker,
        markersize=markersize,
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        label=label,
    )


def _evaluations(point: Sparsity) -> float:
    """Return the mean number of forward and backward evaluations an image."""
    return float((point.result.forwards + point.result.backwards).double().mean())


def _limits(values: NDArray[np.float64], most: float) -> tuple[float, float]:
    """Return limits of the logarithmic axis of pixels that hold everything finite."""
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return 1.0, most
    return float(values.min()) / 1.25, float(values.max()) * 1.25


def _parameter_axis(ax: Axes, parameter: str, positions: Sequence[float]) -> None:
    """Name the parameter and mark its values."""
    labels = {
        "lam": "λ: how many times further than the boundary to aim",
        "radius": "largest change of an element (1/255; 255 = no limit)",
    }
    ax.set_xlabel(labels.get(parameter, parameter))
    if parameter == "radius":
        ax.set_xscale("log")
        if len(positions) <= TICKS:
            ax.set_xticks(positions, [f"{position:g}" for position in positions])
            ax.set_xticks([], minor=True)
        else:
            plain_numbers(ax.xaxis)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def _caption(points: Sequence[Sparsity], parameter: str) -> str:
    """Return how the picture is to be read."""
    images = " or ".join(str(count) for count in sorted({len(point.labels) for point in points}))
    data = " and ".join(sorted({data_name(point.data) for point in points}))
    attacks = literal(" and ".join(sorted({point.attack for point in points})))
    attacks += option_note(shared_options(points, parameter))
    lost = any(math.isinf(point.quantiles(0.5).item()) for point in points)
    return (
        f"{attacks} on {images} images of {data}. Fooled: the decision is not what it was. Pixels: line = median, "
        f"shade = 25 % to 75 %, an image that is not fooled counts as infinitely many. Few pixels = easy to fool."
        f"{' Triangle on the upper edge: at most half of the images are fooled.' if lost else ''}"
    )
