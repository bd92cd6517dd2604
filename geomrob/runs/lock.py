"""The lock of a folder: one process at a time; that of a process that is gone is taken over."""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from geomrob.errors import UsageError

try:
    import fcntl
except ImportError:  # there is none on Windows
    fcntl = None

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the lock of a folder.

    The file names the process. Where the file system can lock files, the system drops the lock with the process,
    however that ends; the name is read as well, for file systems that cannot and for other machines.

    Raises:
        UsageError: Another process holds it.
    """
    path = folder / NAME
    with _held(path) as file:
        file.seek(0)
        file.truncate()
        file.write(json.dumps(_this_process()).encode())
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _held(path: Path) -> IO[bytes]:
    """Return the file, locked.

    Raises:
        UsageError: Another process holds it.
    """
    while True:
        file = path.open("a+b")
        free = _lock(file)
        file.seek(0)
        holder = _named(file.read())
        if not free or _lives(holder):
            file.close()
            who = f"process {holder.get('pid', '')} on {holder.get('host', '')}" if holder else "another process"
            raise UsageError(
                f"out must be a folder that no other run works in; got {path.parent}, where {who} does: wait for it, "
                f"name another --out, or delete {path} if that process is gone"
            )
        # Who held it before has removed the file that was opened: a lock on that one locks nothing.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()


def _lock(file: IO[bytes]) -> bool:
    """Return whether no other process has locked the file; it is locked now, where the file system can do that."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _named(content: bytes) -> dict[str, Any]:
    """Return the process that a lock names, nothing if it names none."""
    try:
        holder = json.loads(content)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _lives(holder: dict[str, Any]) -> bool:
    """Return whether the process that a lock names may still run: surely gone is one of this machine alone."""
    if not holder:
        return False
    own = _this_process()
    same = {key: holder.get(key) == own[key] for key in ("host", "boot")}
    if not any(same.values()):
        return True
    # The machine was started again since, or its containers have names of their own.
    if not all(same.values()) or holder.get("pid") == own["pid"]:
        return False
    started = _started(holder.get("pid"))
    return bool(started) and started == holder.get("started")


def _this_process() -> dict[str, Any]:
    """Return what names this process."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot": _boot(), "started": _started(os.getpid())}


def _started(pid: object) -> str:
    """Return when a process was started, in ticks since the start of the machine; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _boot() -> str:
    """Return what a machine is called from one start to the next; nothing where that is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
