"""Single images with the smallest perturbation in each band that changes the prediction."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from geomrob.plot.margins import norm_name
from geomrob.plot.style import (
    DIVERGING,
    FAINT,
    INK,
    AnyFigure,
    bare,
    class_name,
    data_name,
    draw_image,
    figure_headline,
    figure_or_new,
    headroom,
    literal,
)
from geomrob.results import BandExamples

# A change is magnified until this share of its elements lies within the colour scale: a peak would hide the rest.
WITHIN = 0.99
# Side in pixels up to which a picture shows all of them; of a larger one it shows a window of half that side.
WHOLE = 128
HEADLINE = "What is the smallest change that flips the decision?"
READING = (
    "Below each image, the class that the model predicts. The change may use the patterns of one band only; it "
    "is drawn magnified (red = brighter, blue = darker; for colour images grey = no change). Larger: harder to fool."
)
HEADING: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": INK, "annotation_clip": False}


def plot_band_examples(
    examples: BandExamples, *, classes: Sequence[str] = (), figure: AnyFigure | None = None
) -> AnyFigure:
    """Return a figure with one row per image: the image, then for each band the change and the changed image.

    A change is multiplied by the factor written above it and drawn on a scale from -1 to 1 with white (grey for colour
    images) as no change.

    Args:
        examples: Images and their measured perturbations, `MarginCurve.examples`; values outside [0, 1] are shown as
            the nearest end.
        classes: Names of the classes; by default their numbers.
        figure: Where to draw; a new figure by default.
    """
    images, perturbed, bands = examples.images, examples.perturbed, examples.bands
    count = len(images)
    reading = f"{literal(examples.model)} on {data_name(examples.data)}, by {literal(examples.attack)}. {READING}"
    side = max(images.shape[-2:])
    if side > WHOLE:
        reading += f" Changes are shown in a window of {WHOLE // 2} pixels, outlined, where they are large."
    width = max(1.45 * (1 + 2 * len(bands)), 5.0)
    figure = figure_or_new(figure, width, 1.95 * count + 0.4 + headroom(width, reading))
    grid = _room(figure, count, bands, reading)
    for row in range(count):
        draw_image(grid[row, 0], images[row], _name(int(examples.before[row]), classes))
        window = _window(perturbed[:, row] - images[row])
        if window is not None:
            _outline(grid[row, 0], window)
        for band in range(len(bands)):
            name = _name(int(examples.after[band, row]), classes)
            change = perturbed[band, row] - images[row]
            _change(grid[row, 1 + 2 * band], change, examples.norm, float(examples.distances[band, row]), window)
            draw_image(grid[row, 2 + 2 * band], perturbed[band, row], name, bold=True)
    return figure


def _room(figure: AnyFigure, count: int, bands: Sequence[str], reading: str) -> NDArray[np.object_]:
    """Return axes (count, 1 + 2 bands) below a headline, with a heading above each column."""
    figure_headline(figure, HEADLINE, reading)
    grid: NDArray[np.object_] = figure.subplots(count, 1 + 2 * len(bands), squeeze=False)
    for ax in grid.flat:
        bare(ax)
    headings = ["image", *(heading for band in bands for heading in (f"change in\n{literal(band)}", "image + change"))]
    for ax, heading in zip(grid[0], headings, strict=True):
        ax.annotate(heading, (0.5, 1), (0, 18), xycoords="axes fraction", textcoords="offset points", **HEADING)
    return grid


def _window(changes: Float[Tensor, "b c h w"]) -> tuple[slice, slice] | None:
    """Return where in a large image the changes are largest, in every band; None for an image that is shown whole.

    Fine patterns of a whole large image are thinner than the pixels of the picture and would look plain grey.
    """
    height, width = changes.shape[-2:]
    side = WHOLE // 2
    if max(height, width) <= WHOLE:
        return None
    energy = changes.detach().double().square().mean(1, keepdim=True)
    # Each band has its say, however small its changes are.
    energy = (energy / energy.amax((2, 3), keepdim=True).clamp_min(1e-30)).nan_to_num().mean(0, keepdim=True)
    sums = torch.nn.functional.avg_pool2d(energy, (min(side, height), min(side, width)), stride=1)[0, 0]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return slice(top, min(top + side, height)), slice(left, min(left + side, width))


def _outline(ax: Axes, window: tuple[slice, slice]) -> None:
    """Draw a frame around the part of the image whose change is shown."""
    rows, columns = window
    corner = columns.start - 0.5, rows.start - 0.5
    size = columns.stop - columns.start, rows.stop - rows.start
    ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=2.4))
    ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, linewidth=1.0))


def _change(
    ax: Axes, change: Float[Tensor, "c h w"], norm: float, size: float, window: tuple[slice, slice] | None
) -> None:
    """Draw one change, magnified on a symmetric scale, with its measured size below and the magnification above."""
    ordered = change.detach().abs().flatten().sort().values
    # Of a change of few pixels the quantile is 0: then its largest element sets the scale.
    largest = float(ordered[int(WITHIN * (len(ordered) - 1))]) or float(ordered[-1])
    factor = _round(1 / largest) if largest > 0 else 1.0
    change = change if window is None else change[:, window[0], window[1]]
    shown = change.detach().cpu().movedim(0, -1).numpy() * factor
    if shown.shape[-1] == 3:
        ax.imshow((0.5 + shown / 2).clip(0, 1), interpolation="nearest")
    else:
        ax.imshow(shown.mean(-1), cmap=DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
    ax.set_title(f"x {factor:g}", fontsize=8, color=FAINT, pad=3)
    ax.set_xlabel(f"{norm_name(norm)} size {size:.2f}", fontsize=8.5, color=INK)


def _round(factor: float) -> float:
    """Return a magnification as people write it: one digit, never above the exact one."""
    unit = 10.0 ** math.floor(math.log10(factor))
    return math.floor(factor / unit + 1e-9) * unit


def _name(label: int, classes: Sequence[str]) -> str:
    """Return what a class is called."""
    return "no boundary found" if label < 0 else class_name(label, classes)
