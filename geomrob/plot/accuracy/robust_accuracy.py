"""A picture of robust accuracy: how it falls with the size of the perturbation, and where a reference stands."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter
from matplotlib.transforms import offset_copy

from geomrob.errors import UsageError
from geomrob.plot.style import INK, axes_or_new, data_name, headline, literal, name_curves, style_of, tidy
from geomrob.results import RobustAccuracy
from geomrob.results.accuracy.robust_accuracy import shown_epsilon
from geomrob.results.intervals import wilson_each

SIZES = {
    1.0: "size of the perturbation: $\\ell_1$ norm ([0, 1] pixel units)",
    2.0: "size of the perturbation: $\\ell_2$ norm ([0, 1] pixel units)",
    math.inf: "size of the perturbation: largest change of an element ([0, 1] pixel units)",
}
"""What the axis of each norm is called."""


def plot_robust_accuracy(results: RobustAccuracy | Sequence[RobustAccuracy], *, ax: Axes | None = None) -> Axes:
    """Return axes with the robust accuracy of each model over epsilon, from the clean one at 0, with its intervals.

    Marks stand at the epsilons of the search, crosses at the accuracy under the reference.

    Args:
        results: Of one or several models, in one norm and at the same epsilons.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No result, several norms or other epsilons.
    """
    results = [results] if isinstance(results, RobustAccuracy) else list(results)
    if not results or len({(result.norm, *result.epsilons.tolist()) for result in results}) > 1:
        raise UsageError(
            f"results must share one norm and their epsilons; got {len(results)} that do not: draw them apart"
        )
    ax = axes_or_new(ax)
    first = results[0]
    for index, result in enumerate(results):
        _curve(ax, result, index, len(results))
    tidy(ax)
    ax.set_xlim(-0.03 * float(first.epsilons[-1]), 1.03 * float(first.epsilons[-1]))
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    _ticks(ax, first)
    ax.set_xlabel(SIZES[first.norm])
    ax.set_ylabel("images classified correctly")
    name_curves(ax)
    headline(ax, "How much of its accuracy does each model keep under attack?", _caption(results))
    return ax


def _curve(ax: Axes, result: RobustAccuracy, index: int, count: int) -> None:
    """Draw the accuracy of one model, its intervals a few points to the side of those of the others."""
    style = style_of(index)
    sizes = torch.cat((torch.zeros(1), result.epsilons)).double()
    values = torch.cat((torch.tensor([result.clean], dtype=torch.float64), result.accuracy))
    low, high = wilson_each(values, len(result.labels)).T
    aside = offset_copy(ax.transData, ax.get_figure(root=True), 3.0 * (index - (count - 1) / 2), 0, units="points")
    look: dict[str, Any] = {
        "color": style.colour,
        "marker": style.marker,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }
    ax.plot(sizes, values, linestyle=style.line, linewidth=1.8, label=_name(result), markersize=5.5, **look)
    ax.vlines(sizes, low, high, color=style.colour, linewidth=1.1, alpha=0.55, transform=aside, clip_on=False)
    if result.reference:
        ax.plot(
            result.epsilons,
            result.reference_accuracy,
            marker="x",
            markersize=6,
            color=INK,
            linestyle="none",
            clip_on=False,
            zorder=4,
        )


def _ticks(ax: Axes, result: RobustAccuracy) -> None:
    """Write the epsilons that were asked for below the axis where they do not touch each other."""
    wide = float(result.epsilons[-1])
    shown: list[float] = []
    for epsilon in reversed(result.epsilons.tolist()):
        if not shown or shown[-1] - epsilon > 0.09 * wide:
            shown.append(epsilon)
    ticks = [0.0, *reversed([epsilon for epsilon in shown if epsilon > 0.06 * wide])]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shown_epsilon(result.norm, value) if value else "0"))


def _name(result: RobustAccuracy) -> str:
    """Return the model and what the audit says of it."""
    return f"{literal(result.model)}{f' (audit {result.verdict})' if result.verdict else ''}"


def _caption(results: Sequence[RobustAccuracy]) -> str:
    """Return what was measured, what the marks are, and what was not decided."""
    first = results[0]
    cross = f" Crosses: under {literal(first.reference)}." if first.reference else ""
    undecided = [f"{int(result.undecided.any(0).sum())} of {literal(result.model)}" for result in results]
    undecided = [text for text in undecided if not text.startswith("0 ")]
    left = f" Undecided, counted as not robust: {', '.join(undecided)}." if undecided else ""
    return (
        f"{len(first.labels)} images of {data_name(first.data)}, perturbed inside [0, 1] by the closest of "
        f"{', '.join(first.searches)}: upper bounds. Bars: Wilson's 95 % interval over images.{cross}{left}"
    )
