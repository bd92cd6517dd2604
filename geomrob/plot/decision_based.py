"""A picture of distances found from decisions alone: which share of the images has a boundary within a distance."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from geomrob.arrays import Distances
from geomrob.errors import UsageError
from geomrob.plot.style import axes_or_new, headline, look, plain_numbers, tidy
from geomrob.results import AttackResult


def plot_boundary(
    found: Mapping[str, Sequence[AttackResult]],
    *,
    method: str = "an attack that asks for decisions alone",
    data: str = "the data",
    ax: Axes | None = None,
) -> Axes:
    """Return axes with the share of images whose decision changes within a distance, one curve for each model.

    Failures are infinitely far: a curve that ends below 100 % has some. A mark stands at the median of all images and
    repeats, infinite where it falls beside a failure.

    Args:
        found: Name of a model and what was found of the same images, once for each repeat.
        method: What the picture calls the attack.
        data: What it calls the images.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No distance at all.
    """
    distances = {name: torch.cat([one.distances().cpu() for one in group]) for name, group in found.items() if group}
    finite = [values[torch.isfinite(values) & (values > 0)] for values in distances.values()]
    if not sum(map(len, finite)):
        raise UsageError("found must hold a finite distance; got none: no image was fooled, see their status")
    ax = axes_or_new(ax)
    low, high = float(torch.cat(finite).min()) / 1.2, float(torch.cat(finite).max()) * 1.2
    for index, (name, values) in enumerate(distances.items()):
        how, ordered = look(index), values[torch.isfinite(values)].sort().values.tolist()
        shares = [(place + 1) / len(values) for place in range(len(ordered))]
        median = _median(values)
        told = f"median {median:.2f}" if math.isfinite(median) else "median infinite"
        last = shares[-1] if shares else 0.0
        x, y = [low, *ordered, high], [0.0, *shares, last]
        ax.step(x, y, where="post", color=how.colour, linestyle=how.line, linewidth=2, label=f"{name} ({told})")
        if math.isfinite(median):
            ax.plot([median], [0.5], color=how.colour, marker=how.marker, markersize=8, markeredgecolor="white")
    tidy(ax)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    plain_numbers(ax.xaxis)
    ax.set_xlabel("$\\ell_2$ distance ([0, 1] pixel units)")
    ax.set_ylabel("images whose decision changes\nwithin that distance")
    ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc="upper left")
    repeats = {len(group) for group in found.values()}
    images = {len(group[0].labels) for group in found.values() if group}
    again = f", {max(repeats)} repeats each" if max(repeats) > 1 else ""
    headline(
        ax,
        "How near is another decision for who sees decisions alone?",
        f"{max(images)} images of {data}{again}; {method}. Mark: the median image. Further right = harder to fool. "
        "A curve that ends below 100 %: the other images were not fooled.",
    )
    return ax


def _median(values: Distances) -> float:
    """Return the middle value, or the mean of the two in the middle; infinite if one of those is."""
    ordered = values.sort().values
    return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)
