"""Single images with the smallest perturbation in each band that changes the prediction."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from geomrob.plot.margins import norm_name
from geomrob.plot.style import (
    DIVERGING,
    FAINT,
    INK,
    bare,
    blank,
    class_name,
    draw_image,
    figure_headline,
    headroom,
    literal,
)
from geomrob.results import BandExamples

# A change is magnified until its largest element reaches this share of the colour scale.
FILL = 1.0
HEADLINE = "What is the smallest change that flips the decision?"
READING = (
    "Below each image, the class that the model predicts. The change may use the patterns of one band only; it "
    "is drawn magnified (red = brighter, blue = darker; for colour images grey = no change). Larger = harder to fool."
)
HEADING: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": INK, "annotation_clip": False}


def plot_band_examples(examples: BandExamples, *, classes: Sequence[str] = (), figure: Figure | None = None) -> Figure:
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
    reading = f"{literal(examples.model)} on {literal(examples.data)}, by {literal(examples.attack)}. {READING}"
    width = max(1.45 * (1 + 2 * len(bands)), 5.0)
    figure = blank(width, 1.95 * count + 0.4 + headroom(width, reading)) if figure is None else figure
    grid = _room(figure, count, bands, reading)
    for row in range(count):
        draw_image(grid[row, 0], images[row], _name(int(examples.before[row]), classes))
        for band in range(len(bands)):
            name = _name(int(examples.after[band, row]), classes)
            change = perturbed[band, row] - images[row]
            _change(grid[row, 1 + 2 * band], change, examples.norm, float(examples.distances[band, row]))
            draw_image(grid[row, 2 + 2 * band], perturbed[band, row], name, bold=True)
    return figure


def _room(figure: Figure, count: int, bands: Sequence[str], reading: str) -> NDArray[np.object_]:
    """Return axes (count, 1 + 2 bands) below a headline, with a heading above each column."""
    figure_headline(figure, HEADLINE, reading)
    grid: NDArray[np.object_] = figure.subplots(count, 1 + 2 * len(bands), squeeze=False)
    for ax in grid.flat:
        bare(ax)
    headings = ["image", *(heading for band in bands for heading in (f"change in\n{literal(band)}", "image + change"))]
    for ax, heading in zip(grid[0], headings, strict=True):
        ax.annotate(heading, (0.5, 1), (0, 18), xycoords="axes fraction", textcoords="offset points", **HEADING)
    return grid


def _change(ax: Axes, change: Float[Tensor, "c h w"], norm: float, size: float) -> None:
    """Draw one change, magnified on a symmetric scale, with its measured size below and the magnification above."""
    largest = float(change.abs().max())
    factor = _round(FILL / largest) if largest > 0 else 1.0
    shown = change.detach().cpu().movedim(0, -1).numpy() * factor
    if shown.shape[-1] == 3:
        ax.imshow((0.5 + shown / 2).clip(0, 1))
    else:
        ax.imshow(shown.mean(-1), cmap=DIVERGING, vmin=-1, vmax=1)
    ax.set_title(f"x {factor:g}", fontsize=8, color=FAINT, pad=3)
    ax.set_xlabel(f"{norm_name(norm)} size {size:.2f}", fontsize=8.5, color=INK)


def _round(factor: float) -> float:
    """Return a magnification as people write it: one digit, never above the exact one."""
    unit = 10.0 ** math.floor(math.log10(factor))
    return math.floor(factor / unit + 1e-9) * unit


def _name(label: int, classes: Sequence[str]) -> str:
    """Return what a class is called."""
    return "no boundary found" if label < 0 else class_name(label, classes)
