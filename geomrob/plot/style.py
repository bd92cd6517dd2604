"""What every picture shares: colours that survive colour blindness and grey print, marks, fonts, an empty figure."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

AnyFigure: TypeAlias = Figure | SubFigure


@dataclass(frozen=True)
class Style:
    """How one curve is drawn; no two differ only in colour."""

    colour: str
    line: Any
    marker: str


# Colours of Okabe and Ito in an order of falling contrast to white; dash and marker distinguish them in grey.
STYLES = (
    Style("#0072B2", "-", "o"),
    Style("#D55E00", "--", "s"),
    Style("#009E73", "-.", "^"),
    Style("#CC79A7", ":", "D"),
    Style("#555555", (0, (5, 1, 1, 1, 1, 1)), "v"),
    Style("#E69F00", (0, (3, 1)), "P"),
    Style("#56B4E9", (0, (1, 1)), "X"),
)

SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
INK = "#222222"
FAINT = "#666666"

TITLE_FONT: dict[str, Any] = {"fontsize": 11.5, "fontweight": "bold", "color": INK}
TITLE: dict[str, Any] = {**TITLE_FONT, "loc": "left"}
SUBTITLE: dict[str, Any] = {"fontsize": 8, "color": FAINT, "linespacing": 1.25, "va": "bottom"}
READING: dict[str, Any] = {**SUBTITLE, "va": "top"}
# Letters of a subtitle that fit into an inch.
LETTERS = 17
TITLE_LETTERS = 10

WIDE = 8.0
"""Inches from which on headlines grow with the figure: a page shows it smaller."""

FEW_POWERS, SHORT = 2e3, 5.0
"""Ratios of the ends of a logarithmic scale below which it has plain numbers, and below which 1, 2, 5 are too few."""

NAME = 28
"""Letters of a line next to the end of a curve, at most."""

FEW = 4
"""Curves that a legend inside the axes names; of more, each is named at its end."""


def style_of(index: int) -> Style:
    """Return how the curve of that index is drawn; after the last style the first is reused."""
    return STYLES[index % len(STYLES)]


class ShownFigure(Figure):
    """A figure that a notebook shows, though it belongs to no window."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the picture, and how wide and high a notebook shows it: an inch is 96 points of a screen."""
        page = io.BytesIO()
        self.savefig(page, format="png")
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        return page.getvalue(), {"width": width, "height": height}


class ShownAxes(Axes):
    """Axes of such a figure, which a notebook shows with it."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]] | None:
        """Return the picture of the whole figure."""
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, ShownFigure) else None  # pyright: ignore[reportPrivateUsage]


def blank(width: float = 7.0, height: float = 4.6) -> Figure:
    """Return an empty figure of that size in inches, that belongs to no window; a notebook shows it."""
    figure = ShownFigure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_or_new(ax: Axes | None, width: float = 7.0, height: float = 4.6) -> Axes:
    """Return the axes given, or those of a new figure: how every plot of one panel takes `ax=`."""
    return blank(width, height).add_subplot(axes_class=ShownAxes) if ax is None else ax


def figure_or_new(figure: AnyFigure | None, width: float, height: float) -> AnyFigure:
    """Return the figure or sub-figure given, or a new one: how every plot of several panels takes `figure=`."""
    return blank(width, height) if figure is None else figure


def size_of(figure: AnyFigure) -> tuple[float, float]:
    """Return width and height of a figure or sub-figure in inches."""
    if isinstance(figure, Figure):
        width, height = figure.get_size_inches()
        return float(width), float(height)
    return figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi


def tidy(ax: Axes) -> None:
    """Remove the frame's upper and right side and add a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(colors=FAINT, labelsize=9)


def plain_numbers(axis: Axis) -> None:
    """Write 0.2, 0.5, 1 on a logarithmic axis and not powers of ten; on one of many powers 0.1, 1, 10."""
    low, high = axis.get_view_interval()
    few = high < FEW_POWERS * low or low <= 0
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if few else LogLocator(numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plain_bar(bar: Colorbar) -> None:
    """Write 0.2, 0.5, 1 next to a logarithmic colour bar of few powers of ten, and not powers with factors."""
    low, high = bar.norm.vmin, bar.norm.vmax
    if isinstance(bar.norm, LogNorm) and low and high and high / low < FEW_POWERS:
        bar.locator = LogLocator(subs=(1.0, 2.0, 5.0)) if high / low > SHORT else MaxNLocator(5)
        bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")
        bar.update_ticks()
        bar.ax.yaxis.set_minor_formatter(NullFormatter())


def headline(ax: Axes, title: str, subtitle: str, *, width: int = 106) -> None:
    """Write what is shown, and below it how to read it, in lines of at most `width` letters.

    The lines do not take part in the layout: it would narrow the axes for them. Room above the axes comes from the
    title, which is padded by the height of the lines.
    """
    spec = ax.get_subplotspec()
    if spec is not None and spec.get_gridspec().ncols > 1:
        # Beside other axes there is no more room than one's own.
        inches = ax.get_window_extent().width / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        width = min(width, max(30, int(LETTERS * inches)))
        title = "\n".join(textwrap.wrap(title, max(20, int(TITLE_LETTERS * inches))))
    lines = textwrap.wrap(subtitle, width)
    ax.set_title(title, pad=9 + 11 * len(lines), **TITLE)
    note = ax.annotate(
        "\n".join(lines), (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", **SUBTITLE
    )
    note.set_in_layout(False)


def headroom(width: float, reading: str, title: str = "") -> float:
    """Return how many inches `figure_headline` needs above a figure of that width, for a title of one line or this."""
    titles = len(_lines(width, title, TITLE_LETTERS)) if title else 1
    return _grown(width) * (0.28 + 0.2 * titles + 0.145 * len(_lines(width, reading)))


def figure_headline(figure: AnyFigure, title: str, reading: str) -> None:
    """Write what a whole figure shows, and how to read it, above everything else, which gets the room below.

    Of a sub-figure the layout is its figure's: how to read it then stands below.
    """
    width, height = size_of(figure)
    titles, lines = _lines(width, title, TITLE_LETTERS), _lines(width, reading)
    if not isinstance(figure, Figure):
        figure.suptitle("\n".join(titles), x=0.01, ha="left", **TITLE_FONT)
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8, color=FAINT)
        return
    grown = _grown(width)
    title_font, font = ({**given, "fontsize": grown * given["fontsize"]} for given in (TITLE_FONT, READING))
    below = 0.16 + 0.2 * len(titles)
    figure.text(0.14 / width, 1 - 0.1 * grown / height, "\n".join(titles), va="top", **title_font)
    figure.text(0.14 / width, 1 - below * grown / height, "\n".join(lines), **font)
    top = 1 - headroom(width, reading, title) / height
    figure.set_layout_engine("constrained", rect=(0, 0, 1, top), w_pad=0.04, h_pad=0.06)


def _lines(width: float, text: str, letters: int = LETTERS) -> list[str]:
    """Return a text in lines that a figure of that width has room for, with so many letters an inch."""
    return textwrap.wrap(text, int(letters * (width - 0.3) / _grown(width)))


def _grown(width: float) -> float:
    """Return by what factor the headline of a figure is larger than that of a narrow one."""
    return max(1.0, width / WIDE)


def name_curves(ax: Axes, *, loc: Literal["best", "upper left"] = "best") -> None:
    """Name the labelled curves: few in a legend inside the axes, many each next to its right end, outside of them.

    Call it when the limits of the axes are final.

    Args:
        ax: Axes with labelled lines.
        loc: Where the legend is, as matplotlib calls it.
    """
    handles, labels = ax.get_legend_handles_labels()
    lines = [handle for handle in handles if isinstance(handle, Line2D)]
    if len(handles) <= FEW or len(lines) < len(handles):
        if handles:
            ax.legend(framealpha=0.85, edgecolor="none", fontsize=8.5, loc=loc)
        return
    height = 72 * ax.get_window_extent().height / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ends = [_end(ax, line) for line in lines]
    # What is said of a model stands below its name: a long line would take its room from the axes.
    names = ["\n".join(map(_folded, label.replace(" (", "\n(").split("\n"))) for label in labels]
    most = max(name.count("\n") for name in names)
    heights = apart([end[1] for end in ends], (12 + 9 * most) / height)
    for line, label, end, at in zip(lines, names, ends, heights, strict=True):
        leader = {"arrowstyle": "-", "color": line.get_color(), "linestyle": line.get_linestyle(), "linewidth": 0.9}
        ax.annotate(
            label,
            end,
            (1.035, at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            arrowprops={**leader, "shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)},
            annotation_clip=False,
            va="center",
            fontsize=8.5 if most == 0 else 7.5,
            linespacing=1.0,
            color=line.get_color(),
        )


def _folded(text: str) -> str:
    return "\n".join(textwrap.wrap(text, NAME, break_on_hyphens=False))


def _end(ax: Axes, line: Line2D) -> tuple[float, float]:
    """Return where a curve ends on the right, in shares of the axes."""
    points = ax.transAxes.inverted().transform(ax.transData.transform(line.get_xydata()))
    known = points[np.isfinite(points).all(1)]
    x, y = known[known[:, 0].argmax()] if len(known) else (1.0, 0.5)
    return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Return heights in the same order that keep a gap between each other, moved as little as that needs.

    They stay in [0, 1] where there is room for all of them.

    Example:
        >>> [round(height, 2) for height in apart([0.5, 0.5, 0.9], 0.1)]
        [0.45, 0.55, 0.9]
        >>> [round(height, 2) for height in apart([0.0, 0.0, 1.0], 0.1)]
        [0.0, 0.1, 1.0]
    """
    groups: list[list[float]] = []
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for index in order:
        # A group: how many names, and the middle of all of them.
        groups.append([1, heights[index]])
        while len(groups) > 1 and groups[-1][1] - groups[-2][1] < gap * (groups[-1][0] + groups[-2][0]) / 2:
            (more, upper), (some, lower) = groups.pop(), groups.pop()
            groups.append([more + some, (more * upper + some * lower) / (more + some)])
    spread = [middle + gap * (at - (count - 1) / 2) for count, middle in groups for at in range(int(count))]
    above = [max(height, gap * rank) for rank, height in enumerate(spread)]
    spread = [min(height, 1 - gap * (len(above) - 1 - rank)) for rank, height in enumerate(above)]
    placed = dict(zip(order, spread, strict=True))
    return [placed[index] for index in range(len(heights))]


def bare(ax: Axes) -> None:
    """Leave only a faint frame around a picture."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color(FAINT)


def draw_image(ax: Axes, image: Float[Tensor, "c h w"], caption: str, *, bold: bool = False) -> None:
    """Draw one image with a caption below; values outside [0, 1] are shown as the nearest end."""
    shown = image.detach().cpu().clamp(0, 1).movedim(0, -1).numpy()
    ax.imshow(shown if shown.shape[-1] == 3 else shown.mean(-1), cmap="gray", vmin=0, vmax=1)
    ax.set_xlabel(caption, fontsize=8.5, color=INK, fontweight="bold" if bold else "normal")


def literal(name: str) -> str:
    r"""Return a name from outside (model, data, class, layer, file) so that matplotlib draws it letter by letter.

    Two dollar signs in one text would enclose mathematics; what fails to parse is raised when the figure is rendered.
    A legend would leave out a label that begins with an underscore: a space of no width comes before it.

    Example:
        >>> literal("a$b$c")
        'a\\$b\\$c'
    """
    return ("\u200b" if name.startswith("_") else "") + name.replace("$", r"\$")


def data_name(name: str) -> str:
    """Return the name of a data set as drawn: of the path of a folder or file its last part alone.

    Example:
        >>> data_name("/home/me/photos (gray)"), data_name("hf-hub:me/photos")
        ('photos (gray)', 'hf-hub:me/photos')
    """
    return literal(re.sub(r"^(?:[/~.]|[A-Za-z]:\\)[^()]*[/\\](?=[^/\\])", "", name))


def class_name(label: int, classes: Sequence[str]) -> str:
    """Return the name of a class as drawn."""
    return literal(classes[label]) if label < len(classes) else f"class {label}"
