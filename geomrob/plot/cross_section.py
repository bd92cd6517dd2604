"""A picture of the decision regions on a plane through the image space, with images projected on it."""

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Patch

from geomrob.errors import UsageError
from geomrob.plot.style import INK, axes_or_new, class_name, data_name, headline, literal, style_of, tidy
from geomrob.results import CrossSection

# How much of white is mixed into the colour of a class for its region: neighbours differ in grey print too.
TINTS = (0.45, 0.8)
MOST_POINTS = 400


def plot_cross_section(section: CrossSection, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Return axes with the region of each class as a tint, the boundary as a line, and the images as marks.

    The two axes are scaled to fill the frame, not alike. Of many images the first 400 are drawn.

    Args:
        section: What was measured.
        ax: Where to draw; a new figure by default.
        title: Headline; by default the question of the picture.

    Raises:
        UsageError: A region or an image of a class without a name.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Fig. 4.9.
    """
    present = sorted({*section.regions.unique().tolist(), *section.labels.unique().tolist()})
    if present and not 0 <= present[0] <= present[-1] < len(section.classes):
        named = len(section.classes)
        raise UsageError(f"classes must name all that occur; got {named} for {present[-1] + 1}: name the others")
    ax = axes_or_new(ax, 7.0, 4.8)
    x, y = section.horizontal.numpy(), section.vertical.numpy()
    codes = torch.zeros_like(section.regions)
    for order, label in enumerate(present):
        codes[section.regions == label] = order
    tints = [_tint(order) for order in range(len(present))]
    ax.pcolormesh(
        x, y, codes.numpy(), cmap=ListedColormap(tints), vmin=-0.5, vmax=len(present) - 0.5, shading="nearest"
    )
    _boundaries(ax, section)
    handles: list[Patch] = []
    for order, label in enumerate(present):
        style = style_of(order)
        points = section.points[:MOST_POINTS][section.labels[:MOST_POINTS] == label].numpy()
        filled = order % 2 == 0
        ax.scatter(
            points[:, 0],
            points[:, 1],
            s=30,
            marker=style.marker,
            facecolors=style.colour if filled else "white",
            edgecolors="white" if filled else style.colour,
            linewidths=0.6 if filled else 1.3,
            zorder=3,
            label=f"points of class {class_name(label, section.classes)}",
        )
        handles.append(
            Patch(facecolor=tints[order], edgecolor=INK, label=f"classified as {class_name(label, section.classes)}")
        )
    tidy(ax)
    ax.grid(visible=False)
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_ylim(float(y[0]), float(y[-1]))
    ax.set_xlabel(f"{section.axes[0]} ($\\ell_2$ distance)")
    ax.set_ylabel(f"{section.axes[1]} ($\\ell_2$ distance)")
    marks = ax.get_legend_handles_labels()[0] if len(section.labels) else []
    ax.legend(handles=[*handles, *marks], loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5)
    shown = min(MOST_POINTS, len(section.labels))
    marked = f" Marks: {shown} of {len(section.labels)} points, projected on the plane." if shown else ""
    headline(
        ax,
        title or "Where does the model change its decision on this plane?",
        f"{literal(section.model)} on {data_name(section.data)}: a plane through the input space. Dark lines: the "
        f"decision boundary. The axes are scaled differently.{marked}",
        width=92,
    )
    return ax


def _tint(order: int) -> tuple[float, float, float]:
    """Return the colour of a class mixed with white, more and less in turns."""
    white = TINTS[order % 2]
    red, green, blue = (white + (1 - white) * part for part in to_rgb(style_of(order).colour))
    return red, green, blue


def _boundaries(ax: Axes, section: CrossSection) -> None:
    """Draw a line around each region that does not fill the plane."""
    for label in section.regions.unique().tolist():
        inside = (section.regions == label).double().numpy()
        if not inside.all():
            ax.contour(
                section.horizontal.numpy(), section.vertical.numpy(), inside, levels=[0.5], colors=[INK], linewidths=1.1
            )
