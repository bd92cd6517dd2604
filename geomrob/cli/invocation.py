"""One call of `geomrob`: its words, what they mean, the run in its folder, and the log of what was written."""

import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from geomrob.cli.config_file import as_toml
from geomrob.cli.options import NEUTRAL, WRITING, Output, Shown
from geomrob.errors import FileError, UsageError

if TYPE_CHECKING:
    from geomrob.runs import Run
    from geomrob.runs.folder import Engine

MOST_WORKERS, MOST_GPUS = 4096, 64
LOG = "log.txt"
HIDDEN = ".geomrob"
"""Where the run of a command lies that writes a data set: what reads the set passes over hidden names."""

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and moves of a terminal."""


@dataclass
class Invocation:
    """One call of the command.

    Attributes:
        words: Those after `geomrob`.
        settings: What the options mean, defaults included, those that a run does not depend on left out.
        config: The same and those of the machine as a file that --config takes; of what runs.
        format: Of the tables on stdout.
        quiet: Whether nothing goes to stderr.
        allow_missing: Whether what was not found is no failure.
        tensorboard: Folder of a log of rows and pictures.
        run: The run in the folder of results, once the command has opened it.
        fresh: The folder of results, if this call has made it.
    """

    words: list[str]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    config: str = ""
    format: str = "table"
    quiet: bool = False
    allow_missing: bool = False
    tensorboard: Path | None = None
    run: "Run | None" = None
    fresh: Path | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _unwritten: list[str] = field(default_factory=list[str])

    def take(self, options: Mapping[str, Any]) -> None:
        """Take what the bound options say of the call itself.

        Raises:
            UsageError: --json with another format; a log without TensorBoard.
        """
        self.settings = resolved(options)
        self.config = as_toml(next(iter(self.words), ""), resolved(options, WRITING))
        shown = next((value for value in options.values() if isinstance(value, Shown)), Shown())
        if shown.json and shown.format not in ("table", "json"):
            raise UsageError(f"json must go without another format; got --format {shown.format}: leave --json out")
        self.format, self.quiet = "json" if shown.json else shown.format, shown.quiet
        if isinstance(shown, Output):
            self.allow_missing = shown.allow_missing
        self.tensorboard = options.get("tensorboard") or getattr(shown, "tensorboard", None)
        if self.tensorboard is not None:
            from geomrob.interop.tensorboard import check_tensorboard

            check_tensorboard()

    def open_run(self, command: str, out: Path, options: Output) -> None:
        """Open the run in a folder, once, and hold its lock until the command ends.

        Raises:
            UsageError: As `Run`; a shard that is none.
        """
        if self.run is not None:
            return
        from geomrob.runs import Run

        self.run = Run(
            out,
            overwrite=options.overwrite,
            shard=_shard(options.shard),
            command=self.words,
            settings={"command": command, **self.settings},
            report=lambda text: sys.stderr.write(f"{text}\n"),
            engine=_engine(options),
        )
        self._held.enter_context(self.run)

    def close(self) -> None:
        """Give the folder back."""
        self.log("")
        self._held.close()
        hidden = self.run.folder if self.run is not None and self.run.folder.name == HIDDEN else None
        for folder in (hidden, self.fresh):
            # It stays where something is in it.
            with suppress(OSError):
                if folder is not None:
                    folder.rmdir()

    def resuming(self) -> str:
        """Return what is there after an interruption, and the command that goes on with it."""
        command = shlex.join(["geomrob", *(word for word in self.words if not word.startswith("--overwrite"))])
        if self.run is None or not self.run.active or not any((self.run.folder / "parts").glob("*/*.npz")):
            return f"interrupted; run it again with: {command}"
        return f"interrupted; what is finished is kept in {self.run.folder}; resume with: {command}"

    def log(self, text: str) -> None:
        """Keep what was written, in the log of the run once there is one."""
        self._unwritten.append(_CODES.sub("", text))
        if self.run is not None and self.run.active:
            # A disk that is full fails where it matters.
            with suppress(OSError), (self.run.folder / LOG).open("a", encoding="utf-8", errors="replace") as file:
                file.write("".join(self._unwritten))
            self._unwritten.clear()


class Tee:
    """A stream that writes to another one and to the log of a call.

    Attributes:
        inner: The other stream, for what is no text to keep.
    """

    def __init__(self, inner: Any, name: str, call: Invocation) -> None:
        self.inner, self._name, self._call = inner, name, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def write(self, text: str) -> int:
        """Write to both; what stdout does not take is a failure, what stderr does not take is lost."""
        self._call.log(text)
        if self._name == "stderr" and self._call.quiet:
            return len(text)
        with self._failing():
            self.inner.write(text)
        return len(text)

    def flush(self) -> None:
        """Bring everything out, or fail now."""
        with self._failing():
            self.inner.flush()

    @contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            if self._name == "stdout":
                reason = getattr(error, "strerror", None) or str(error)
                raise FileError(f"stdout must take the tables; got {reason}: what was saved is kept") from error


_current: ContextVar[Invocation | None] = ContextVar("_current", default=None)


def current() -> Invocation | None:
    """Return the call that is running, if there is one."""
    return _current.get()


def silent() -> bool:
    """Return whether the call that is running shows no progress."""
    call = current()
    return call is not None and (call.quiet or call.format == "json")


def current_run(folder: Path | None = None) -> "Run | None":
    """Return the run of the call that is running; if a folder is given, only if it lies there, hidden or not."""
    call = current()
    run = None if call is None else call.run
    if run is None or folder is None:
        return run
    return run if run.folder.resolve() in (folder.resolve(), (folder / HIDDEN).resolve()) else None


@contextmanager
def invoked(words: Sequence[str]) -> Generator[Invocation]:
    """Hold a call: its log is kept, its lock given back at the end, and SIGTERM ends it as Ctrl-C does."""
    call = Invocation(list(words))
    token, streams = _current.set(call), (sys.stdout, sys.stderr)
    with _terminable():
        sys.stdout, sys.stderr = (
            cast("Any", Tee(stream, name, call)) for stream, name in zip(streams, ("stdout", "stderr"), strict=True)
        )
        try:
            yield call
        finally:
            sys.stdout, sys.stderr = streams
            call.close()
            _current.reset(token)


@contextmanager
def _terminable() -> Generator[None]:
    """Let SIGTERM raise KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def resolved(arguments: Mapping[str, Any], without: Sequence[str] = NEUTRAL) -> dict[str, Any]:
    """Return the options of a command as plain values, those of dataclasses one by one, without neutral ones."""
    plain: dict[str, Any] = {}
    for name, value in arguments.items():
        if is_dataclass(value):
            # What the command takes itself, without a name, goes before the shared option of that name.
            plain = resolved({part.name: getattr(value, part.name) for part in fields(value)}, without) | plain
        elif name not in without:
            plain[name] = _located(value)
    return plain


def _located(value: Any) -> Any:
    """Return a value; paths, and names of files that exist, as absolute paths."""
    if isinstance(value, (list, tuple)):
        return [_located(part) for part in value]
    try:
        if isinstance(value, Path) or (isinstance(value, str) and os.sep in value and Path(value).exists()):
            return str(Path(value).resolve())
    except (OSError, ValueError, RuntimeError):
        pass  # Too long a name or a loop of links, say: whoever reads the option refuses it.
    return str(value) if isinstance(value, Path) else value


def _shard(words: str | None) -> tuple[int, int] | None:
    """Return the shard that was written as i/n."""
    if words is None:
        return None
    number, _, shards = words.partition("/")
    if not (number.isascii() and number.isdigit() and shards.isascii() and shards.isdigit()) or len(words) > 20:
        raise UsageError(f"shard must be i/n with i from 1 to n; got {words}: the first of 3 is 1/3")
    return int(number), int(shards)


def _engine(options: Output) -> "Engine":
    """Return what computes the parts.

    Raises:
        UsageError: Ray is not installed; options of Ray without it, or out of range.
    """
    from geomrob.runs.folder import in_process

    given = {"address": options.address, "workers": options.workers, "gpus_per_worker": options.gpus_per_worker or None}
    alone = [name.replace("_", "-") for name, value in given.items() if value is not None]
    if options.engine == "process":
        if alone:
            raise UsageError(f"{alone[0]} must go with --engine ray; got it without: leave it out, or add --engine ray")
        return in_process
    if options.workers is not None and not 1 <= options.workers <= MOST_WORKERS:
        raise UsageError(f"workers must be from 1 to {MOST_WORKERS}; got {options.workers}: leave it out for all CPUs")
    if not 0 <= options.gpus_per_worker <= MOST_GPUS:
        raise UsageError(
            f"gpus-per-worker must be from 0 to {MOST_GPUS}; got {options.gpus_per_worker}: 1 is a whole one"
        )
    from geomrob.interop.ray_engine import check_ray, ray_engine

    check_ray()
    return partial(ray_engine, address=options.address, workers=options.workers, gpus=options.gpus_per_worker)
