"""The `geomrob` command: one typed function per subcommand; its signature and docstring are the parser and the help."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from cyclopts import App, CycloptsError, Parameter, Token, convert
from cyclopts.config import Dict
from cyclopts.exceptions import UnusedCliTokensError

from geomrob import __version__
from geomrob.cli.config_file import named_file, read_options
from geomrob.cli.console import notes_on_stderr
from geomrob.cli.help import Paragraphs, default
from geomrob.cli.invocation import Invocation, invoked
from geomrob.errors import FileError, ShardDone, UsageError

NORM_NAMES = {"1": "l1", "2": "l2", "inf": "linf"}

COMMANDS = {
    "margin": "measure.margin",
    "sparsefool": "measure.sparsefool",
    "spectrum": "measure.spectrum",
    "kernels": "measure.kernels",
    "curve": "measure.curve",
    "robust": "measure.robust",
    "boundary": "measure.boundary",
    "transfer": "measure.transfer",
    "compare": "compare",
    "report": "report",
    "audit": "measure.audit",
    "models": "models",
    "data": "data",
    "corrupt": "corrupt",
    "corruptions": "measure.corruptions",
    "layers": "measure.layers",
    "geometry": "measure.geometry",
    "augment": "augment",
    "train": "train",
    "reproduce": "reproduce",
    "merge": "merge",
}
"""The commands, each with its module in `geomrob/cli/commands`, which has a function of its name."""

OK, FAILED, MISUSE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

LONGEST = 200
"""Letters of a word in a message, such as a path, before its middle is left out."""

EXITS = (
    "Exit status: 0 all done, 1 failed (disk, memory, closed output), 2 bad use (one line says what to change), "
    "3 done, but not all was found (0 with --allow-missing), 130 interrupted (one line says how to resume)."
)


def function_of(command: str) -> Callable[..., int]:
    """Return the function of a command."""
    return getattr(import_module(f"geomrob.cli.commands.{COMMANDS[command]}"), command)


def application() -> App:
    """Return the parser of all commands; their modules are light, so that all are imported for the list in the help."""
    app = App(
        name="geomrob",
        help="Measure where the decision boundary of an image classifier lies.",
        help_epilogue=EXITS,
        help_format="plaintext",
        version=__version__,
        default_parameter=Parameter(negative=(), converter=_exact, show_default=default),
        help_formatter=Paragraphs(),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name in COMMANDS:
        app.command(function_of(name), name=name)
    app.register_install_completion_command(help="Write completion for this shell, and a line that loads it.")
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of one `geomrob` command line.

    It is 0 done, 1 failed, 2 misuse, 3 incomplete or 130 interrupted.

    Args:
        argv: The words after `geomrob`; by default those of this process.
    """
    if not _streams():
        return FAILED
    with invoked(sys.argv[1:] if argv is None else argv) as call:
        try:
            if sys.flags.optimize > 1 and (not call.words or {"--help", "-h"} & set(call.words)):
                raise UsageError("help must be made of docstrings; got a Python that drops them: unset PYTHONOPTIMIZE")
            with notes_on_stderr():
                status = _call(call)
            sys.stdout.flush()
        except (CycloptsError, UsageError, OSError, MemoryError) as error:
            return _failure(error, call)
        except RuntimeError as error:
            if not any(part in str(error) for part in ("out of memory", "allocate memory", "not enough memory")):
                raise
            return _failure(MemoryError(), call)
        except KeyboardInterrupt:
            call.quiet = False
            sys.stderr.write(f"{call.resuming()}\n")
            return INTERRUPTED
    return OK if status == INCOMPLETE and call.allow_missing else status


def _call(call: Invocation) -> int:
    """Return the status of the command that the words name; of a shard, whose result is made later, it is 0."""
    app = application()
    if (path := named_file(call.words)) is not None:
        # Below the command: at the top, names that are commands too would be passed over.
        app.config = Dict({call.words[0]: read_options(path)}, source=str(path))
    command, bound, _ = app.parse_args(call.words)
    bound.apply_defaults()
    call.take(bound.arguments)
    try:
        status = command(*bound.args, **bound.kwargs)
    except ShardDone as end:
        sys.stdout.write(f"{end}\n")
        return OK
    return status if isinstance(status, int) else OK


def _streams() -> bool:
    """Return whether stdout is open; what is closed is opened to nowhere, so that no file takes its number."""
    closed = sys.stdout is None
    if closed or sys.stderr is None:
        while os.open(os.devnull, os.O_RDWR) <= 2:
            pass
        nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    if closed:
        sys.stderr.write("error: stdout must be open; got a closed one: redirect it to a file or /dev/null\n")
    return not closed


def _failure(error: BaseException, call: Invocation) -> int:
    """Report in one line on stderr what went wrong, and return the exit status: misuse, or a failure of the machine."""
    call.quiet = False
    told = str(error)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        told = f"files must be readable and writable; got {error.strerror or error}{where}: mend that and run it again"
    elif isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        told = f"words must follow an option; got {words!r}: write --model {words} if it is a model, see --help"
    elif isinstance(error, MemoryError):
        told = "memory must hold one image and its search; got too little: lower --memory or --samples"
    told = re.sub(rf"\S{{{LONGEST},}}", lambda word: f"{word[0][:60]}...{word[0][-60:]}", " ".join(told.split()))
    sys.stderr.write(f"error: {told}\n")
    if isinstance(error, FileError):
        # Python writes what is left when it ends, and would fail with a message of its own.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED if isinstance(error, (FileError, OSError, MemoryError)) else MISUSE


def _exact(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return the words of an option as its type, as cyclopts does, which would round a fraction to a whole number."""
    whole = int in (kind, *get_args(kind)) and float not in get_args(kind)
    if whole and any("." in token.value or len(token.value) > 20 for token in tokens):
        wrong = " ".join(token.value for token in tokens)
        name = (tokens[0].keyword or "value").strip("-[]")
        raise UsageError(f"{name} must be a whole number of at most 20 digits; got {wrong!r}: write digits alone")
    return convert(kind, [_as_named(kind, token) for token in tokens])


def _as_named(kind: Any, token: Token) -> Token:
    """Return a norm as the command names it: `--norm` takes 1, 2, inf and l1, l2, linf everywhere."""
    if (token.keyword or "").strip("-[]") != "norm":
        return token
    names = NORM_NAMES if float not in (kind, *get_args(kind)) else {name: norm for norm, name in NORM_NAMES.items()}
    return token.evolve(value=names.get(token.value, token.value))
