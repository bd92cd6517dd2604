"""A forest plot of a comparison: estimate and interval of every band, norm, size, corruption or strength."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from geomrob.errors import unknown
from geomrob.plot.style import FAINT, axes_or_new, data_name, headline, literal, plain_numbers, style_of, tidy
from geomrob.results import Comparison

FEW = 8.0
"""Ratio of the ends of an axis below which 1, 2, 5 are too few ticks."""

SPREAD = 0.5
"""Share of a row over which the models are spread."""


def plot_comparison(comparison: Comparison, *, group: str = "all", ax: Axes | None = None) -> Axes:
    """Return axes with the estimate and interval of each row as a mark and a line, against the line of no difference.

    A mark is filled where a difference is seen after Holm's correction. An interval that has no end stops at the edge
    with an arrowhead; where there is no estimate, since neither median is finite, the row says so.

    Args:
        comparison: What `compare` returned.
        group: `all`, or a class of a comparison by class.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No such group.
    """
    if group not in comparison.groups:
        raise unknown("group", group, comparison.groups)
    k, count, distance = comparison.groups.index(group), len(comparison.rows), comparison.measure == "distance"
    ax = axes_or_new(ax, 7.0, 1.9 + 0.26 * count)
    estimates = comparison.ratio[:, k] if distance else 100 * comparison.difference[:, k]
    low, high = _limits(estimates, none := 1.0 if distance else 0.0)
    ax.axvline(none, color=FAINT, linewidth=1.0)
    if distance:
        ax.set_xscale("log")
        plain_numbers(ax.xaxis)
        if high / low < FEW:
            ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.set_xlim(low, high)
    others = len(comparison.models) - 1
    for c, rows in enumerate(estimates.tolist()):
        shift = SPREAD * ((c + 0.5) / others - 0.5)
        for r, estimate in enumerate(rows):
            _mark(ax, estimate, r + shift, c, (low, high), filled=bool(comparison.seen[c, k, r]))
        name = f"{literal(comparison.models[c + 1])} against {literal(comparison.models[0])}"
        style = style_of(c)
        ax.plot([], [], color=style.colour, marker=style.marker, linestyle="-", label=name)
    ax.set_yticks(range(count), [_label(comparison, row) for row in range(count)])
    ax.set_ylim(count - 0.5, -0.5)
    if 0 < comparison.pooled < count:
        ax.axhline(comparison.pooled - 0.5, color=FAINT, linewidth=0.8, linestyle=":")
    ax.set_ylabel(comparison.row)
    first = literal(comparison.models[0])
    ax.set_xlabel(
        f"ratio of medians to\n{first} (no unit)" if distance else f"accuracy minus {first}'s\n(percentage points)"
    )
    tidy(ax)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=8.5)
    whose = "" if group == "all" else f" of class {literal(group)}"
    lines = (
        f"Lines: {comparison.level:.0%} intervals over images."
        if bool(torch.isfinite(estimates[..., 1:]).any())
        else "Too few images for intervals."
    )
    headline(
        ax,
        f"Where is the {comparison.quantity} of another model {'farther' if distance else 'higher'}?",
        f"{int(comparison.images[k])} images{whose} of {data_name(comparison.data)}, paired; "
        f"{literal(comparison.how)}. {lines} Filled: a difference is seen "
        f"({comparison.test}, Holm over {comparison.p.numel()} tests).",
        width=84,
    )
    return ax


def _limits(estimates: torch.Tensor, none: float) -> tuple[float, float]:
    """Return the ends of the axis: all finite ends of intervals, and the value of no difference."""
    known = estimates[torch.isfinite(estimates) & ((estimates > 0) | (none == 0))]
    values = torch.cat((known.flatten(), torch.tensor([none], dtype=estimates.dtype)))
    low, high = float(values.min()), float(values.max())
    if none:
        room = max(high / low, 1.2) ** 0.06
        return low / room, high * room
    room = max(0.06 * (high - low), 0.5)
    return low - room, high + room


def _mark(ax: Axes, estimate: list[float], at: float, index: int, limits: tuple[float, float], *, filled: bool) -> None:
    """Draw one estimate with its interval, arrowheads where an end is beyond the axis."""
    value, start, stop = estimate
    style, (low, high) = style_of(index), limits
    if math.isnan(value):
        across = blended_transform_factory(ax.transAxes, ax.transData)
        note = "no finite median" if not math.isnan(start) else "unknown"
        ax.text(0.99, at, note, transform=across, ha="right", va="center", fontsize=7.5, color=style.colour)
        return
    if not math.isnan(start):
        ax.plot([max(start, low), min(stop, high)], [at, at], color=style.colour, linewidth=1.4)
        for end, edge, arrow in ((start, low, "<"), (stop, high, ">")):
            if end < low or end > high:
                ax.plot([edge], [at], marker=arrow, color=style.colour, markersize=6, clip_on=False)
    shown = min(max(value, low), high)
    ax.plot(
        [shown],
        [at],
        marker=style.marker,
        color=style.colour,
        markerfacecolor=style.colour if filled else "white",
        markersize=5.5,
        zorder=3,
    )


def _label(comparison: Comparison, row: int) -> str:
    """Return what a row is called, a single band with its frequency."""
    name, frequency = comparison.rows[row].replace("_", " "), float(comparison.frequency[row])
    if row < comparison.pooled or math.isnan(frequency):
        return literal(name.replace(" (", "\n(") if row < comparison.pooled else name)
    return literal(f"{name} ({frequency:.3g} cycles/image)")
