"""Recipes read from TOML files: those of geomrob by name, and a user's by path."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from geomrob.errors import UsageError, unknown
from geomrob.files import read_text, user_path
from geomrob.training.recipe import TABLES, Options, Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

FOLDER = Path(__file__).resolve().parent / "recipes"


def names() -> list[str]:
    """Return the names of the recipes that come with geomrob."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read_recipe(name: str | Path) -> Recipe:
    """Return a recipe of geomrob by its name, or the one in a `.toml` file.

    Raises:
        UsageError: Unknown name, missing or malformed file, unknown or unfit entry.

    Example:
        >>> read_recipe("fmnist-lenet").options.max_rate
        0.21
    """
    path = user_path(name, "recipe")
    if path.suffix != ".toml":
        if str(name) not in names():
            raise unknown("recipe", str(name), names())
        path = FOLDER / f"{name}.toml"
    try:
        content: dict[str, Any] = tomllib.loads(read_text(path, "recipe", "TOML file", most=1 << 20))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"recipe must be a readable TOML file; got {error} from {path}: check path and syntax"
        ) from None
    how = {entry.name: entry for entry in dataclasses.fields(Options)}
    what = {entry.name: entry for entry in dataclasses.fields(Recipe) if entry.name != "options"}
    values: dict[str, Any] = {key: _part(key, value) if key in TABLES else value for key, value in content.items()}
    plain: dict[str, Any] = {key: value for key, value in values.items() if key not in TABLES}
    values |= _checked(plain, {key: entry for key, entry in (what | how).items() if key not in TABLES}, "a recipe")
    for key in ("model", "data"):
        if key not in content:
            raise UsageError(f"recipe must name its {key}; got none in {path}: add a line {key} = ...")
    options = Options(**{key: value for key, value in values.items() if key in how})
    return Recipe(**{key: value for key, value in values.items() if key in what}, options=options)


def _part(name: str, content: Any) -> Any:
    """Return the part that a table of a recipe describes."""
    if not isinstance(content, dict):
        raise UsageError(f"{name} of a recipe must be a table; got {content!r}: write [{name}] above its entries")
    entries = {entry.name: entry for entry in dataclasses.fields(TABLES[name])}
    return TABLES[name](**_checked(content, entries, f"[{name}]"))


def _checked(content: "dict[str, Any]", entries: "dict[str, dataclasses.Field[Any]]", where: str) -> dict[str, Any]:
    """Return the entries with lists as tuples; refuse an unknown one, or a value of another type than its field's."""
    for key, value in content.items():
        if key not in entries:
            raise unknown(f"entry of {where}", key, entries)
        if not _fits(value, entries[key].type):
            wanted = getattr(entries[key].type, "__name__", str(entries[key].type))
            kind = str(entries[key].type) if isinstance(entries[key].default, tuple) else wanted
            raise UsageError(f"{key} of {where} must be of type {kind}; got {value!r}: write a value of that type")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value of TOML has the type of a field; an int is a float, a bool is no number."""
    item = getattr(kind, "__args__", (None,))[0]
    if isinstance(value, list):
        return item is not None and all(_fits(entry, item) for entry in value)
    return type(value) is kind or (kind is float and type(value) is int)
