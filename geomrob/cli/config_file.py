"""Options in a file: read for --config, and written into each run folder as run.toml."""

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from geomrob.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

RUN = "run.toml"
MOST_BYTES = 1 << 20


def named_file(words: Sequence[str]) -> Path | None:
    """Return the file that --config names, the last one; None for none.

    Example:
        >>> named_file(["margin", "--config", "run.toml", "--samples", "3"])
        PosixPath('run.toml')
    """
    named = [value for word, value in pairwise([*words, ""]) if word == "--config"]
    named += [word.partition("=")[2] for word in words if word.startswith("--config=")]
    if not named or not named[-1]:
        return None
    from geomrob.files import user_path

    return user_path(named[-1], "config")


def read_options(path: Path) -> dict[str, Any]:
    """Return the options of a file by name; an empty list is none.

    Raises:
        UsageError: No such file, no TOML, or a table in it: options are plain values and lists of them.
    """
    from geomrob.files import read_text

    try:
        options: dict[str, Any] = tomllib.loads(read_text(path, "config", "TOML file", most=MOST_BYTES))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"config must be a readable TOML file; got {error} from {path}: check its syntax") from None
    for name, value in options.items():
        parts: list[Any] = value if isinstance(value, list) else [value]
        wrong = [part for part in parts if not isinstance(part, (str, int, float))]
        if wrong:
            raise UsageError(
                f"{name} of {path} must be a value or a list of values; got a {type(wrong[0]).__name__}: "
                f"write {name} = ... as on the command line"
            )
        if name == "config":
            raise UsageError(f"config must stand on the command line; got it in {path}: remove that line")
    return {name: value for name, value in options.items() if value != []}


def as_toml(command: str, options: Mapping[str, Any]) -> str:
    """Return options as a file that --config takes: those that are None or empty are at their defaults.

    Example:
        >>> print(as_toml("margin", {"data": "my images", "data_dir": None, "model": ["a", "b"], "norm": 2.0}))
        # geomrob margin --config run.toml
        data = "my images"
        model = ["a", "b"]
        norm = 2.0
        <BLANKLINE>
    """
    lines = [f"# geomrob {command} --config {RUN}"]
    lines += [
        f"{name.replace('_', '-')} = {_value(value)}" for name, value in options.items() if value not in (None, [])
    ]
    return "\n".join([*lines, ""])


def _value(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings are TOML's, but for one letter.
    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, (str, bool)) else repr(value)
