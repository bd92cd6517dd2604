"""A picture of single images: which few pixels were changed, and what the model makes of them."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.plot.sparsity import option_note
from geomrob.plot.style import (
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
from geomrob.results import Sparsity

# Apart in grey print, too: the brighter pixel has the brighter mark.
BRIGHTER = "#E8601C"
DARKER = "#08306B"
# A mark is at least this share of the image's width, or it would be invisible in a large image.
MARK = 1 / 56
# Share of its contrast that the image behind the marks keeps.
FADED = 0.4
# Of a figure, in inches.
WIDTH = 5.6


def plot_gallery(sparsity: Sparsity, *, rows: int = 6, figure: AnyFigure | None = None) -> AnyFigure:
    """Return a figure with one row per image, from few to many changed pixels: original, changed image, the changes.

    The images stand at even steps among all fooled ones, ordered by the number of their changed pixels, from the
    fewest to the most. In the right column each changed pixel is marked on the faded original: in grey images orange
    where it became brighter and dark blue where darker, in colour images with its new colour, outlined. Marks are
    larger than their pixel where an image is more than 56 pixels wide.

    Args:
        sparsity: What an attack did to some images. Values outside [0, 1] are shown as the nearest end.
        rows: Most images to show; failures are never shown, but counted.
        figure: Where to draw; a new figure by default.

    Raises:
        UsageError: No fooled image, or no row.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Figs. 3.4, 3.5, 3.7 and 3.9.
    """
    if rows < 1:
        raise UsageError(f"rows must be at least 1; got {rows}: choose how many images to show")
    shown = _chosen(sparsity, rows)
    reading = _caption(sparsity, len(shown))
    figure = figure_or_new(figure, WIDTH, 2.0 * len(shown) + 0.2 + headroom(WIDTH, reading))
    figure_headline(figure, "Which changed pixels flip the decision?", reading)
    grid: NDArray[np.object_] = figure.subplots(len(shown), 3, squeeze=False)
    for ax, heading in zip(grid[0], ("original", "with changed pixels", "the changed pixels"), strict=True):
        ax.set_title(heading, fontsize=9, color=INK, pad=5)
    for axes, index in zip(grid, shown.tolist(), strict=True):
        _row(axes, sparsity, index)
    return figure


def _chosen(sparsity: Sparsity, rows: int) -> Int64[Tensor, " m"]:
    """Return which images to show: fooled ones, at even steps in the order of their changed pixels."""
    fooled = sparsity.result.success.cpu().nonzero().squeeze(1)
    if not len(fooled):
        count = len(sparsity.labels)
        raise UsageError(f"sparsity must hold a fooled image; got 0 of {count}: see its status")
    ordered = fooled[sparsity.result.pixels.cpu()[fooled].argsort(stable=True)]
    ranks = torch.linspace(0, len(ordered) - 1, min(rows, len(ordered)), dtype=torch.float64)
    return ordered[ranks.round().long()]


def _row(axes: NDArray[np.object_], sparsity: Sparsity, index: int) -> None:
    """Draw one image: as it was, as it became, what was changed."""
    attack, classes = sparsity.result, sparsity.classes
    before, after = attack.inputs[index].cpu(), attack.perturbed[index].cpu()
    before_label, true = int(attack.labels[index]), int(sparsity.labels[index])
    truth = "" if before_label == true else f"\n(in truth {class_name(true, classes)})"
    for ax in axes:
        bare(ax)
    draw_image(axes[0], before, class_name(before_label, classes) + truth)
    draw_image(axes[1], after, class_name(int(sparsity.found[index]), classes), bold=True)
    _draw_changes(axes[2], before, after)
    note = f"{_counted(attack.pixels[index], 'pixel')} ({_share(float(sparsity.percent[index]))} %)"
    if len(before) > 1:
        note += f"\n{_counted(attack.elements[index], 'element')}"
    axes[2].set_xlabel(note, fontsize=8.5, color=INK)


def _counted(number: Tensor, thing: str) -> str:
    """Return how many there are."""
    return f"{int(number)} {thing}{'' if number == 1 else 's'}"


def _share(percent: float) -> str:
    """Return a number of per cent in two digits, without an exponent at 100."""
    return f"{percent:.2g}" if percent < 10 else f"{percent:.0f}"


def _mark(image: Float[Tensor, "c h w"]) -> float:
    """Return how many pixels wide a mark is."""
    return max(1.0, MARK * image.shape[-1])


def _draw_changes(ax: Axes, before: Float[Tensor, "c h w"], after: Float[Tensor, "c h w"]) -> None:
    """Draw the image faded and every changed pixel as a square on it."""
    changed: Bool[Tensor, "h w"] = (before != after).any(0)
    faded = 1 - FADED + FADED * before.clamp(0, 1).mean(0)
    ax.imshow(faded.numpy(), cmap="gray", vmin=0, vmax=1)
    # A mark that reaches over the edge of the image must not widen the axes.
    ax.set_autoscale_on(False)
    positions = changed.nonzero().flip(1).double().numpy()
    half = _mark(before) / 2
    corners = half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    squares = list(positions[:, None] + corners)
    if len(before) == 3:
        new = after.clamp(0, 1).movedim(0, -1)[changed].numpy()
        ax.add_collection(PolyCollection(squares, facecolors=new, edgecolors="black", linewidths=0.5))
    else:
        up = (after - before).sum(0)[changed].numpy() > 0
        new = np.where(up[:, None], to_rgb(BRIGHTER), to_rgb(DARKER))
        ax.add_collection(PolyCollection(squares, facecolors=new, linewidths=0))


def _caption(sparsity: Sparsity, shown: int) -> str:
    """Return what was done with which success, and how the picture is to be read."""
    count, fooled = len(sparsity.labels), int(sparsity.result.success.sum())
    example = sparsity.result.inputs[0]
    marks = (
        "each changed pixel outlined, in its new colour; an element is one channel of a pixel."
        if len(example) == 3
        else "changed pixels, orange = brighter than before, dark blue = darker."
    )
    larger = f" Marks are {_mark(example):.2g} times as wide as a pixel." if _mark(example) > 1 else ""
    failed = f" ({count - fooled} failed and are not shown)" if fooled < count else ""
    attack = f"{literal(sparsity.attack)}{option_note(sparsity.options)}"
    return (
        f"{attack} fools {literal(sparsity.model)} on {fooled} of {count} images of {data_name(sparsity.data)}"
        f"{failed}. Rows: {shown} of the fooled images, evenly from the fewest to the most changed pixels. "
        f"Below each image the class that the model predicts. Right: {marks}{larger}"
    )
