"""The one exception of misuse, and the sentence for an unknown name."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A misuse by the caller, reported in one sentence: the argument, what was expected, what came, what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that no table holds, with the nearest names that one does.

    Example:
        >>> str(unknown("basis", "dtc", ["dct", "haar"]))
        "basis must be one of dct, haar; got 'dtc': did you mean dct?"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "choose one of those"
    return UsageError(f"{kind} must be one of {', '.join(names)}; got {name!r}: {hint}")
