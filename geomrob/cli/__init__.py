"""The `geomrob` command: one typed function per subcommand; its signature and docstring are the parser and the help."""

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, get_args

from cyclopts import App, CycloptsError, Parameter, Token, convert

from geomrob import __version__
from geomrob.cli.console import notes_on_stderr
from geomrob.errors import UsageError

COMMANDS = (
    "margin",
    "sparsefool",
    "spectrum",
    "kernels",
    "curve",
    "boundary",
    "transfer",
    "audit",
    "models",
    "corrupt",
    "corruptions",
    "layers",
    "geometry",
    "augment",
    "train",
)
"""The commands: NAME is the function of that name in `geomrob/cli/commands/NAME.py`."""

OK, FAILED, MISUSE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

LONGEST = 200
"""Letters of a word in a message, such as a path, before its middle is left out."""

EXITS = (
    "Exit status: 0 all done, 1 failed (the disk is full, say), 2 bad use (one line says what to change), 3 done, "
    "but not all was found, 130 interrupted."
)


def application() -> App:
    """Return the parser of all commands; their modules are light, so that all are imported for the list in the help."""
    app = App(
        name="geomrob",
        help="Measure where the decision boundary of an image classifier lies.",
        help_epilogue=EXITS,
        help_format="plaintext",
        version=__version__,
        default_parameter=Parameter(negative=(), converter=_exact),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name in COMMANDS:
        app.command(getattr(import_module(f"geomrob.cli.commands.{name}"), name), name=name)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of one `geomrob` command line: 0 done, 1 failed, 2 misuse, 3 incomplete, 130 interrupted.

    Args:
        argv: The words after `geomrob`; by default those of this process.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    with contextlib.ExitStack() as held:
        if sys.stderr is None:  # closed: what would be said there is lost, the status is not
            held.enter_context(contextlib.redirect_stderr(io.StringIO()))
        return _run(words)


def _run(words: Sequence[str]) -> int:
    """Return the exit status of one command line, with misuse and failures reported in a line."""
    try:
        if sys.flags.optimize > 1 and (not words or {"--help", "-h"} & set(words)):
            raise UsageError("help must be made of docstrings; got a Python that drops them: unset PYTHONOPTIMIZE")
        with notes_on_stderr():
            status = application()(words)
    except (CycloptsError, UsageError) as error:
        return _report(error, MISUSE)
    except (OSError, MemoryError) as error:
        return _report(error, FAILED)
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        return _report(MemoryError(), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else OK


def _report(error: Exception, status: int) -> int:
    """Report a misuse or a failure in one line on stderr and return its exit status."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError):
        text = f"{error.strerror or text} ({error.filename})" if error.filename else text
        text = f"the system refused to read or write; got {text}: check the disk and the folders, and run it again"
    elif isinstance(error, MemoryError):
        text = "memory ran out; got no more of it: take a smaller --memory, or fewer or smaller images"
    text = re.sub(rf"\S{{{LONGEST},}}", lambda word: f"{word[0][:60]}...{word[0][-60:]}", " ".join(text.split()))
    sys.stderr.write(f"error: {text}\n")
    return status


def _exact(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return the words of an option as its type, as cyclopts does, which would round a fraction to a whole number."""
    whole = int in (kind, *get_args(kind)) and float not in get_args(kind)
    if whole and any(not re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", token.value) for token in tokens):
        wrong = " ".join(token.value for token in tokens)
        name = (tokens[0].keyword or "value").lstrip("-")
        raise UsageError(f"{name} must be a whole number of at most 20 digits; got {wrong!r}: write digits alone")
    return convert(kind, tokens)
