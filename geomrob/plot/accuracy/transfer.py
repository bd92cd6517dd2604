"""A picture of transfer: which share of the images made to fool one model fools another."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from geomrob.plot.style import INK, SEQUENTIAL, axes_or_new, data_name, headline, literal
from geomrob.results import TransferMatrix

# Rates above this stand on the bright end of the colour map.
BRIGHT = 50.0
# The title has room from this width on, in inches.
NARROW = 5.8
# Names of more models than this are written aslant, each ending below its column.
STRAIGHT = 4


def plot_transfer(matrix: TransferMatrix, *, ax: Axes | None = None) -> Axes:
    """Return axes with the fooling rate of each target model (column) on the images of each source model (row).

    The diagonal, a model fooled by images made on itself, is outlined. Below each source stands on how many images
    its attack succeeded: where it failed, no target counts as fooled.

    Args:
        matrix: What `transfer_matrix` measured.
        ax: Where to draw; a new figure by default.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Table 3.3.
    """
    count, images = len(matrix.models), matrix.found.shape[1]
    ax = axes_or_new(ax, max(3.6 + 1.1 * count, NARROW), 2.6 + 0.8 * count)
    rates = 100 * matrix.rates.cpu()
    image = ax.imshow(rates.numpy(), cmap=SEQUENTIAL, vmin=0, vmax=100, aspect="auto")
    for row, values in enumerate(rates.tolist()):
        for column, rate in enumerate(values):
            own, ink = row == column, INK if rate > BRIGHT else "white"
            ax.text(
                column,
                row,
                f"{rate:.1f}",
                ha="center",
                va="center",
                fontsize=11 if count <= 6 else 8,
                fontweight="bold" if own else "normal",
                color=ink,
            )
            if own:
                ax.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=ink, linewidth=2))
    names, found = list(map(literal, matrix.models)), matrix.found.sum(1).tolist()
    sources = [f"{name}\n({n} of {images} fooled)" for name, n in zip(names, found, strict=True)]
    # Without true labels there is no accuracy.
    right = ["" if math.isnan(share) else f"\n({share:.1%} correct)" for share in matrix.accuracy.tolist()]
    targets = [f"{name}{correct}" for name, correct in zip(names, right, strict=True)]
    aslant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if count > STRAIGHT else {}
    ax.set_xticks(range(count), targets, fontsize=8.5, **aslant)
    ax.set_yticks(range(count), sources, fontsize=8.5)
    ax.set_xlabel("target: the model that is shown them")
    ax.set_ylabel("source: the model they were made on")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax).set_label("fooled images (%)")
    headline(
        ax,
        "Do images made for one model fool another?",
        f"{literal(matrix.attack)} on {images} images of {data_name(matrix.data)}. Numbers: per cent of the images on "
        "which the target classifies differently from the clean image. Outlined: a model on its own images.",
        width=int(12.5 * (3.2 + 1.1 * count)),
    )
    return ax
