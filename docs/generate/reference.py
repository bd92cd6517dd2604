"""The API pages: the public names by layer, from `geomrob/__init__.pyi`; mkdocstrings fills them from docstrings."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "geomrob"
LAYERS = {
    "models": "Models",
    "data": "Data",
    "spectral": "Bases and bands",
    "attacks": "Attacks",
    "analysis": "Analyses",
    "results": "Results",
    "plot": "Pictures",
    "errors": "Errors",
}
"""The layers that have public names, in the order in which they are met."""


def homes() -> dict[str, list[tuple[str, str]]]:
    """Return the public names of each layer with their homes, as the stub of the package lists them."""
    names: dict[str, list[tuple[str, str]]] = {}
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            layer = node.module.split(".")[0]
            names.setdefault(layer, []).extend((alias.name, _home(node.module, alias.name)) for alias in node.names)
    return names


def _home(module: str, name: str) -> str:
    """Return where a name is defined: a package may list it in a stub of its own."""
    stub = PACKAGE.joinpath(*module.split("."), "__init__.pyi")
    for node in ast.parse(stub.read_text()).body if stub.exists() else ():
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            inner = node.module or ""
            return f"geomrob.{module}.{inner}.{name}" if node.level else f"{inner}.{name}"
    return f"geomrob.{module}.{name}"


def first_line(home: str) -> str:
    """Return the first line of the docstring of a name, read from its file without importing it."""
    *parts, name = home.split(".")[1:]
    file = PACKAGE.joinpath(*parts, "__init__.py")
    file = file if file.exists() else PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py")
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name and ast.get_docstring(node):
            return (ast.get_docstring(node) or "").split("\n")[0].replace("|", "\\|")
    raise LookupError(f"{home} must have a docstring in {file}")


def reference_pages() -> dict[str, str]:
    """Return the pages: an index with every name and its first line, and one page a layer."""
    names = homes()
    index = ["# API reference\n", "Every public name is an attribute of `geomrob`, imported when it is first used.\n"]
    pages = {}
    for layer in layers():
        rows = "\n".join(f"| [`{name}`][{home}] | {first_line(home)} |" for name, home in names[layer])
        index.append(f"## [{_title(layer)}]({layer}.md)\n\n| name | |\n|---|---|\n{rows}\n")
        entries = "\n".join(f'::: {home}\n    options:\n      heading: "{name}"\n' for name, home in names[layer])
        pages[f"reference/{layer}.md"] = f"# {_title(layer)}\n\n{entries}"
    return {"reference/index.md": "\n".join(index), **pages}


def layers() -> list[str]:
    """Return the layers that have public names, in order."""
    return sorted(homes(), key=[*LAYERS, *homes()].index)


def _title(layer: str) -> str:
    return LAYERS.get(layer, layer.capitalize())


REFERENCE_NAV = [f"reference/{layer}.md" for layer in layers()]
