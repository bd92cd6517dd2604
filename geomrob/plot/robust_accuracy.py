"""A picture of robust accuracy: how it falls with the size of the perturbation, and where a reference stands."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from geomrob.errors import UsageError
from geomrob.plot.style import INK, axes_or_new, headline, literal, name_curves, style_of, tidy
from geomrob.results import RobustAccuracy
from geomrob.results.robust_accuracy import shown_epsilon, wilson

SIZES = {
    1.0: "size of the perturbation: $\\ell_1$ norm ([0, 1] pixel units)",
    2.0: "size of the perturbation: $\\ell_2$ norm ([0, 1] pixel units)",
    math.inf: "size of the perturbation: largest change of an element ([0, 1] pixel units)",
}
"""What the axis of each norm is called."""


def plot_robust_accuracy(results: RobustAccuracy | Sequence[RobustAccuracy], *, ax: Axes | None = None) -> Axes:
    """Return axes with the robust accuracy of each model over epsilon, its interval as a shade.

    The steps are the smallest perturbations of single images; full marks stand at the epsilons that were asked for,
    crosses at the accuracy under the reference.

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
    right = 1.06 * float(first.epsilons[-1])
    for index, result in enumerate(results):
        _curve(ax, result, index, right)
    tidy(ax)
    ax.set_xlim(0, right)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    _ticks(ax, first)
    ax.set_xlabel(SIZES[first.norm])
    ax.set_ylabel("images classified correctly")
    name_curves(ax)
    headline(ax, "How much of its accuracy does each model keep under attack?", _caption(results))
    return ax


def _curve(ax: Axes, result: RobustAccuracy, index: int, right: float) -> None:
    """Draw the accuracy of one model, with a key of its line and mark for the legend."""
    style = style_of(index)
    known = result.distances[torch.isfinite(result.distances)].clamp(max=right)
    sizes = torch.cat((torch.zeros(1), known, result.epsilons, torch.tensor([right]))).double().unique()
    values = result.accuracy_at(sizes)
    band = wilson(values, len(result.labels))
    ax.fill_between(sizes, band[:, 0], band[:, 1], step="post", color=style.colour, alpha=0.15, lw=0)
    ax.step(sizes, values, where="post", color=style.colour, linestyle=style.line, linewidth=1.8)
    marks = {"color": style.colour, "linestyle": "none", "clip_on": False, "zorder": 3}
    ax.plot(result.epsilons, result.accuracy, marker=style.marker, markersize=5.5, markeredgecolor="white", **marks)
    ax.plot([0], [result.clean], marker=style.marker, markersize=5.5, markerfacecolor="white", **marks)
    if result.reference:
        crosses = {**marks, "color": INK}
        ax.plot(result.epsilons, result.reference_accuracy, marker="x", markersize=6, **crosses)
    name = f"{literal(result.model)}{_verdict(result)}"
    ax.plot(
        sizes[-1:],
        values[-1:],
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markevery=[],
        label=name,
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


def _verdict(result: RobustAccuracy) -> str:
    """Return what the audit says of a model, for its name."""
    return f" (audit {result.verdict})" if result.verdict else ""


def _caption(results: Sequence[RobustAccuracy]) -> str:
    """Return what was measured, what the marks are, and what was not decided."""
    first = results[0]
    cross = f" Crosses: under {literal(first.reference)}." if first.reference else ""
    undecided = [f"{int(result.undecided.sum())} of {literal(result.model)}" for result in results]
    undecided = [text for text in undecided if not text.startswith("0 ")]
    left = f" Undecided, counted as not robust: {', '.join(undecided)}." if undecided else ""
    return (
        f"{len(first.labels)} images of {literal(first.data)}, perturbed inside [0, 1] by the closest of "
        f"{', '.join(first.searches)}: upper bounds. Shade: Wilson's 95 % interval over images. Open mark: clean."
        f"{cross}{left}"
    )
