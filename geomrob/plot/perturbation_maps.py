"""A picture of locations: where in the images of each class an attack changes pixels."""

import math

import numpy as np
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import (
    FAINT,
    INK,
    SEQUENTIAL,
    AnyFigure,
    bare,
    class_name,
    data_name,
    figure_headline,
    figure_or_new,
    headroom,
    literal,
)
from geomrob.results import Locations

COLUMNS = 5
# Most classes that are drawn; more would be too small to read.
MOST = 20
# A class of fewer images has no say in the scale of colours: one image of two is already 50 %.
FEW = 10
WORDS = {
    "label": "their true class",
    "left": "the class predicted before",
    "found": "the class predicted now",
}


def plot_locations(
    locations: Locations, *, images: Float[Tensor, "k *c h w"] | None = None, figure: AnyFigure | None = None
) -> AnyFigure:
    """Return a figure with one map a class: the share of its fooled images in which each pixel is changed.

    All maps share one scale of colours, which ends at the largest share among classes with at least 10 fooled images
    (if there are any); an arrow on the scale says that other classes go beyond it. Beyond 20 classes those with most
    fooled images are drawn, and the headline counts the others. A class without fooled images says so.

    Args:
        locations: What `locations` measured.
        images: One clean image a class (their mean, say), (k, h, w) or (k, c, h, w), whose outline is drawn over the
            map: where the object is. Of use where the objects of a class lie alike on a plain ground; for photographs
            leave it out.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: Images of another number or size than the maps, or no fooled image at all.
    """
    maps, counts = locations.maps.cpu(), locations.counts.cpu()
    if not bool((counts > 0).any()):
        raise UsageError("locations must hold a fooled image; got none: there is no changed pixel to draw")
    if images is not None and (len(images), *images.shape[-2:]) != maps.shape:
        wanted = " x ".join(map(str, maps.shape))
        raise UsageError(f"images must be one a class, {wanted}; got {tuple(images.shape)}: average those of a class")
    drawn = counts.argsort(descending=True, stable=True)[:MOST].sort().values.tolist()
    columns = min(COLUMNS, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    top, beyond = _top(maps, counts)
    width, reading = max(1.75 * columns + 0.9, 5.0), _caption(locations, images, len(drawn), beyond)
    figure = figure_or_new(figure, width, 2.08 * rows + 0.1 + headroom(width, reading))
    figure_headline(figure, "Where are the pixels that change the decision?", reading)
    grid: NDArray[np.object_] = figure.subplots(rows, columns, squeeze=False)
    scale = ScalarMappable(Normalize(0, 100 * top), SEQUENTIAL)
    for ax, index in zip(grid.flat, drawn, strict=False):
        bare(ax)
        ax.set_title(class_name(index, locations.classes), fontsize=9, color=INK, pad=3)
        ax.set_xlabel(f"{int(counts[index])} images", fontsize=8, color=FAINT)
        if counts[index] == 0:
            ax.text(0.5, 0.5, "no fooled\nimage", ha="center", va="center", color=FAINT, transform=ax.transAxes)
            # As large as the other maps.
            ax.set_box_aspect(maps.shape[1] / maps.shape[2])
            continue
        ax.imshow(100 * maps[index].numpy(), cmap=scale.cmap, norm=scale.norm)
        if images is not None:
            _outline(ax, images[index])
    for ax in grid.flat[len(drawn) :]:
        ax.set_axis_off()
    bar = figure.colorbar(scale, ax=list(grid.flat), shrink=0.8, pad=0.02, extend="max" if beyond else "neither")
    bar.set_label("images in which the pixel is changed (%)")
    return figure


def _top(maps: Float[Tensor, "k h w"], counts: Int64[Tensor, " k"]) -> tuple[float, bool]:
    """Return the largest share among classes of enough images, and whether any other class goes beyond it."""
    largest = maps.flatten(1).max(1).values[counts > 0]
    several = largest[counts[counts > 0] >= FEW]
    top = float(several.max() if len(several) else largest.max())
    return top, bool((largest > top).any())


def _outline(ax: Axes, image: Float[Tensor, "*c h w"]) -> None:
    """Draw where an image is half as bright as it gets."""
    grey = image.detach().cpu().double().reshape(-1, *image.shape[-2:]).mean(0)
    low, high = float(grey.min()), float(grey.max())
    if high > low:
        ax.contour(grey.numpy(), levels=[(low + high) / 2], colors="white", linewidths=0.9, alpha=0.85)


def _caption(locations: Locations, images: Tensor | None, drawn: int, beyond: bool) -> str:
    """Return how the picture is to be read."""
    left = len(locations.classes) - drawn
    return (
        f"{literal(locations.attack)} on {literal(locations.model)}, {int(locations.counts.sum())} fooled images of "
        f"{data_name(locations.data)}, grouped by {WORDS.get(locations.by, locations.by)}. Bright: changed in many of "
        "them."
        f"{' White line: outline of the mean image.' if images is not None else ''}"
        f"{f' Classes of fewer than {FEW} images do not set the scale.' if beyond else ''}"
        f"{f' {left} classes with fewer fooled images are not drawn.' if left else ''}"
    )
