"""How help is written: paragraphs without the line breaks of docstrings, defaults as one would type them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from cyclopts.help import DefaultFormatter
from rich.text import Text

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class Paragraphs:
    """Cyclopts' panels, each paragraph wrapped to the width of the terminal alone."""

    def __init__(self) -> None:
        self.inner = DefaultFormatter()

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Write a panel of commands or options."""
        for entry in panel.entries:
            unbroken(getattr(entry.description, "primary_renderable", None))
        self.inner(console, options, panel)

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Write how the command is called."""
        self.inner.render_usage(console, options, usage)

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:
        """Write what the command does."""
        unbroken(getattr(description, "primary_renderable", description))
        self.inner.render_description(console, options, description)


def unbroken(text: object) -> None:
    """Join the lines of each paragraph of a text."""
    if isinstance(text, Text):
        text.plain = "\n\n".join(" ".join(part.split()) for part in text.plain.split("\n\n"))


def default(value: object) -> str | None:
    """Return the default of an option as it is typed, several values with commas between; None where it is left out.

    Example:
        >>> default(("spectral", "prime")), default(0.5), default(()), default(False)
        ('spectral, prime', '0.5', None, None)
    """
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, cast("Sequence[object]", value))) or None
    return None if value is None or value is False else str(value)
