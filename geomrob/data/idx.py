"""The IDX files of MNIST and Fashion-MNIST, plain or gzipped, in the folder layout of torchvision."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geomrob.data.entry import Arrays
from geomrob.errors import UsageError
from geomrob.files import user_path

# A file of more bytes than this is no archive of so few: zlib packs at most 1,032 zeros into a byte, images far fewer.
MOST_BYTES, MOST_RATIO = 2**28, 100
PREFIX = {"train": "train", "test": "t10k"}


def read(folder: Path, split: str) -> Arrays:
    """Return the images (N, 1, H, W) uint8, the labels and the positions (N,) int64 of one split.

    Args:
        folder: Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`, each with or
            without `.gz`.
        split: `train` or `test`.

    Raises:
        UsageError: A file is missing, cut off or no IDX file of that rank.
    """
    images = read_idx(find_file(folder, f"{PREFIX[split]}-images-idx3-ubyte"), rank=3)
    labels = read_idx(find_file(folder, f"{PREFIX[split]}-labels-idx1-ubyte"), rank=1)
    return images[:, None], labels.astype(np.int64), np.arange(len(images))


def find_file(folder: Path, stem: str) -> Path:
    """Return the plain or gzipped file named `stem` in `folder`."""
    for name in (stem, f"{stem}.gz"):
        if user_path(folder / name, "data_dir").is_file():
            return folder / name
    raise UsageError(
        f"data_dir must hold {folder.parent.name}/{folder.name}/{stem}.gz; nothing there: put it into {folder}"
    )


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes of an IDX file as an array of `rank` dimensions.

    The header is two zero bytes, the type (8: unsigned bytes), the rank, then one big-endian 32-bit size a dimension.

    Raises:
        UsageError: Not such a file, or its length is not what its header says.
    """
    start = 4 + 4 * rank
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(start)
            if len(head) < start or head[:4] != bytes([0, 0, 8, rank]):
                raise UsageError(
                    f"{path} must be an IDX file of bytes in {rank} dimensions; got another header: fetch it again"
                )
            shape = tuple(int(size) for size in np.frombuffer(head, ">u4", rank, offset=4))
            if 0 in shape[1:]:
                raise UsageError(f"{path} must hold images; got a header of {shape} bytes: fetch it again")
            size = math.prod(shape)
            if size > MOST_RATIO * max(path.stat().st_size, MOST_BYTES // MOST_RATIO):
                raise UsageError(f"{path} must hold images; got a header that asks for {shape} bytes: fetch it again")
            # One byte more, so that what follows is noticed, and the checksum compared.
            data = file.read(size + 1)
            rest = len(file.read(MOST_BYTES)) if len(data) > size else 0
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} must be a readable IDX file; got {error}: fetch it again") from None
    if len(data) != size:
        length = f"{len(data) + rest} bytes for shape {shape}"
        raise UsageError(f"{path} must be as long as its header says; got {length}: fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()
