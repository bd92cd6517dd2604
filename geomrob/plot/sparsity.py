"""A picture of sparsity: how often few pixels suffice, how few, and at what cost, as one option varies."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from geomrob.plot.series import Series, series_of, shared_options, told_options
from geomrob.plot.style import FAINT, blank, figure_headline, plain_numbers, tidy
from geomrob.results import Sparsity

# Size of the marks of a line.
MARKER = 4.5
# More values than this on a logarithmic axis are not all written below it.
TICKS = 9


def plot_sparsity_sweep(points: Sequence[Sparsity], *, parameter: str = "lam", figure: Figure | None = None) -> Figure:
    """Return a figure with fooling rate, changed pixels, steps and evaluations over one option of the attack.

    Points that differ in model, data, method or another option become curves of their own. The thin line in the panel
    of fooling rates is what as many random pixels do, which keep to no radius. Medians count failures as infinitely
    many pixels: where at most half of the images are fooled the line stops, and a triangle stands on the upper edge.
    Steps and evaluations are means over all images, failures included: they cost too.

    Args:
        points: Sparsity for several values of the option, as measured by `sweep`; any order.
        parameter: The option on the horizontal axis; `radius` is drawn in 1/255 on a logarithmic axis, with no radius
            at 255/255 (which limits nothing in [0, 1]).
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: No point, a point without that option, or two of one curve at the same place.

    References:
        Modas, thesis, 2022, Figs. 3.3 (lam) and 3.6 (radius).
    """
    series = series_of(points, parameter)
    figure = blank(9.2, 7.0) if figure is None else figure
    figure_headline(figure, "How few pixels change the decision, and at what cost?", _caption(points, parameter))
    fooled, pixels, steps, evaluations = figure.subplots(2, 2, sharex=True).flat
    _draw_rates(fooled, series)
    _draw_pixels(pixels, series)
    _draw_means(steps, series, lambda point: float(point.attack.steps.double().mean()))
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
        _line(ax, curve, rates, label=curve.name, markersize=MARKER + 2.2 * (len(series) - 1 - index))
    for index, curve in enumerate(series):
        label = "as many random pixels set to 0 or 1, in spite of any radius (thin lines)" if index == 0 else None
        random = curve.each(lambda point: 100 * float(point.random.mean()))
        how = curve.look
        ax.plot(
            curve.at, random, color=how.colour, linestyle=how.line, linewidth=0.8, marker="x", markersize=4, label=label
        )
    ax.set_ylim(-4, 104)


def _draw_pixels(ax: Axes, series: Sequence[Series]) -> None:
    """Draw the median number of changed pixels and the shade from 25 % to 75 %, with per cent on the other side."""
    areas = {point.attack.inputs[0, 0].numel() for curve in series for point in curve.points}
    what = "pixels" if len(areas) == 1 else "percent"
    most = max(areas) if what == "pixels" else 100.0
    quantiles = [np.array([p.quantiles(0.25, 0.5, 0.75, of=what).tolist() for p in curve.points]) for curve in series]
    low, high = _limits(np.concatenate(quantiles), most)
    for curve, values in zip(series, quantiles, strict=True):
        lower, median, upper = np.minimum(values, high).T
        ax.fill_between(curve.at, lower, upper, color=curve.look.colour, alpha=0.16, linewidth=0)
        missing = np.isinf(values[:, 1])
        _line(ax, curve, np.where(missing, np.nan, median).tolist())
        if missing.any():
            at = np.array(curve.at)[missing]
            edge = np.full_like(at, high)
            ax.scatter(at, edge, s=28, marker="^", color=curve.look.colour, clip_on=False, zorder=4)
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
    """Draw one curve in its look."""
    how = curve.look
    ax.plot(
        curve.at,
        values,
        color=how.colour,
        linestyle=how.line,
        linewidth=2,
        marker=how.marker,
        markersize=markersize,
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        label=label,
    )


def _evaluations(point: Sparsity) -> float:
    """Return the mean number of forward and backward evaluations an image."""
    return float((point.attack.forwards + point.attack.backwards).double().mean())


def _limits(values: NDArray[np.float64], most: float) -> tuple[float, float]:
    """Return limits of the logarithmic axis of pixels that hold everything finite."""
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return 1.0, most
    return float(values.min()) / 1.25, float(values.max()) * 1.25


def _parameter_axis(ax: Axes, parameter: str, places: Sequence[float]) -> None:
    """Name the parameter and mark its values."""
    labels = {
        "lam": "λ: how many times further than the boundary to aim",
        "radius": "largest change of an element (1/255; 255 = no limit)",
    }
    ax.set_xlabel(labels.get(parameter, parameter))
    if parameter == "radius":
        ax.set_xscale("log")
        if len(places) <= TICKS:
            ax.set_xticks(places, [f"{place:g}" for place in places])
            ax.set_xticks([], minor=True)
        else:
            plain_numbers(ax.xaxis)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def _caption(points: Sequence[Sparsity], parameter: str) -> str:
    """Return how the picture is to be read."""
    images = " or ".join(str(count) for count in sorted({len(point.labels) for point in points}))
    data = " and ".join(sorted({point.data for point in points}))
    methods = " and ".join(sorted({point.method for point in points}))
    methods += told_options(shared_options(points, parameter))
    lost = any(math.isinf(point.quantiles(0.5).item()) for point in points)
    return (
        f"{methods} on {images} images of {data}. Fooled: the decision is not what it was. Pixels: line = median, "
        f"shade = 25 % to 75 %, an image that is not fooled counts as infinitely many. Few pixels = easy to fool."
        f"{' Triangle on the upper edge: at most half of the images are fooled.' if lost else ''}"
    )
