"""Files written whole or not at all, and tensors as npz bytes: what results and run folders are stored with."""

import contextlib
import hashlib
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geomrob.errors import FileError, UsageError


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


def unpack(content: bytes) -> dict[str, Tensor]:
    """Return the named tensors of the bytes of an npz file; nothing in it is run (no pickle)."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(
            "arrays must be an npz file of numbers; got something else or a damaged file: write the file again"
        ) from error
