"""A picture of distances of decision-based attacks: which share of the images has a boundary within a distance."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from geomrob.errors import UsageError
from geomrob.plot.style import axes_or_new, data_name, headline, literal, name_curves, plain_numbers, style_of, tidy
from geomrob.results import DecisionDistances
from geomrob.results.decision_based import middle


def plot_decision_distances(
    results: DecisionDistances | Sequence[DecisionDistances], *, ax: Axes | None = None
) -> Axes:
    """Return axes with the share of images whose prediction changes within a distance, one curve for each model.

    Failures are infinitely far: a curve that ends below 100 % has some. A mark stands at the median of all images and
    repeats, infinite where it falls next to a failure.

    Args:
        results: Of several models, with the same images, attack and budget.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No finite distance; results of different data, attacks or budgets.
    """
    results = [results] if isinstance(results, DecisionDistances) else list(results)
    distances = [(literal(result.model), result.distances) for result in results]
    finite = [values[torch.isfinite(values) & (values > 0)] for _, values in distances]
    if not sum(map(len, finite)):
        raise UsageError("results must hold a finite distance; got none: no image was fooled, see their status")
    if len({(result.data, result.title) for result in results}) > 1:
        kinds = " and ".join(sorted({f"{result.title} on {result.data}" for result in results}))
        raise UsageError(f"results must be of one attack, budget and data set; got {kinds}: draw them apart")
    ax = axes_or_new(ax)
    low, high = float(torch.cat(finite).min()) / 1.2, float(torch.cat(finite).max()) * 1.2
    for index, (name, values) in enumerate(distances):
        style, ordered = style_of(index), values[torch.isfinite(values)].sort().values.tolist()
        shares = [(rank + 1) / len(values) for rank in range(len(ordered))]
        median = middle(values)
        summary = f"median {median:.2f}" if math.isfinite(median) else "median infinite"
        last = shares[-1] if shares else 0.0
        x, y = [low, *ordered, high], [0.0, *shares, last]
        ax.step(x, y, where="post", color=style.colour, linestyle=style.line, linewidth=2, label=f"{name} ({summary})")
        if math.isfinite(median):
            ax.plot([median], [0.5], color=style.colour, marker=style.marker, markersize=8, markeredgecolor="white")
    tidy(ax)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    plain_numbers(ax.xaxis)
    ax.set_xlabel("$\\ell_2$ distance ([0, 1] pixel units)")
    name_curves(ax, loc="upper left")
    repeats = max(len(result.repeats) for result in results)
    images = max(len(result.labels) for result in results)
    unit = "images" if repeats == 1 else "image x repeat pairs"
    ax.set_ylabel(f"{unit} whose prediction changes\nwithin that distance")
    again = f", {repeats} repeats each" if repeats > 1 else ""
    headline(
        ax,
        "How near is the boundary for a decision-based attack?",
        f"{images} images of {data_name(results[0].data)}{again}; {literal(results[0].title)}. Mark: the median. "
        "Further right = harder to fool. A curve that ends below 100 %: the others were not fooled.",
        width=92,
    )
    return ax
