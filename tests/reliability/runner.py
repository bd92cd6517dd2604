"""Run one bad call in this process, and say in which way it was not handled."""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from geomrob.cli import main

SECONDS = 20
"""A refusal takes less."""

BYTES = 6 << 30
"""Address space that a call may add: torch itself, and no array that a header asks for."""

CACHE = tempfile.mkdtemp(prefix="matplotlib-")

LONGEST = 2500
"""Characters of a sentence: the longest lists all models."""

WRITTEN = ("out", "trained", "inner")
"""What a call may write to, and is removed after it; so are the folders geomrob-COMMAND."""


@dataclass(frozen=True)
class Call:
    """A bad call.

    Attributes:
        kind: What is wrong with it.
        words: Behind `geomrob`.
        status: Exit statuses that are right.
        within: A state of the process during the call, a row of `STATES`.
    """

    kind: str
    words: tuple[str, ...]
    status: tuple[int, ...] = (2,)
    within: str = ""


class TooLong(BaseException):
    """The call did not end in time."""


def problem(call: Call, sandbox: Path) -> str:
    """Return in which way a call was not handled, empty if it was.

    Args:
        call: What is run in the sandbox, as its working folder.
        sandbox: A folder with what calls need (`files.make`), left as it was.
    """
    before, folder = tree(sandbox), Path.cwd()
    os.chdir(sandbox)
    try:
        with _guarded(), STATES[call.within](), _captured() as (out, err):
            status = _status(call.words)
    finally:
        os.chdir(folder)
    printed, said = (stream.buffer.getvalue().decode(errors="replace") for stream in (out, err))
    wrong = _reply(call, status, printed, said) or _files(call, status, before, tree(sandbox), sandbox)
    for name in (*WRITTEN, *(path.name for path in sandbox.glob("geomrob-*"))):
        shutil.rmtree(sandbox / name, ignore_errors=True)
    return wrong


def _status(words: tuple[str, ...]) -> int | str:
    """Return the exit status of a call, or what escaped from it."""
    try:
        return main(list(words))
    except BaseException as error:  # noqa: BLE001 - whatever escapes is what is looked for
        return f"{type(error).__name__}: {error}"[:300]


def _reply(call: Call, status: int | str, printed: str, said: str) -> str:
    """Return what is wrong with status and messages."""
    if isinstance(status, str):
        return f"escaped: {status}"
    if status not in call.status:
        return f"status {status} instead of {call.status}: {said[-300:] or printed[-300:]}"
    lines = said.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    others = [line for line in lines if not line.startswith(("error: ", "note: "))]
    if "Traceback" in said or others:
        return f"more than a sentence: {others[:3]}"
    if status in (1, 2) and (len(errors) != 1 or not 20 < len(errors[0]) < LONGEST):
        return f"no sentence: {errors}"
    return f"printed although it failed: {printed[:100]}" if printed and status in (1, 2) else ""


def _files(call: Call, status: int | str, before: dict[str, object], after: dict[str, object], sandbox: Path) -> str:
    """Return what is wrong with the files that a call leaves."""
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    mine = {name for name in changed if name.split("/")[0] in WRITTEN or name.startswith("geomrob-")}
    if changed - mine:
        return f"changed outside its folder: {sorted(changed - mine)[:3]}"
    if scratch := [name for name in mine if name.endswith((".part", ".writable"))]:
        return f"scratch files left: {scratch[:3]}"
    # A run begins before the analysis looks at its options: what it notes of itself is whole.
    noted = {f"{name.split('/')[0]}/{end}" for name in mine for end in ("run.json", "run.toml", "log.txt")}
    files = [name for name in mine - noted if (sandbox / name).is_file()]
    return f"files written although it failed: {files[:3]}" if files and status == 2 else ""


def tree(folder: Path) -> dict[str, object]:
    """Return size and time of every file below a folder, folders without."""
    parts: dict[str, object] = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = f"{root}/{name}"
            facts = os.lstat(path)
            kind = "folder" if name in folders else (facts.st_size, facts.st_mtime_ns)
            if "__pycache__" not in path:
                parts[os.path.relpath(path, folder)] = kind
    return parts


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """End a call that takes too long, and one that asks for too much memory; restore what it may change."""

    def stop(*_: object) -> None:
        raise TooLong

    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    old, threads, modules, searched = (
        signal.signal(signal.SIGALRM, stop),
        torch.get_num_threads(),
        set(sys.modules),
        [*sys.path],
    )
    environment = dict(os.environ)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, limits[1]))
    os.environ.pop("GEOMROB_DATA", None)
    os.environ["HOME"], os.environ["MPLCONFIGDIR"] = str(Path.cwd()), CACHE
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        torch.set_num_threads(threads)
        for name in {*sys.modules} - modules:
            if name.startswith(("net", "geomrob_user_")):
                del sys.modules[name]
        sys.path[:] = searched
        os.environ.clear()
        os.environ.update(environment)


@contextlib.contextmanager
def _captured() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Yield stdout and stderr as bytes in memory, in the encoding of those outside."""
    encoding = ENCODING[-1]
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding, errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    )
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


ENCODING = ["utf-8"]


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextlib.contextmanager
def _ascii() -> Iterator[None]:
    """Print as PYTHONIOENCODING=ascii does."""
    ENCODING.append("ascii")
    try:
        yield
    finally:
        ENCODING.pop()


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    """Be a user who may not read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def _deleted() -> Iterator[None]:
    """Be in a folder that is deleted."""
    folder = Path.cwd() / "inner"
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    yield


@contextlib.contextmanager
def _no_stdin() -> Iterator[None]:
    """Have no standard input."""
    stream, sys.stdin = sys.stdin, None
    try:
        yield
    finally:
        sys.stdin = stream


STATES = {"": _nothing, "ascii": _ascii, "nobody": _nobody, "deleted": _deleted, "no stdin": _no_stdin}
