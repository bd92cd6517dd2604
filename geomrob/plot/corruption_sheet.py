"""A picture sheet: one image under many corruptions, at every severity."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation, Transform
from numpy.typing import NDArray
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import FAINT, INK, AnyFigure, figure_headline, figure_or_new, headroom, literal

# Of one tile and of the room next to and above all, in inches; the gap between tiles as a share of a tile.
TILE = 0.74
BESIDE, ABOVE = 0.35, 0.62
GAP = 0.05


def plot_corruption_sheet(
    image: Float[Tensor, "c h w"],
    corrupted: Mapping[str, Float[Tensor, "s c h w"]],
    *,
    categories: Mapping[str, str] | None = None,
    caption: str = "",
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Return a figure of one image under corruptions: a column each, a row for each severity from the least on.

    Args:
        image: The image as it was, which stands alone in the first column.
        corrupted: The image under each corruption, by name, one for each severity; all of the same size.
        categories: Kind of each corruption; a bracket above the columns joins neighbours of the same kind.
        caption: What else the reader should know: where the image is from, how the corruptions were made.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: No corruption.

    References:
        Bennabhaktula, Alegre, Strisciuglio and Azzopardi, PushPull-Net, 2024, supplement, Fig. 9.
    """
    if not corrupted:
        raise UsageError("corrupted must hold a corruption; got none: choose at least one")
    caption, severities = literal(caption), max(len(images) for images in corrupted.values())
    columns = [image[None], *corrupted.values()]
    height, width = image.shape[-2:]
    reading = (
        f"Columns: corruptions. Rows: severity, from 1 (least) to {severities} (most). {caption}".strip()
        if severities > 1
        else f"Columns: corruptions. {caption}".strip()
    )
    wide = BESIDE + TILE * len(columns)
    wide, tall = max(wide, 5.0), TILE * severities * height / width
    figure = figure_or_new(figure, wide, tall + ABOVE + headroom(wide, reading))
    figure_headline(figure, "What do the corruptions look like?", reading)
    ax = figure.add_subplot()
    for column, images in enumerate(columns):
        for row, one in enumerate(images):
            _tile(ax, one, column, row, height / width)
    ax.set_xlim(-GAP, len(columns))
    ax.set_ylim(severities * height / width, -GAP)
    ax.set_aspect("equal")
    _labels(ax, ["original", *corrupted], severities, height / width)
    _brackets(ax, [(categories or {}).get(name, "") for name in corrupted])
    return figure


def _tile(ax: Axes, image: Float[Tensor, "c h w"], column: int, row: int, tall: float) -> None:
    """Draw one image at its position; values outside [0, 1] are shown as the nearest end."""
    shown: NDArray[np.floating] = image.detach().cpu().clamp(0, 1).movedim(0, -1).numpy()
    extent = (column, column + 1 - GAP, row * tall + tall - GAP, row * tall)
    ax.imshow(shown if shown.shape[-1] == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1, extent=extent)


def _labels(ax: Axes, names: list[str], severities: int, tall: float) -> None:
    """Write the names above the columns, in one line a word, and the severities next to the rows."""
    ax.set_xticks([column + (1 - GAP) / 2 for column in range(len(names))])
    words = [literal(name.replace("_", "\n")) for name in names]
    ax.set_xticklabels([f"\n{word}" if "\n" not in word else word for word in words], fontsize=7.5, color=INK)
    ax.xaxis.tick_top()
    ax.set_yticks([(row + 0.5) * tall for row in range(severities)])
    ax.set_yticklabels([str(row + 1) for row in range(severities)], fontsize=8, color=INK)
    ax.set_ylabel("severity", fontsize=8, color=FAINT)
    ax.tick_params(length=0, pad=2)
    ax.spines[:].set_visible(False)


def _brackets(ax: Axes, kinds: list[str]) -> None:
    """Join neighbouring columns of the same kind by a line above their names."""
    start = 0
    for end in range(1, len(kinds) + 1):
        if end < len(kinds) and kinds[end] == kinds[start]:
            continue
        if kinds[start]:
            left, right = start + 1, end + 1 - GAP
            words: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8, "color": FAINT}
            ax.text((left + right) / 2, 1, literal(kinds[start]), transform=_lifted(ax, 27), **words)
            ax.plot([left, right], [1.0, 1.0], color=FAINT, linewidth=0.8, clip_on=False, transform=_lifted(ax, 25))
        start = end


def _lifted(ax: Axes, points: float) -> Transform:
    """Return the transform of data columns and axes height, moved up by points."""
    assert ax.figure is not None
    return ax.get_xaxis_transform() + ScaledTranslation(0, points / 72, ax.figure.dpi_scale_trans)
