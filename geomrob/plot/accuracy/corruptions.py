"""Pictures of errors under corruptions: maps of corruption by severity, and what robustness costs in clean errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from geomrob.errors import UsageError, unknown
from geomrob.plot.style import (
    FAINT,
    INK,
    SEQUENTIAL,
    STYLES,
    AnyFigure,
    axes_or_new,
    data_name,
    figure_headline,
    figure_or_new,
    headline,
    headroom,
    literal,
    style_of,
    tidy,
)
from geomrob.results import CorruptionTable
from geomrob.results.accuracy.corruptions import ORIGINS

# Of one cell and of the room next to and above the maps, in inches.
CELL, TALL = 0.52, 0.34
BESIDE, ABOVE = 2.0, 1.0
# Errors above this share of the scale stand on the bright end of the colour map.
BRIGHT = 0.6
# Ends of the scale of errors, in per cent: the first that holds all of them.
TOPS = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0)
# Markers of the first models, of those after all styles have been used once, and so on.
FILLS = ("full", "none", "left")
# The mean over fewer corruptions is no mCE.
BENCHMARK = 15
# At most as many lines of equal R_net on each side of zero.
LEVELS = 4


def plot_corruptions(
    table: CorruptionTable, *, categories: Mapping[str, str] | None = None, figure: AnyFigure | None = None
) -> AnyFigure:
    """Return a figure with the error of each model under each corruption (column) at each severity (row).

    The last column is the mean of all that are shown. Errors are means over the networks of a model.

    Args:
        table: What `corruption_errors` measured.
        categories: Kind of each corruption; it stands above the columns of that kind.
        figure: Where to draw; a new figure by default.

    References:
        Hendrycks and Dietterich, 2019, Table 1.
    """
    count, rows = len(table.models), len(table.severities)
    wide = BESIDE + CELL * (len(table.corruptions) + 1)
    networks = f", mean of {table.errors.shape[1]} networks" if table.errors.shape[1] > 1 else ""
    fitted = "" if table.adapt == "none" else f" Batch-norm statistics fitted to the images ({table.adapt})."
    what = "error" if table.measure == "error" else table.measure
    reading = (
        f"Numbers: {what} in per cent on {table.images} images of {data_name(table.data)}{networks}. Rows: severity. "
        f"Corruptions {_made(table)}.{fitted} The scale of colours ends above the largest error."
    )
    wide = max(wide, 6.0)
    figure = figure_or_new(figure, wide, count * (TALL * rows + 0.35) + ABOVE + headroom(wide, reading))
    figure_headline(figure, "Which corruptions make the model err?", reading)
    panels = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    image = None
    largest = 100 * float(table.errors.mean(1).max())
    top = next((end for end in TOPS if largest <= end), largest)
    for index, (ax, name) in enumerate(zip(panels, map(literal, table.models), strict=True)):
        values = 100 * table.errors[index].mean(0).T.cpu()
        image = _map(ax, torch.cat((values, values.mean(1, keepdim=True)), 1).numpy(), top)
        ax.set_yticks(range(rows), [str(level) for level in table.severities], fontsize=8)
        clean = 100 * float(table.clean[index].mean())
        ax.set_ylabel(f"{name}\nclean {clean:.1f} %", rotation=0, ha="right", va="center", fontsize=8.5, color=INK)
    _names(panels[-1], table)
    _kinds(panels[0], [(categories or {}).get(name, "") for name in table.corruptions])
    assert image is not None
    figure.colorbar(image, ax=panels.tolist(), pad=0.01, fraction=0.03).set_label(f"{what} (%)")
    return figure


def _made(table: CorruptionTable) -> str:
    """Return where the corruptions are from, in words; where both, the columns that are not ours are marked."""
    return ORIGINS.get(table.source, f"{ORIGINS['made']}, those with * {ORIGINS['ready-made']}")


def _map(ax: Axes, values: NDArray[np.floating], top: float) -> Any:
    """Return the image of one model's errors in per cent, with the numbers in its cells; the scale ends at `top`."""
    image = ax.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=top, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = float(values[row, column])
        ink = INK if value > BRIGHT * top else "white"
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color=ink)
    ax.axvline(values.shape[1] - 1.5, color="white", linewidth=3)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def _names(ax: Axes, table: CorruptionTable) -> None:
    """Write the names of the corruptions below the columns."""
    mark = table.source == "mixed"
    names = [
        literal(name.replace("_", " ")) + ("*" if mark and source == "ready-made" else "")
        for name, source in zip(table.corruptions, table.sources, strict=True)
    ]
    ax.set_xticks(range(len(names) + 1), [*names, "mean"], fontsize=8, rotation=40, ha="right", rotation_mode="anchor")


def _kinds(ax: Axes, kinds: list[str]) -> None:
    """Write the kind of neighbouring columns above them, over a line."""
    start = 0
    for end in range(1, len(kinds) + 1):
        if end < len(kinds) and kinds[end] == kinds[start]:
            continue
        if kinds[start]:
            across = ax.get_xaxis_transform()
            ax.plot([start - 0.4, end - 0.6], [1.04, 1.04], color=FAINT, linewidth=0.8, clip_on=False, transform=across)
            words: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8, "color": FAINT}
            ax.text((start + end - 1) / 2, 1.06, literal(kinds[start]), transform=across, **words)
        start = end
    ax.set_xlim(-0.5, len(kinds) + 0.5)


def plot_trade_off(
    table: CorruptionTable,
    baseline: str,
    *,
    names: Sequence[str] | None = None,
    beta: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Return axes with each model at its clean error and mCE, and the lines on which R_net is equal.

    Below the line through the baseline the trade of clean errors for robustness pays (R_net > 0). A second line through
    the baseline is that of beta = 1. Bars are standard errors over networks, where there are several.

    Args:
        table: What `corruption_errors` measured.
        baseline: The model that R_net is relative to.
        names: The corruptions that mCE is the mean over; by default all of the table.
        beta: Of R_net; None is mCE_0 / E_0.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No such baseline, or one that makes no error.

    References:
        PushPull-Net, section 5.2, Fig. 8.
    """
    if baseline not in table.models:
        raise unknown("baseline", baseline, table.models)
    over = table.corruptions if names is None else tuple(names)
    clean, mce = 100 * table.clean.cpu(), 100 * table.mce(over).cpu()
    row = table.models.index(baseline)
    base, base_mce = float(clean[row].mean()), float(mce[row].mean())
    if not base or not base_mce:
        raise UsageError(f"baseline must make errors; got none by {baseline}: measure more images")
    weight = base_mce / base if beta is None else beta
    ax = axes_or_new(ax, 7.0, 5.2)
    for index, name in enumerate(map(literal, table.models)):
        style, (x, dx), (y, dy) = style_of(index), _spread(clean[index]), _spread(mce[index])
        filled: dict[str, Any] = {"markersize": 8, "fillstyle": FILLS[index // len(STYLES) % len(FILLS)]}
        ax.errorbar(x, y, xerr=dx, yerr=dy, fmt=style.marker, color=style.colour, label=name, zorder=3, **filled)
    ax.margins(0.15)
    _lines(ax, base, base_mce, weight)
    ax.set_xlabel("clean error (%)")
    what = "mean corruption error, mCE (%)" if len(over) == BENCHMARK else "mean corruption error (%)"
    ax.set_ylabel(f"{what}, of {len(over)} corruptions")
    tidy(ax)
    ax.grid(visible=False)
    chosen = Line2D([], [], color=INK, linewidth=1.4)
    equal = Line2D([], [], color=INK, linewidth=1.4, linestyle=":")
    handles, labels = ax.get_legend_handles_labels()
    labels += [f"$R_{{net}}$ = 0, $\\beta$ = {weight:.2f}", "$R_{net}$ = 0, $\\beta$ = 1"]
    # Outside: no corner of this plane is free, and what is covered would be a line of equal value.
    ax.legend([*handles, chosen, equal], labels, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    headline(
        ax,
        "Does robustness pay for the clean errors that it costs?",
        f"{table.images} images of {data_name(table.data)}, corruptions {_made(table)}. Lower left is better. Along a "
        f"grey line the net reduction of errors against {literal(baseline)}, R_net, is equal; below the black lines "
        "it is above 0.",
    )
    return ax


def _spread(values: torch.Tensor) -> tuple[float, float | None]:
    """Return mean and standard error over networks, none of one network."""
    count = len(values)
    return float(values.mean()), None if count == 1 else float(values.std()) / count**0.5


def _lines(ax: Axes, base: float, base_mce: float, beta: float) -> None:
    """Draw lines of equal R_net across the axes as they are, those through the baseline in black."""
    across, up = ax.get_xlim(), ax.get_ylim()
    x, y = np.linspace(*across, 50), np.linspace(*up, 50)
    gained, robust = (base - x) / base, (base_mce - y) / base_mce
    net = (gained + beta * robust[:, None]) / 2
    lines: dict[str, Any] = {"zorder": 1}
    reach = max(float(np.abs(net).max()), 1e-9)
    step = 10 ** np.floor(np.log10(reach / LEVELS))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * LEVELS >= reach)
    levels = [level * step for level in range(-LEVELS, LEVELS + 1) if level]
    drawn = ax.contour(x, y, net, levels=levels, colors="#b5b5b5", linewidths=0.8, linestyles="-", **lines)
    # In the middle of each line: matplotlib's own choice may run over the frame.
    lines_drawn = [np.asarray(path.vertices) for path in drawn.get_paths()]
    middles: list[Any] = [tuple(points[len(points) // 2]) for points in lines_drawn if len(points) > 4]
    ax.clabel(drawn, fmt=lambda value: f"{value:+.3g}", fontsize=7, colors=FAINT, manual=middles)
    ax.contour(x, y, net, levels=[0.0], colors=INK, linewidths=1.4, **lines)
    ax.contour(x, y, gained + robust[:, None], levels=[0.0], colors=INK, linewidths=1.4, linestyles=":", **lines)
    ax.set_xlim(*across)
    ax.set_ylim(*up)
