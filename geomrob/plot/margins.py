"""Pictures of margins: how far the decision boundary is, band by band, as curves or as a map of all frequencies."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import (
    FAINT,
    SEQUENTIAL,
    Style,
    axes_or_new,
    blank,
    data_name,
    headline,
    literal,
    name_curves,
    plain_numbers,
    style_of,
    tidy,
)
from geomrob.results import MarginCurve

# The points of a band are spread over this share of the distance to the next band, so as not to hide each other.
SPREAD = 0.55
# Successive multiples of the golden ratio, modulo one, are as even as a random draw is not.
GOLDEN = (math.sqrt(5) - 1) / 2
# Points so many times below every shade stand on the lower edge: one outlier must not set the axis.
FAR = 3.0


def plot_margins(
    curves: MarginCurve | Sequence[MarginCurve],
    *,
    ax: Axes | None = None,
    scale: Literal["linear", "log"] = "log",
    points: bool = True,
) -> Axes:
    """Return axes with the margins of each curve over frequency: median line, 5-95 % band, one point per image.

    Images for which no boundary was found stand as triangles on the upper edge, and the legend counts them. Where a
    quantile falls among them it is infinite: the line stops and the shade reaches the upper edge.

    Args:
        curves: One or several, of the same norm; their models, methods and bases may differ.
        ax: Where to draw; a new figure by default.
        scale: Of the margin axis.
        points: Draw every image, not only the distribution.

    Raises:
        UsageError: No curve, curves of different norms, or no boundary found at all.
    """
    curves = [curves] if isinstance(curves, MarginCurve) else list(curves)
    _check(curves)
    ax = axes_or_new(ax)
    ax.set_yscale(scale)
    low, high = _limits(curves, scale, points=points)
    ax.set_ylim(low, high)
    positions, label = _positions(curves)
    below = 0
    for index, (curve, name) in enumerate(zip(curves, _names(curves), strict=True)):
        order = positions[index].argsort(stable=True)
        position, distances = positions[index][order], curve.distances[order].cpu()
        _draw_distribution(ax, curve, position, order, style_of(index), name, high, shaded=len(curves) == 1)
        _draw_missing(ax, position, distances, style_of(index), high)
        below += _draw_below(ax, position, distances, style_of(index), low) if points else 0
        if points:
            _draw_points(ax, position, distances, style_of(index), (index, len(curves)))
    tidy(ax)
    if scale == "log":
        plain_numbers(ax.yaxis)
    ax.set_xlabel(label)
    ax.set_ylabel(f"margin: {norm_name(curves[0].norm)} distance to the\ndecision boundary ([0, 1] pixel units)")
    name_curves(ax)
    headline(ax, "How far must an image move to change the decision?", _caption(curves, points=points, below=below))
    return ax


def plot_margin_map(curve: MarginCurve, *, ax: Axes | None = None) -> Axes:
    """Return axes with the median margin of every block of a `grid`, over vertical and horizontal frequency.

    A block whose median image did not reach the boundary is left empty and crossed out.

    Raises:
        UsageError: The bands of `curve` are no full grid.
    """
    if curve.band_kind != "grid":
        raise UsageError(f"curve must have the bands of a grid; got {curve.band_kind}: measure with bands='grid'")
    axes = curve.frequencies.cpu()
    indexed = bool(axes.isnan().any())
    rows = math.isqrt(len(curve.bands)) if indexed else len(axes[:, 0].unique())
    axes = axes.reshape(rows, -1, 2)
    ax = axes_or_new(ax, 6.2, 5.6)
    medians = curve.quantiles(0.5)[:, 0].cpu().reshape(rows, -1)
    shown = torch.where(torch.isfinite(medians), medians, torch.nan)
    image = ax.imshow(shown.numpy(), cmap=SEQUENTIAL, origin="upper")
    _write_values(ax, medians)
    unit = "block of the basis" if indexed else "cycles per image"
    ax.set_xticks(range(axes.shape[1]), _ticks(axes[0, :, 1]))
    ax.set_yticks(range(rows), _ticks(axes[:, 0, 0]))
    ax.set_xlabel(f"horizontal frequency ({unit})")
    ax.set_ylabel(f"vertical frequency ({unit})")
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.85)
    bar.set_label(f"median margin: {norm_name(curve.norm)} distance ([0, 1] pixel units)")
    headline(
        ax,
        "How far is the decision boundary at each frequency?",
        f"{literal(curve.model)} on {data_name(curve.data)}: median of {curve.distances.shape[1]} images, each moved "
        f"only along the {literal(curve.basis)} patterns of one block. Dark = a small change there is enough to change "
        "the decision.",
        width=92,
    )
    return ax


def norm_name(norm: float) -> str:
    """Return how a norm is written on an axis."""
    return "$\\ell_\\infty$" if math.isinf(norm) else f"$\\ell_{norm:g}$"


def margin_figure(curves: Sequence[MarginCurve]) -> Figure:
    """Return the picture of the margins: a map for each model where the bands are a grid, else curves."""
    if curves[0].band_kind != "grid":
        figure = blank()
        plot_margins(curves, ax=figure.add_subplot())
        return figure
    figure = blank(6.2 * len(curves), 5.6)
    for curve, ax in zip(curves, figure.subplots(1, len(curves), squeeze=False)[0], strict=True):
        plot_margin_map(curve, ax=ax)
    return figure


def _check(curves: Sequence[MarginCurve]) -> None:
    if not curves:
        raise UsageError("curves must hold at least one curve; got none: measure one with margin_curve")
    norms = sorted({curve.norm for curve in curves})
    if len(norms) > 1:
        raise UsageError(f"curves must have one norm to share an axis; got {norms}: draw them apart")
    if not any(bool(torch.isfinite(curve.distances).any()) for curve in curves):
        raise UsageError("curves must hold a finite distance; got none: no boundary was found, see their status")


def _names(curves: Sequence[MarginCurve]) -> list[str]:
    """Return what distinguishes the curves, and each one's clean accuracy."""
    facts = [(curve.model, curve.data, f"{curve.basis} basis", curve.attack, curve.band_kind) for curve in curves]
    varies = [index == 0 or len(set(column)) > 1 for index, column in enumerate(zip(*facts, strict=True))]
    names = [", ".join(word for word, shown in zip(words, varies, strict=True) if shown) for words in facts]
    return [f"{literal(name)} ({curve.accuracy:.1%} correct)" for name, curve in zip(names, curves, strict=True)]


def _positions(curves: Sequence[MarginCurve]) -> tuple[list[Tensor], str]:
    """Return where the bands of each curve stand, and what that axis is called.

    A basis without frequencies stands where the bands of the same names of another curve do; alone, at their index.
    """
    known = [curve for curve in curves if not bool(curve.frequency.isnan().any())]
    position = {name: float(at) for curve in known for name, at in zip(curve.bands, curve.frequency, strict=True)}
    label = "frequency of the band (cycles per image)"
    if len(known) == len(curves):
        return [curve.frequency.double().cpu() for curve in curves], label
    if not all(name in position for curve in curves for name in curve.bands):
        return [torch.arange(len(curve.bands), dtype=torch.float64) for curve in curves], "band of the basis"
    without = ", ".join(sorted({curve.basis for curve in curves if bool(curve.frequency.isnan().any())}))
    at = [torch.tensor([position[name] for name in curve.bands], dtype=torch.float64) for curve in curves]
    return at, f"{label}\n({literal(without)} basis: band at the same position in the basis)"


def _limits(curves: Sequence[MarginCurve], scale: str, *, points: bool) -> tuple[float, float]:
    """Return limits of the margin axis that hold every shade and point, but few that lie far below all shades."""
    shades = torch.cat([curve.quantiles(0.05, 0.5, 0.95).double().flatten() for curve in curves])
    single = torch.cat([curve.distances.double().flatten() for curve in curves]) if points else shades
    values = single[torch.isfinite(single)]
    if not len(values):
        values = torch.cat([curve.distances[torch.isfinite(curve.distances)].double() for curve in curves])
    high = float(values.max())
    if scale == "linear":
        return 0.0, high * 1.08
    positive, shaded = values[values > 0], shades[torch.isfinite(shades) & (shades > 0)]
    low = float(positive.min()) if len(positive) else high
    if len(shaded):
        low = max(low, float(shaded.min()) / FAR)
    return low / 1.15, high * 1.25


def _draw_distribution(
    ax: Axes,
    curve: MarginCurve,
    position: Tensor,
    order: Tensor,
    style: Style,
    name: str,
    high: float,
    *,
    shaded: bool,
) -> None:
    """Draw the median line, and from 5 % to 95 % a shade, or its two edges where shades would mix."""
    quantiles = curve.quantiles(0.05, 0.5, 0.95).cpu()[order]
    lower, median, upper = quantiles.unbind(1)
    missing = int((~torch.isfinite(curve.distances)).sum())
    if missing:
        name = f"{name}; {missing} of {curve.distances.numel()} margins not found"
    if shaded:
        edges = lower.clamp(max=high), upper.clamp(max=high)
        ax.fill_between(position, *edges, color=style.colour, alpha=0.16, linewidth=0)
    else:
        for edge in (lower, upper):
            ax.plot(position, edge.clamp(max=high), color=style.colour, linestyle=style.line, linewidth=0.7, alpha=0.8)
    shown = torch.where(torch.isfinite(median), median, torch.nan)
    ax.plot(
        position,
        shown,
        color=style.colour,
        linestyle=style.line,
        linewidth=2,
        marker=style.marker,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        label=name,
    )


def _draw_points(ax: Axes, position: Tensor, distances: Tensor, style: Style, share: tuple[int, int]) -> None:
    """Draw one point per image and band, spread sideways by a fixed rule; several curves stand side by side."""
    index, count = share
    gaps = position.unique().diff()
    width = SPREAD * (float(gaps.min()) if len(gaps) else 1.0) / count
    spread = (torch.arange(1, distances.shape[1] + 1, dtype=torch.float64) * GOLDEN) % 1 - 0.5
    x = position.unsqueeze(1) + width * (spread + index - (count - 1) / 2)
    finite = torch.isfinite(distances)
    ax.scatter(x[finite], distances[finite], s=3, color=style.colour, alpha=0.35, linewidths=0, zorder=2)


def _draw_missing(ax: Axes, position: Tensor, distances: Tensor, style: Style, high: float) -> None:
    """Draw a triangle on the upper edge for every band in which some image has no margin."""
    missing = (~torch.isfinite(distances)).any(1)
    if bool(missing.any()):
        at = position[missing]
        edge = torch.full_like(at, high)
        ax.scatter(at, edge, s=28, marker="^", color=style.colour, clip_on=False, zorder=4)


def _draw_below(ax: Axes, position: Tensor, distances: Tensor, style: Style, low: float) -> int:
    """Draw a triangle on the lower edge where images have smaller margins; return how many there are."""
    under = distances < low
    at = position[under.any(1)]
    ax.scatter(at, torch.full_like(at, low), s=20, marker="v", color=style.colour, clip_on=False, zorder=4)
    return int(under.sum())


def _caption(curves: Sequence[MarginCurve], *, points: bool, below: int) -> str:
    """Return how the picture is to be read."""
    images = " or ".join(str(count) for count in sorted({curve.distances.shape[1] for curve in curves}))
    data = " and ".join(sorted({data_name(curve.data) for curve in curves}))
    dot = "Dot: one image. " if points else ""
    spread = "Shade" if len(curves) == 1 else "Thin lines"
    under = f" Triangles at the foot: {below} margins below the axis." if below else ""
    low = "" if bool(curves[0].frequency.isnan().any()) else " (left: coarse, right: fine)"
    return (
        f"{images} images of {data}, each changed only along the patterns of one band{low}. "
        f"{dot}Line: median. {spread}: 5 % to 95 %. Low: a small change is enough.{under}"
    )


def _write_values(ax: Axes, medians: Tensor) -> None:
    """Write each block's number into it, in white or black, and cross out what is infinite."""
    finite = medians[torch.isfinite(medians)]
    middle = float(finite.min() + finite.max()) / 2 if len(finite) else 0.0
    size = 8 if medians.shape[1] <= 8 else 6
    for row, values in enumerate(medians.tolist()):
        for column, value in enumerate(values):
            if math.isinf(value):
                ax.plot(column, row, marker="x", color=FAINT)
            else:
                colour = "white" if value < middle else "black"
                ax.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=size, color=colour)


def _ticks(frequencies: Tensor) -> list[str]:
    """Return tick labels: frequencies, or indices where there are none."""
    return [f"{index}" if math.isnan(value) else f"{value:.3g}" for index, value in enumerate(frequencies.tolist())]
