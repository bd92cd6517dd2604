"""A picture of the boundary's shape: its curvature along several kinds of directions, the angle, the normals' span."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from geomrob.errors import UsageError
from geomrob.plot.style import FAINT, INK, AnyFigure, data_name, figure_headline, figure_or_new, literal, style_of, tidy
from geomrob.results import Geometry

KINDS = {
    "mean": "mean over\nrandom",
    "random": "random",
    "others": "other images'\nperturbations",
    "own": "own\nperturbation",
    "largest": "largest\nfound",
}
"""The kinds of tangent directions, in the order they are drawn."""


def plot_geometry(geometries: Geometry | Sequence[Geometry], *, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure of the curvatures, of the angle between perturbation and normal, and of the normals' spectrum.

    Boxes hold half of the values, whiskers nine tenths; the line in a box is the median. Images without a boundary are
    counted in the legend and drawn nowhere.

    Args:
        geometries: What was measured of one or several models, with one method and step.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: Nothing to draw, or models that were measured differently.
    """
    models = [geometries] if isinstance(geometries, Geometry) else list(geometries)
    if len({(result.data, result.method, str(result.step), len(result.indices)) for result in models}) != 1:
        raise UsageError(
            f"geometries must hold models measured alike (data, method, step, images); got {len(models)} that differ "
            "or none: draw them apart"
        )
    figure = figure_or_new(figure, 9.2, 8.0)
    panels = figure.subplot_mosaic([["curvature", "curvature"], ["angle", "spectrum"]])
    _curvatures(panels["curvature"], models)
    _angles(panels["angle"], models)
    _spectra(panels["spectrum"], models)
    first = models[0]
    how = f"normals compared over ±{first.step:g}" if first.method == "difference" else "second derivatives"
    figure_headline(
        figure,
        "How does the decision boundary bend where the smallest perturbations meet it?",
        f"{len(first.indices)} images of {data_name(first.data)}, [0, 1] pixel units; {how}. Curvature: 0 is flat, "
        "positive bends around the image's region, negative away from it; box: half of the values, whiskers: 90 %, "
        "line: median.",
    )
    return figure


def _curvatures(ax: Axes, models: Sequence[Geometry]) -> None:
    """Draw a box for each kind of direction and model."""
    kinds = [kind for kind in KINDS if any(len(result.curvatures(kind)) for result in models)]
    width, handles = 0.8 / len(models), list[Patch]()
    for index, result in enumerate(models):
        style = style_of(index)
        values = [result.curvatures(kind).tolist() or [float("nan")] for kind in kinds]
        positions = [at + (index - (len(models) - 1) / 2) * width for at in range(len(kinds))]
        if not kinds:
            handles.append(Patch(facecolor=style.colour, label=f"{literal(result.model)}: no boundary found"))
            continue
        boxes = ax.boxplot(
            values,
            positions=positions,
            widths=0.8 * width,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            medianprops={"color": INK, "linewidth": 1.6},
            whiskerprops={"color": style.colour},
            capprops={"color": style.colour},
        )
        for box in boxes["boxes"]:
            box.set(facecolor=style.colour, alpha=0.45, edgecolor=style.colour, hatch="//" if index % 2 else "")
        missing = int((~result.measured).sum())
        note = f", no boundary for {missing}" if missing else ""
        hatch = "//" if index % 2 else ""
        label = f"{literal(result.model)}{note}"
        handles.append(Patch(facecolor=style.colour, alpha=0.45, edgecolor=style.colour, hatch=hatch, label=label))
    ax.axhline(0, color=FAINT, linewidth=0.8)
    tidy(ax)
    ax.set_xticks(range(len(kinds)), [KINDS[kind] for kind in kinds], fontsize=8.5)
    ax.set_ylabel("curvature of the boundary (1 / pixel unit)")
    ax.set_title("Curvature along tangents", fontsize=10, loc="left", color=INK)
    ax.legend(handles=handles, framealpha=0.85, edgecolor="none", fontsize=8.5, loc="best")


def _angles(ax: Axes, models: Sequence[Geometry]) -> None:
    """Draw the share of images whose angle is at most so many degrees."""
    for index, result in enumerate(models):
        style, angles = style_of(index), result.angle[torch.isfinite(result.angle)].sort().values
        shares = torch.arange(1, len(angles) + 1) / max(1, len(angles))
        ax.step(
            angles,
            shares,
            where="post",
            color=style.colour,
            linestyle=style.line,
            linewidth=1.8,
            label=literal(result.model),
        )
    tidy(ax)
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("angle between perturbation and normal (degrees)")
    ax.set_ylabel("share of the images at or below")
    ax.set_title("0 is the shortest way to a smooth boundary", fontsize=10, loc="left", color=INK)
    ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc="lower right")


def _spectra(ax: Axes, models: Sequence[Geometry]) -> None:
    """Draw the share of the normals' energy that the first singular directions hold."""
    for index, result in enumerate(models):
        style = style_of(index)
        name = f"{literal(result.model)}: {result.directions()} for 90 %"
        _share(ax, result.singular, color=style.colour, linestyle=style.line, linewidth=1.8, label=name)
    _share(
        ax,
        models[0].singular_random,
        color=FAINT,
        linestyle=":",
        linewidth=1.4,
        label=f"random: {models[0].directions(random=True)} for 90 %",
    )
    ax.axhline(0.9, color=FAINT, linewidth=0.8)
    tidy(ax)
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("singular directions of all normals")
    ax.set_ylabel("share of the energy they hold")
    ax.set_title("How many directions do the normals share?", fontsize=10, loc="left", color=INK)
    ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc="lower right")


def _share(ax: Axes, singular: torch.Tensor, **style: Any) -> None:
    """Draw a cumulated share of squared singular values."""
    energy = singular.square()
    ax.plot(torch.arange(1, len(energy) + 1), energy.cumsum(0) / energy.sum(), **style)
