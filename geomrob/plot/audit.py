"""The pictures of audits: of one, its checks and what most of them rest on; of many models, all verdicts at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from geomrob.plot.style import (
    FAINT,
    INK,
    AnyFigure,
    axes_or_new,
    data_name,
    figure_headline,
    figure_or_new,
    literal,
    plain_numbers,
    style_of,
    tidy,
)
from geomrob.results import Audit
from geomrob.results.audit import check_number

# Words and marks as well as colours, for grey print: blue passed, orange warned, red-purple failed, grey skipped.
MARKS = {
    "passed": ("\u2713", "#0072B2"),
    "warned": ("!", "#B35A00"),
    "failed": ("\u2717", "#B0004E"),
    "skipped": ("\u2013", FAINT),
}
# Behind the verdicts of many models, on which the passed ones stand back.
FILLS = {"passed": "#cfe3f3", "warned": "#f4d58d", "failed": "#b0004e", "skipped": "#eeeeee"}

STRIP = 0.35
"""How wide the strip of images without a distance is, against the logarithm of the axis."""

SINGLE = 8
"""Most images whose own profiles are drawn."""


def plot_audit(audit: Audit, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure of the checks of an audit, and next to them distances, PGD's success and the way to the boundary.

    Args:
        audit: The audit.
        figure: Where to draw; a new figure by default.
    """
    figure = figure_or_new(figure, 9.6, 8.8)
    figure_headline(figure, *_headline(audit))
    panels = figure.subplot_mosaic([["checks", "distances"], ["budgets", "profiles"]])
    _checks(panels["checks"], audit)
    _distances(panels["distances"], audit)
    _budgets(panels["budgets"], audit)
    _profiles(panels["profiles"], audit)
    return figure


def plot_verdicts(verdicts: Mapping[str, Mapping[str, tuple[str, float, str]]], *, ax: Axes | None = None) -> Axes:
    """Return axes with the verdict of each check (row) on each model (column), and the number that decided.

    Failed is dark with a cross, warned yellow with an exclamation mark, passed light blue, skipped grey with a dash.

    Args:
        verdicts: For each model, by the name to be shown, and each check: verdict, value and unit of its `Check`. All
            models have the same checks.
        ax: Where to draw; a new figure by default.
    """
    checks = list(next(iter(verdicts.values())))
    ax = axes_or_new(ax, max(7.0, 1.1 * len(verdicts)), 0.4 * len(checks) + 1.2)
    kinds = list(FILLS)
    grid = [[kinds.index(model[check][0]) for model in verdicts.values()] for check in checks]
    ax.imshow(grid, cmap=ListedColormap(list(FILLS.values())), vmin=-0.5, vmax=len(kinds) - 0.5, aspect="auto")
    for column, model in enumerate(verdicts.values()):
        for row, check in enumerate(checks):
            verdict, value, unit = model[check]
            mark = "" if verdict == "passed" else MARKS[verdict][0]
            text = "" if math.isnan(value) else check_number(value, unit)
            ink = "white" if verdict == "failed" else INK
            ax.text(column, row, f"{mark} {text}".strip(), ha="center", va="center", fontsize=9, color=ink)
    ax.set_xticks(range(len(verdicts)), list(map(literal, verdicts)), fontsize=8.5)
    ax.set_yticks(range(len(checks)), list(map(literal, checks)), fontsize=9)
    ax.xaxis.tick_top()
    ax.set_xticks([x - 0.5 for x in range(1, len(verdicts))], minor=True)
    ax.set_yticks([y - 0.5 for y in range(1, len(checks))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    return ax


def _headline(audit: Audit) -> tuple[str, str]:
    """Return the verdict, and what it comes from."""
    words = {
        "passed": "can be trusted: no check found masked gradients",
        "warned": "can be trusted with the reservations below",
        "failed": "cannot be trusted as they stand",
        "skipped": "were not checked",
    }[audit.verdict]
    text = literal("; ".join(audit.causes)) if audit.causes else "no cause of masked gradients found"
    title = f"{literal(audit.model)}: gradient-based attacks {words}"
    return title, (
        f"{len(audit.predictions)} images of {data_name(audit.data)}, clean accuracy {audit.accuracy:.1%}. "
        f"Cause: {text}."
    )


def _checks(ax: Axes, audit: Audit) -> None:
    """Write one line a check: mark, name, number."""
    ax.axis("off")
    ax.set_title("Checks", fontsize=9.5, loc="left", color=INK)
    for row, check in enumerate(audit.checks):
        y = 1 - (row + 0.6) / len(audit.checks)
        mark, colour = MARKS[check.verdict]
        anchor: dict[str, Any] = {"transform": ax.transAxes, "va": "center"}
        ax.text(0.0, y, mark, fontsize=11, color=colour, fontweight="bold", **anchor)
        ax.text(0.07, y, literal(check.name), fontsize=9, color=INK, **anchor)
        ax.text(0.62, y, check.number, fontsize=8.5, color=INK, ha="right", **anchor)
        ax.text(0.66, y, check.verdict, fontsize=9, color=colour, **anchor)


def _distances(ax: Axes, audit: Audit) -> None:
    """Draw white-box against black-box distance, one point an image; below the diagonal the black box came closer.

    Images of which an attack found nothing stand in a strip of their own, to the right or above, in their order.
    """
    # An image on the boundary has distance 0, for which a logarithmic axis has no position but its lower edge.
    known = [d[torch.isfinite(d) & (d > 0)] for d in (audit.white, audit.transferred, audit.decision)]
    every = torch.cat(known)
    low, high = (float(every.min()) / 1.3, float(every.max()) * 1.3) if len(every) else (0.1, 1.0)
    lost = torch.isinf(audit.white), torch.isinf(audit.transferred) | torch.isinf(audit.decision)
    ends = [high * (high / low) ** STRIP if bool(missing.any()) else high for missing in lost]
    ax.plot([low, high], [low, high], color=FAINT, linewidth=1)
    ax.fill_between([low, high, ends[0]], [low] * 3, [low, high, ends[1]], color="#f2dce6", linewidth=0, zorder=0)
    for index, (name, distance) in enumerate((("transferred", audit.transferred), ("decision-based", audit.decision))):
        ran = ~distance.isnan()
        if not bool(ran.any()):
            continue
        x, y = _held(audit.white, low, high, ends[0])[ran], _held(distance, low, high, ends[1])[ran]
        style = style_of(index)
        ax.scatter(x, y, s=16, marker=style.marker, color=style.colour, alpha=0.7, linewidths=0, label=name)
    ax.set(xscale="log", yscale="log", xlim=(low, ends[0]), ylim=(low, ends[1]))
    _strips(ax, high, ends)
    ax.set_xlabel("white-box $\\ell_2$ distance", fontsize=9)
    ax.set_ylabel("black-box $\\ell_2$ distance", fontsize=9)
    ax.set_title("Does an attack with less access come closer?\n(shaded: yes, a bad sign)", fontsize=9.5, loc="left")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="best")
    tidy(ax)
    for axis in (ax.xaxis, ax.yaxis):
        plain_numbers(axis)
        # Beyond, in the strip, there are no distances.
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value <= high else ""))


def _held(distance: Tensor, low: float, high: float, end: float) -> Tensor:
    """Return distances with zero drawn at the lower edge, and those of infinity side by side in the strip."""
    missing = torch.isinf(distance)
    count = max(int(missing.sum()), 1)
    shares = (missing.cumsum(0) - 0.5) / count
    inside = high * (end / high) ** (0.1 + 0.8 * shares)
    return torch.where(missing, inside, distance.clamp(min=low * 1.05))


def _strips(ax: Axes, high: float, ends: Sequence[float]) -> None:
    """Mark where images stand of which an attack found nothing."""
    words: dict[str, Any] = {"fontsize": 8, "color": FAINT, "ha": "center", "va": "top"}
    if ends[0] > high:
        ax.axvline(high, color=FAINT, linewidth=0.8, linestyle=":")
        ax.text((high * ends[0]) ** 0.5, -0.02, "none\nfound", transform=ax.get_xaxis_transform(), **words)
    if ends[1] > high:
        ax.axhline(high, color=FAINT, linewidth=0.8, linestyle=":")
        words |= {"ha": "right", "va": "center"}
        ax.text(-0.02, (high * ends[1]) ** 0.5, "none\nfound", transform=ax.get_yaxis_transform(), **words)


def _budgets(ax: Axes, audit: Audit) -> None:
    """Draw the share of images that PGD leaves, over epsilon, a line for each number of steps."""
    for index, count in enumerate(audit.steps.tolist()):
        style = style_of(index)
        text = f"{count} step{'s' * (count > 1)}"
        shares = 100 * audit.robust[:, index]
        ax.plot(
            audit.epsilons, shares, color=style.colour, linestyle=style.line, marker=style.marker, ms=4.5, label=text
        )
    ax.set_ylim(-3, 103)
    ax.set_xlabel("$\\epsilon$: largest change of an element\n([0, 1] pixel units)", fontsize=9)
    ax.set_ylabel("images that keep their class (%)", fontsize=9)
    ax.set_title(
        "Do more steps and a larger $\\epsilon$ help PGD?\n(lines must fall, more steps below)",
        fontsize=9.5,
        loc="left",
    )
    ax.legend(fontsize=8, framealpha=0.85, edgecolor="none")
    tidy(ax)


def _profiles(ax: Axes, audit: Audit) -> None:
    """Draw the gap along the way to the boundary and along random directions, each image against its own clean gap."""
    own = audit.profile[0, :, :1].abs().clamp_min(1e-12)
    scaled = (audit.profile / own).clamp(-4, 4)
    x = torch.linspace(0, 2, scaled.shape[2])
    for index, name in enumerate(("towards the boundary", "in a random direction")):
        style = style_of(index)
        median = scaled[index].median(0).values
        for row in scaled[index][:SINGLE]:
            ax.plot(x, row, color=style.colour, alpha=0.3, linewidth=0.7)
        ax.plot(x, median, color=style.colour, linestyle=style.line, linewidth=2, label=f"{name} (median)")
    ax.axhline(0, color=FAINT, linewidth=0.8)
    ax.set_xlabel("way from the image\n(1: smallest distance known)", fontsize=9)
    ax.set_ylabel("lead of the predicted class (1: at the image)", fontsize=9)
    single = min(SINGLE, scaled.shape[1])
    thin = f"{single} single image{'s' * (single > 1)}"
    ax.set_title(f"Is the way to the boundary smooth?\n(thin: {thin})", fontsize=9.5, loc="left")
    ax.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="lower left")
    tidy(ax)
