"""The `geomrob` command: one typed function per subcommand; its signature and docstring are the parser and the help."""

import sys
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, CycloptsError, Parameter

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
    "compare",
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

OK, MISUSE, INCOMPLETE, INTERRUPTED = 0, 2, 3, 130

EXITS = "Exit status: 0 all done, 2 bad use (one line says what to change), 3 done, but not all was found."


def application() -> App:
    """Return the parser of all commands; their modules are light, so that all are imported for the list in the help."""
    app = App(
        name="geomrob",
        help="Measure where the decision boundary of an image classifier lies.",
        help_epilogue=EXITS,
        help_format="plaintext",
        version=__version__,
        default_parameter=Parameter(negative=()),
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
    """Return the exit status of one `geomrob` command line: 0 done, 2 misuse, 3 incomplete, 130 interrupted.

    Args:
        argv: The words after `geomrob`; by default those of this process.
    """
    try:
        with notes_on_stderr():
            status = application()(sys.argv[1:] if argv is None else list(argv))
    except (CycloptsError, UsageError) as error:
        return _misuse(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else OK


def _misuse(error: Exception) -> int:
    """Report a misuse in one line on stderr and return its exit status."""
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return MISUSE
