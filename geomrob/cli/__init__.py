"""The `geomrob` command: one typed function per subcommand; its signature and docstring are the parser and the help."""

import sys
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, CycloptsError, Parameter

from geomrob import __version__

COMMANDS = {
    "margin": "geomrob.cli.commands.margin:margin",
    "sparsefool": "geomrob.cli.commands.sparsefool:sparsefool",
    "spectrum": "geomrob.cli.spectrum:spectrum",
    "kernels": "geomrob.cli.kernels:kernels",
    "curve": "geomrob.cli.commands.curve:curve",
    "boundary": "geomrob.cli.commands.boundary:boundary",
    "transfer": "geomrob.cli.commands.transfer:transfer",
    "audit": "geomrob.cli.commands.audit:audit",
    "models": "geomrob.cli.models:models",
    "corrupt": "geomrob.cli.corrupt:corrupt",
    "corruptions": "geomrob.cli.corruptions:corruptions",
    "layers": "geomrob.cli.layers:layers",
    "geometry": "geomrob.cli.geometry:geometry",
    "augment": "geomrob.cli.augment:augment",
    "train": "geomrob.cli.train:train",
}

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
    for name, home in COMMANDS.items():
        module, _, function = home.partition(":")
        app.command(getattr(import_module(module), function), name=name)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of one `geomrob` command line: 0 done, 2 misuse, 3 incomplete, 130 interrupted.

    Args:
        argv: The words after `geomrob`; by default those of this process.
    """
    try:
        status = application()(sys.argv[1:] if argv is None else list(argv))
    except CycloptsError as error:
        return _misuse(error)
    except ValueError as error:
        # The class is imported here because its module loads torch, which --help must not wait for.
        from geomrob.errors import UsageError

        if not isinstance(error, UsageError):
            raise
        return _misuse(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else OK


def _misuse(error: Exception) -> int:
    """Tell a misuse in one line on stderr and return its exit status."""
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return MISUSE
