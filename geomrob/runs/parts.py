"""A part of a run as a file: an npz of tensors whose end says what it is part of, and that nothing has changed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from geomrob.files import pack, unpack, write_atomic

_LENGTH = 2
"""Bytes at the end of a zip file that hold the length of the comment behind them: none as `pack` writes it."""


def write_part(path: Path, belongs: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a part whole or not at all, sealed.

    Args:
        path: Where to.
        belongs: What it is part of: the digest of a computation and its key there.
        tensors: By name.
    """
    packed = pack(tensors)
    seal = _seal(packed, belongs)
    write_atomic(path, packed[:-_LENGTH] + len(seal).to_bytes(_LENGTH, "little") + seal)


def read_part(path: Path, belongs: str) -> dict[str, Tensor] | None:
    """Return the tensors of a part, None if it is not there, or not whole and unchanged, or part of something else.

    The seal is checked before anything of the file is read.
    """
    return unpack(content) if (content := sealed(path, belongs)) is not None else None


def sealed(path: Path, belongs: str) -> bytes | None:
    """Return the bytes of a part, None where `read_part` does."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    length = len(_seal(b"", belongs))
    packed, seal = content[:-length], content[-length:]
    if packed[-_LENGTH:] != length.to_bytes(_LENGTH, "little"):
        return None
    return content if seal == _seal(packed[:-_LENGTH] + bytes(_LENGTH), belongs) else None


def _seal(packed: bytes, belongs: str) -> bytes:
    """Return the comment of the zip file."""
    return f"geomrob {belongs} {hashlib.sha256(packed).hexdigest()}".encode()
