"""The tutorial as a notebook: `python -m docs.generate.tutorial` writes it again; `--code` prints its code instead."""

import json
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")


def cells() -> list[tuple[str, str]]:
    """Return the cells of the page in order: markdown or code, and the text."""
    parts = re.split(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [("code" if place % 2 else "markdown", part.strip()) for place, part in enumerate(parts) if part.strip()]


def notebook() -> str:
    """Return the page as a notebook of format 4.5, without outputs."""
    extra = {"code": {"execution_count": None, "outputs": []}, "markdown": {}}
    written = [
        {
            "cell_type": kind,
            "id": f"cell-{place}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
            **extra[kind],
        }
        for place, (kind, text) in enumerate(cells())
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": written, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


if __name__ == "__main__":
    if "--code" in sys.argv:
        sys.stdout.write("\n".join(text for kind, text in cells() if kind == "code"))
    else:
        NOTEBOOK.write_text(notebook())
