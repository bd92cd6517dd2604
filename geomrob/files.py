"""Files written whole or not at all, and tensors as npz bytes: what results and run folders are stored with."""

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geomrob.errors import UsageError


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: readers see the old content or the new, never a part of it.

    Raises:
        UsageError: The folder is missing or cannot be written to.
    """
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise UsageError(
            f"{path.parent} must be a folder to write to; got {error.strerror}: name a folder you may write to"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files for their owner alone; the umask decides what others may read.
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


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
