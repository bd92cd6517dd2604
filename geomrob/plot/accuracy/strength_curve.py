"""Pictures of accuracy against strength, and of the plane of clean against perturbed accuracy."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from geomrob.errors import UsageError
from geomrob.plot.style import FAINT, INK, axes_or_new, data_name, headline, literal, name_curves, style_of, tidy
from geomrob.results import Acceptance, StrengthCurve

STRENGTHS = {
    "gaussian": "standard deviation of the noise ([0, 1] pixel units)",
    "uniform": "largest change of an element ([0, 1] pixel units)",
    "salt-pepper": "share of the elements changed",
    "fgsm": "largest change of an element ([0, 1] pixel units)",
    "fgsm-transfer": "largest change of an element ([0, 1] pixel units)",
    "pgd": "largest change of an element ([0, 1] pixel units)",
    "pgd-l2": "largest $\\ell_2$ length of the change ([0, 1] pixel units)",
    "pgd-l1": "largest $\\ell_1$ length of the change ([0, 1] pixel units)",
}
"""What the axis of each attack is called."""

TITLES = {
    "gaussian": "Gaussian noise",
    "uniform": "uniform noise",
    "salt-pepper": "salt-and-pepper noise",
    "fgsm": "FGSM",
    "fgsm-transfer": "transferred FGSM",
    "pgd": "PGD in an $\\ell_\\infty$ ball",
    "pgd-l2": "PGD in an $\\ell_2$ ball",
    "pgd-l1": "PGD in an $\\ell_1$ ball",
}
"""How each attack is called."""

MOST_NAMES = 12
"""With more marks than this, only those of the first attack are named."""

NEAR = 0.06
"""Share of the axes within which marks lie together."""

INSIDE = "#56B4E9"
"""The colour of the acceptable region, drawn faintly."""


def plot_strength(curve: StrengthCurve, *, ax: Axes | None = None) -> Axes:
    """Return axes with the mean accuracy of each model over strength, and its standard error as a shade.

    Args:
        curve: Accuracies of one or several models.
        ax: Where to draw; a new figure by default.
    """
    ax = axes_or_new(ax)
    mean, error = curve.mean.cpu(), curve.error.cpu().nan_to_num(0)
    for index, name in enumerate(curve.models):
        style = style_of(index)
        ax.fill_between(
            curve.strengths,
            mean[index] - error[index],
            mean[index] + error[index],
            color=style.colour,
            alpha=0.18,
            lw=0,
        )
        ax.plot(
            curve.strengths,
            mean[index],
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            linewidth=2,
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=f"{literal(name)} ({float(mean[index, 0]):.1%} clean)",
        )
    tidy(ax)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=-0.02 * float(curve.strengths[-1]))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel(STRENGTHS.get(curve.attack, "strength ([0, 1] pixel units)"))
    ax.set_ylabel("images classified correctly")
    name_curves(ax)
    headline(
        ax, f"How much {TITLES.get(curve.attack, literal(curve.attack))} does each model withstand?", _caption(curve)
    )
    return ax


def plot_acceptance(planes: Acceptance | Sequence[Acceptance], *, ax: Axes | None = None) -> Axes:
    """Return axes with RD / UD over R0 / U0 of each model, one mark for each attack, and the acceptable region shaded.

    An infinite ratio (only the baseline is never right) stands on the upper edge as an open mark. A NaN (neither
    is ever right) is not drawn: the legend names its models.

    Args:
        planes: One for each attack; of one baseline and one minimum.
        ax: Where to draw; a new figure by default.

    Raises:
        UsageError: No plane, or several baselines or minima.
    """
    planes = [planes] if isinstance(planes, Acceptance) else list(planes)
    if not planes or len({(plane.baseline, plane.minimum) for plane in planes}) > 1:
        raise UsageError(f"planes must share one baseline and one minimum; got {len(planes)}: draw them apart")
    ax = axes_or_new(ax, 6.4, 5.0)
    first = planes[0]
    high, left, right = _limits(planes)
    ax.axvspan(first.minimum, right, (1 / high), 1, color=INSIDE, alpha=0.15, lw=0)
    ax.axhline(1, color=FAINT, lw=0.8)
    ax.axvline(first.minimum, color=FAINT, lw=0.8)
    for index, plane in enumerate(planes):
        style, off = style_of(index), torch.isinf(plane.distorted)
        drawn, none = torch.isfinite(plane.distorted), torch.isnan(plane.distorted)
        y = torch.where(off, high, plane.distorted)
        name = f"{TITLES.get(plane.attack, literal(plane.attack))}, strength {plane.strength:g}"
        ax.scatter(plane.clean[drawn], y[drawn], s=46, color=style.colour, marker=style.marker, zorder=3, label=name)
        ax.scatter(
            plane.clean[off],
            y[off],
            s=46,
            facecolors="none",
            edgecolors=style.colour,
            marker=style.marker,
            clip_on=False,
        )
        if bool(none.any()):
            names = ", ".join(literal(name) for name, left in zip(plane.models, none.tolist(), strict=True) if left)
            ax.scatter([], [], s=46, color=style.colour, marker=style.marker, label=f"not drawn, 0 / 0: {names}")
    ax.scatter([1], [1], s=60, color=INK, marker="*", zorder=3, label=f"baseline: {literal(first.baseline)}")
    ax.set_xlim(left, right)
    ax.set_ylim(0, high)
    for plane in planes if sum(len(plane.models) for plane in planes) <= MOST_NAMES else planes[:1]:
        _names(ax, plane)
    tidy(ax)
    ax.set_xlabel("clean accuracy over the baseline's, R0 / U0")
    ax.set_ylabel("perturbed accuracy over the baseline's, RD / UD")
    ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc="best")
    infinite = ""
    if any(bool(torch.isinf(plane.distorted).any()) for plane in planes):
        infinite = (
            " Open marks on the upper edge: an infinite ratio, the baseline classifies no perturbed image correctly."
        )
    shown = (
        f"{data_name(first.data)}. One mark: a model (R) against the baseline (U), on clean images (0) and "
        f"perturbed ones (D). Shaded: {first.minimum:.0%} of the clean accuracy kept, and more images classified "
        f"correctly under the perturbation.{infinite}"
    )
    headline(ax, "Which models gain robustness at an acceptable price?", shown, width=92)
    return ax


def _caption(curve: StrengthCurve) -> str:
    """Return what was measured and what the shade is."""
    _, networks, repeats, _, images = curve.correct.shape
    crafted = f", crafted on {literal(curve.source)}" if curve.source else ""
    shade = "no error is known from one run"
    if networks > 1:
        shade = f"shade: standard error over {networks} networks of a model"
    elif repeats > 1:
        shade = f"shade: standard error over {repeats} repeats"
    return f"{images} images of {data_name(curve.data)}{crafted}; {shade}."


def _limits(planes: Sequence[Acceptance]) -> tuple[float, float, float]:
    """Return the upper edge, and the left and right one, of a picture that holds every finite ratio."""
    ratios = torch.cat([plane.distorted for plane in planes])
    ratios = ratios[torch.isfinite(ratios)]
    clean = torch.cat([plane.clean for plane in planes])
    high = max(1.3, 1.12 * float(ratios.max())) if len(ratios) else 1.3
    low = min(planes[0].minimum, float(clean.min()))
    return high, low - 0.05, max(1.05, float(clean.max()) + 0.05)


def _names(ax: Axes, plane: Acceptance) -> None:
    """Write each model's name next to its mark, those of marks that lie together below one another."""
    (left, right), (_, high) = ax.get_xlim(), ax.get_ylim()
    marks: list[tuple[float, float, list[str]]] = []
    ratios = plane.distorted.clamp(max=high).tolist()
    for name, x, y in sorted(zip(plane.models, plane.clean.tolist(), ratios, strict=True)):
        if math.isnan(y):
            continue
        near = [mark for mark in marks if abs(mark[0] - x) < NEAR * (right - left) and abs(mark[1] - y) < NEAR * high]
        if near:
            near[0][2].append(literal(name))
        else:
            marks.append((x, y, [literal(name)]))
    for x, y, names in marks:
        # Towards the middle of the axes, so that no name leaves them.
        aside, under = x > (left + right) / 2, y > high / 2
        ax.annotate(
            "\n".join(names),
            (x, y),
            (-7 if aside else 7, -5 if under else 5),
            textcoords="offset points",
            ha="right" if aside else "left",
            va="top" if under else "bottom",
            fontsize=8,
            color=INK,
        )
