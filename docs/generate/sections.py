"""What griffe reads of our docstrings: it knows a section Examples, they have one that is called Example."""

from typing import Any

import griffe


class Sections(griffe.Extension):
    """Example becomes Examples, so that its lines are shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section in the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\n\nExample:\n", "\n\nExamples:\n")
