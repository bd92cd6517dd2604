"""What pictures of single images share: an image with the class that a model sees in it, on axes without ticks."""

from collections.abc import Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from geomrob.plot.style import FAINT, INK


def bare(ax: Axes) -> None:
    """Leave only a faint frame around a picture."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color(FAINT)


def draw_image(ax: Axes, image: Float[Tensor, "c h w"], told: str, *, bold: bool = False) -> None:
    """Draw one image with what is told about it below; values outside [0, 1] are shown as the nearest end."""
    shown = image.detach().cpu().clamp(0, 1).movedim(0, -1).numpy()
    ax.imshow(shown if shown.shape[-1] == 3 else shown.mean(-1), cmap="gray", vmin=0, vmax=1)
    ax.set_xlabel(told, fontsize=8.5, color=INK, fontweight="bold" if bold else "normal")


def class_name(label: int, classes: Sequence[str]) -> str:
    """Return what a class is called."""
    return classes[label] if label < len(classes) else f"class {label}"
