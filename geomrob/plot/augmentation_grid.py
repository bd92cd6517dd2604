"""Pictures of augmented images in rows and columns."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.style import INK, AnyFigure, bare, draw_image, figure_headline, figure_or_new, headroom, literal
from geomrob.results import AugmentationGrid

SIDE = 1.15
# A picture without a brighter pixel says why it is black.
DARK = 8 / 255


def plot_augment(
    pictures: Float[Tensor, "r k c h w"],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    reading: str,
    below: Float[Tensor, "r k"] | None = None,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Return a figure of images in rows and columns, each row and column named.

    Args:
        pictures: In [0, 1].
        rows: The label next to each row.
        columns: The label above each column.
        title: What is shown.
        reading: How to read it.
        below: A number under each picture but those of the first column: how much it was changed.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: Not one name a row and a column.
    """
    height, width = pictures.shape[:2]
    if (len(rows), len(columns)) != (height, width):
        given = f"{len(rows)} and {len(columns)}"
        raise UsageError(f"rows and columns must be {height} and {width} names; got {given}: name each")
    inches = max(SIDE * width + 0.5, 5.5)
    tall = (SIDE + (0.22 if below is not None else 0.08)) * height + 0.3
    figure = figure_or_new(figure, inches, tall + headroom(inches, reading))
    axes = figure.subplots(height, width, squeeze=False)
    for row in range(height):
        for column in range(width):
            ax = axes[row, column]
            bare(ax)
            note = "" if below is None or not column else f"{float(below[row, column]):.2f}"
            draw_image(ax, pictures[row, column], note)
            if column and float(pictures[row, column].max()) <= DARK:
                words = {"ha": "center", "va": "center", "fontsize": 7.5, "color": "white"}
                ax.text(0.5, 0.5, "all values\nclipped to 0", transform=ax.transAxes, **words)
            if not row:
                ax.set_title(columns[column], fontsize=9, color=INK)
        axes[row, 0].set_ylabel(rows[row], fontsize=9, color=INK)
    figure_headline(figure, title, reading)
    return figure


PRIMITIVES = {
    "spectral": (
        "random filters",
        "K is the side of the filter in pixels, sigma the deviation of a tap; a negative sum of taps makes black",
    ),
    "spatial": (
        "random deformations",
        "K is the cut frequency, sigma is given as a share of the largest that keeps a typical map one to one",
    ),
    "color": (
        "random colour curves",
        "K is the highest frequency of the curve, sigma the standard deviation of a coefficient",
    ),
}
"""What each primitive does, and what its numbers are."""


def plot_primitive(grid: AugmentationGrid, *, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure of one image under a primitive of PRIME, by smoothness (rows) and strength (columns).

    Args:
        grid: What `augmentation_grid` made.
        figure: Where to draw; a new figure by default.
    """
    what, units = PRIMITIVES[grid.primitive]
    return plot_augment(
        grid.pictures,
        rows=[f"K = {size}" for size in grid.smoothness],
        columns=["original", *(f"$\\sigma$ = {value:g}" for value in grid.strength)],
        below=grid.change,
        title=f"What does the {grid.primitive} primitive of PRIME do to an image?".replace("color", "colour"),
        reading=f"One image under {what}. {units}. A row is one draw, stronger from left to right; what leaves the "
        "range is clipped to black and white. Below each picture, how much its values changed (root mean square, 1 = "
        "from black to white).",
        figure=figure,
    )


def plot_draws(
    pictures: Float[Tensor, "r k c h w"], *, method: str, classes: Sequence[str], figure: AnyFigure | None = None
) -> AnyFigure:
    """Return a figure of several images (rows), each followed by draws of an augmentation.

    Args:
        pictures: In [0, 1]; the images themselves in the first column.
        method: What the augmentation is called.
        classes: Class of each image.
        figure: Where to draw; a new figure by default.
    """
    return plot_augment(
        pictures,
        rows=list(map(literal, classes)),
        columns=["original", *(f"draw {number + 1}" for number in range(pictures.shape[1] - 1))],
        title=f"Images as training with {literal(method)} gets them",
        reading="Each row is one image; every draw chooses operations, strengths and mixing weights anew.",
        figure=figure,
    )
