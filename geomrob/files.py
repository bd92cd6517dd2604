"""Files written whole or not at all, tensors as npz bytes, paths as users write them."""

import contextlib
import errno
import hashlib
import io
import math
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from geomrob.errors import FileError, UsageError

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What the system says of a path of nothing: a new file may be written there."""


def user_path(given: str | Path, argument: str) -> Path:
    """Return the path that a user wrote, `~` expanded, of something or of nothing, if the system can look there.

    Args:
        given: As written.
        argument: Its name, for the message.

    Raises:
        UsageError: A user without a folder, a name that is too long or that no file can have, a folder on the way that
            may not be entered.

    Example:
        >>> user_path("images", "data").name
        'images'
    """
    path = Path(given)
    try:
        path = path.expanduser()
        if stat.S_ISDIR(path.stat().st_mode):
            (path / "inside").exists()  # raises where the folder may not be entered
    except (RuntimeError, ValueError) as error:
        problem = "a user without a folder" if isinstance(error, RuntimeError) else "a character that no path has"
    except OSError as error:
        if error.errno in ABSENT:
            return path
        problem = str(error.strerror)
    else:
        return path
    raise UsageError(f"{argument} must be a path that can be opened; got {shown(given)} ({problem}): check the path")


def shown(given: object, most: int = 120) -> str:
    """Return a name for a message: in quotes, and its beginning alone where it is very long."""
    text = str(given)
    return repr(text if len(text) <= most else f"{text[: most // 2]}...")


def read_text(path: Path, argument: str, kind: str = "text file", most: int = 1 << 24) -> str:
    """Return the text of a file that a user named, in UTF-8.

    Args:
        path: As `user_path` returns it.
        argument: Its name, for the message.
        kind: What the file should be, likewise.
        most: Bytes that such a file may have.

    Raises:
        UsageError: No such file, no regular one (a pipe never ends), a larger one, or bytes that are no text.
    """
    problem = f"more than {most:,} bytes"
    try:
        if not path.is_file():
            problem = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing there"
        elif path.stat().st_size <= most:
            return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problem = str(error.strerror)
    except ValueError:
        problem = "bytes that are no text in UTF-8"
    raise UsageError(f"{argument} must be a readable {kind}; got {problem} in {shown(path)}: check the path")


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: readers see the old content or the new, never a part of it.

    Raises:
        FileError: The folder is missing or cannot be written to.
        OSError: The disk is full, or fails.
    """
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise FileError(
            f"{path.parent} must be a folder to write to; got {error.strerror}: name a folder you may write to"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; the umask decides what others may read.
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        Path(scratch).replace(path)
    except BaseException:
        # In a folder that is gone there is nothing to remove.
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


SCRATCH = re.compile(r"\..+\.\w{8,16}\.part")
"""What files that are not in their places yet are called."""


def staged_name(path: Path, content: bytes | str) -> Path:
    """Return where a file waits for its place, named by the digest of its content, given or taken."""
    known = content if isinstance(content, str) else hashlib.sha256(content).hexdigest()
    return path.with_name(f".{path.name}.{known[:16]}.part")


def stage(files: Mapping[Path, bytes]) -> None:
    """Write files next to their places, all or none, so that only names are left to change."""
    try:
        for path, content in files.items():
            write_atomic(staged_name(path, content), content)
    except BaseException:
        for path, content in files.items():
            with contextlib.suppress(OSError):
                staged_name(path, content).unlink()
        raise


def move_in(files: Mapping[Path, bytes]) -> None:
    """Move staged files to their places, in this order."""
    for path, content in files.items():
        staged_name(path, content).replace(path)
    for folder in {path.parent for path in files}:
        _sync(folder)


def remove_scratch(folder: Path) -> None:
    """Remove from a folder the files that a killed process was writing."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if SCRATCH.fullmatch(path.name):
                path.unlink(missing_ok=True)


def pack(arrays: Mapping[str, Tensor]) -> bytes:
    """Return named tensors as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{key: a.detach().cpu().numpy() for key, a in arrays.items()})
    return buffer.getvalue()


def unpack(content: bytes, *, most: int | None = None) -> dict[str, Tensor]:
    """Return the named tensors of the bytes of an npz file; nothing in it is run (no pickle).

    Args:
        content: Of the file.
        most: Bytes that an array may take; None for any number.

    Raises:
        UsageError: No such file, a damaged or encrypted one, other arrays than of numbers, larger ones.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                member.filename.removesuffix(".npy"): _array(archive, member, most) for member in archive.infolist()
            }
    # A damaged file fails with whatever exception the byte at hand happens to cause in zipfile or numpy.
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(
            f"arrays must be an npz file of numbers; got something else or a damaged file ({reason}): write it again"
        ) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int | None) -> Tensor:
    """Return one array of an npz file; memory is taken for no more than the file holds."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(cast("Any", file))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(cast("Any", file))
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(f"{member.filename} of {dtype} {shape}")
        if most is not None and size > most:
            raise ValueError(f"{member.filename} of {size:,} bytes")
        data = bytearray(file.read())
    array = np.frombuffer(data, dtype) if size else np.empty(0, dtype)
    return torch.from_numpy(array.reshape(shape, order="F" if fortran else "C"))
