"""The one exception of misuse, the sentence for an unknown name, and notes: what was converted, and said so."""

import difflib
import inspect
import warnings
from collections.abc import Iterable


class UsageError(ValueError):
    """A misuse by the caller, reported in one sentence: the argument, what was expected, what came, what to do."""


class FileError(UsageError):
    """A folder that cannot be written to any more, where it could before the work."""


class OtherRunError(UsageError):
    """A folder that holds a run of other settings."""


class ShardDone(Exception):  # noqa: N818 - it ends a command well
    """All parts of a shard of a run are there: the result is made by merging the shards."""


class Note(UserWarning):
    """What was converted, renumbered or left out of what the caller gave, in one sentence."""


def note(text: str) -> None:
    """Report in one sentence what was converted, renumbered or left out: a `Note`, attributed to the caller's line.

    The commands print each once as `note: ...` on stderr and put it into the JSON.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "geomrob":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, Note, stacklevel=level)


MOST_NAMES = 20
"""Names of a table in one sentence."""

LISTS = {
    "model": "geomrob models",
    "recipe": "geomrob models",
    "data": "geomrob data",
    "id": "geomrob reproduce list",
}
"""The commands that list a long table."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that no table holds, with the nearest names that one does; of a long one these alone.

    Example:
        >>> str(unknown("basis", "dtc", ["dct", "haar"]))
        "basis must be one of dct, haar; got 'dtc': did you mean dct?"
        >>> str(unknown("model", "net-77", [f"net-{number}" for number in range(70, 100)]))
        "model must be one of net-77, net-97, net-87 and 27 others; got ...
    """
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "choose one of those"
    listed = ", ".join(names)
    if len(names) > MOST_NAMES:
        nearest = close or names[:3]
        listed = f"{', '.join(nearest)} and {len(names) - len(nearest)} others"
        every = f"`{LISTS[kind]}` lists all" if kind in LISTS else f"the others are {', '.join(names)}"
        hint = f"{hint} {every}" if close else every
    return UsageError(f"{kind} must be one of {listed}; got {name!r}: {hint}")
