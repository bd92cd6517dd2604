"""Pictures of a page: figures as inline SVG with text as text, ids of their own, a name, and colours that can turn."""

import io
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from geomrob.plot.style import FAINT, INK, SUBTITLE, AnyFigure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

DOTS = 110
"""Dots per inch of photographs inside a picture."""

TURNING = {
    INK: "var(--ink)",
    "#000000": "var(--ink)",
    FAINT: "var(--faint)",
    "#555555": "var(--faint)",
    "#dddddd": "var(--grid)",
    "#ffffff": "var(--card)",
}
"""Colours of ink and paper, which follow the page into the dark; those of the data stay."""

SIGNS = {
    r"\ell": "\u2113",
    r"\infty": "\u221e",
    r"\sigma": "\u03c3",
    r"\epsilon": "\u03b5",
    "_\u221e": "\u221e",
    "_1": "\u2081",
    "_2": "\u2082",
    "^2": "\u00b2",
    "_0": "\u2080",
}
"""What captions have of mathematics, in letters that need no typesetting."""

LARGEST = 1.75
"""Pixels of a point of a picture, at most."""

WIDE = 400
"""Points from which on a picture keeps its width on a phone, where its letters would be too small, and scrolls."""


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        title, caption: What it shows, and how it is read; both are its name for those who do not see it.
        svg: The drawing.
        wide: Whether it keeps its width on a phone.
        turning: Whether its ink and paper follow the page into the dark; otherwise it lies on a light card.
        folded: What it is called where it is shown on request.
    """

    title: str
    caption: str
    svg: str
    wide: bool
    turning: bool = True
    folded: str = ""


def picture(
    drawing: Axes | AnyFigure, key: str, *, otherwise: str, turning: bool = True, folded: str = "", about: str = ""
) -> Picture:
    """Return a drawing for the page: its headline and how it is read become text of the page.

    Args:
        drawing: Axes, or a figure; it is changed.
        key: Distinguishes its ids from those of all other pictures of the page.
        otherwise: Its title if it has none.
        turning: Whether its ink and paper follow the page into the dark; not where text lies on colours.
        folded: What it is called where it is shown on request.
        about: Put before its title, the model of several pictures, say.
    """
    figure = drawing if isinstance(drawing, Figure) else drawing.get_figure(root=True)
    assert figure is not None
    title, caption = _headline(figure)
    title = f"{about}: {title or otherwise}" if about else title or otherwise
    width = float(figure.get_size_inches()[0]) * 72
    drawn = _svg(figure, key, title, caption, turning=turning)
    return Picture(title, caption, drawn, width > WIDE, turning, folded)


def words(text: str) -> str:
    r"""Return the text of a figure in plain letters, without mathematics and escapes of matplotlib.

    Example:
        >>> words("margin: $\\ell_\\infty$ distance\nin a\\$b")
        'margin: \u2113\u221e distance in a$b'
    """

    def plain(found: "re.Match[str]") -> str:
        inner = found[1]
        for sign, letter in SIGNS.items():
            inner = inner.replace(sign, letter)
        return inner

    text = re.sub(r"(?<!\\)\$(.*?)(?<!\\)\$", plain, text, flags=re.DOTALL)
    return " ".join(text.replace("\\$", "$").replace("\u200b", "").split())


def _headline(figure: Figure) -> tuple[str, str]:
    """Return title and reading of a figure and take them off it."""
    title, lines = "", list[Text]()
    if figure.texts:  # `figure_headline`, and what audits write: first the title, then how it is read.
        title = words(figure.texts[0].get_text())
        lines = figure.texts[1:2]
        figure.texts[0].remove()
        figure.set_layout_engine("constrained", rect=(0, 0, 1, 1))
    elif len(figure.axes) == 1 or figure.axes[0].get_title(loc="left"):
        ax = figure.axes[0]
        title = words(ax.get_title(loc="left"))
        if title:
            ax.set_title("", loc="left", pad=4)
            lines = [text for text in ax.texts if _is_reading(text)]
    caption = " ".join(words(line.get_text()) for line in lines)
    for line in lines:
        line.remove()
    return title, caption


def _is_reading(text: Text) -> bool:
    """Return whether a text is the one that `headline` writes below a title."""
    small, grey = text.get_fontsize() == SUBTITLE["fontsize"], text.get_color() == SUBTITLE["color"]
    return isinstance(text, Annotation) and tuple(text.xy) == (0, 1) and small and grey


def _svg(figure: Figure, key: str, title: str, caption: str, *, turning: bool) -> str:
    """Return a figure as an SVG element, the same for the same figure and key."""
    drawn = io.BytesIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": key, "savefig.dpi": DOTS}
    with mpl.rc_context(settings):
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=turning)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(drawn.getvalue())  # noqa: S314 - matplotlib wrote it just now
    for name in ("metadata", "defs"):
        for child in root.findall(f"{{{SVG}}}{name}"):
            # A style sheet inside the picture would be one of the whole page.
            if name == "metadata" or child.find(f"{{{SVG}}}style") is not None:
                root.remove(child)
    for element in root.iter():
        _rename(element, key)
        if turning and "style" in element.attrib:
            element.set("style", _turned(element.attrib["style"]))
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.attrib.pop("id", None)
    wide = float(root.attrib["viewBox"].split()[2])
    root.set("role", "img")
    root.set("aria-label", f"{title} {caption}".strip())
    root.set("style", f"max-width:{wide * LARGEST:.0f}px" + (f";min-width:{wide:.0f}px" if wide > WIDE else ""))
    name = ET.Element(f"{{{SVG}}}title")
    name.text = title
    root.insert(0, name)
    return ET.tostring(root, encoding="unicode")


def _rename(element: ET.Element, key: str) -> None:
    """Put the key before ids and the references to them, so that no two pictures of a page share one."""
    for attribute, value in list(element.attrib.items()):
        if attribute == "id":
            element.set(attribute, f"{key}-{value}")
        elif attribute.endswith("href") and value.startswith("#"):
            element.set(attribute, f"#{key}-{value[1:]}")
        elif "url(#" in value:
            element.set(attribute, value.replace("url(#", f"url(#{key}-"))


def _turned(style: str) -> str:
    """Return a style with ink and paper as variables of the page; black is what has no colour of its own."""
    for colour, variable in TURNING.items():
        style = re.sub(f"(fill|stroke): {colour}", rf"\1: {variable}", style, flags=re.IGNORECASE)
    return style
