"""A webdataset: a `.tar` of images and labels that share a name, read in place, never unpacked to the disk."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from geomrob.data.entry import Samples, sample_positions
from geomrob.data.image_files import BROKEN, SUFFIXES, is_grey, open_image, read_image
from geomrob.data.label_arrays import class_numbers
from geomrob.data.named_arrays import LABELS
from geomrob.data.pictures import one_size
from geomrob.data.resize import Fit
from geomrob.errors import UsageError

CLASS_NAMES = (".cls", ".txt", ".index")
# More bytes than any label takes.
MOST = 1 << 20


class Entry(NamedTuple):
    """Where the image and the label of one sample lie in the tar: offset and size in bytes."""

    name: str
    image: tuple[int, int]
    label: tuple[int, int]
    kind: str


def read_tar(
    path: Path,
    split: str,
    samples: int | None,
    seed: int,
    *,
    classes: Sequence[str] | None = None,
    fit: Fit | None = None,
) -> Samples:
    """Return the drawn images of a webdataset with their labels.

    `0001.jpg` belongs with `0001.cls` (a class number or a name), or with `0001.json`, whose `label`, `cls`, `target` ...
    is taken. Images are decoded as those of a folder are; one that cannot be read is left out, named in `skipped`, and the
    next of the draw takes its place.

    Args:
        path: The `.tar`.
        split: Must be `test`: each split has tars of its own.
        samples, seed: Of the draw, in the order of the tar.
        classes: Names of the classes in the order of their numbers.
        fit: Size to resize and crop to, where sizes differ.

    Raises:
        UsageError: No tar, cut off, no image with a label, two of one name, none readable, images of differing size.
    """
    if split != "test":
        raise UsageError(f"split must be test for {path}; got {split!r}: pass the tar of that split")
    try:
        entries, notes = _entries(path)
        with path.open("rb") as file:
            values = [_label(file, entry, path) for entry in entries]
    except (OSError, tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} must be a readable, uncompressed tar; got {error}: fetch it again") from None
    numbers, names, said = class_numbers(values, len(entries), str(path), classes)
    images, kept, skipped, converted = _drawn(path, entries, samples, seed, fit)
    chosen = torch.tensor(kept)
    every = (*notes, *said, *converted)
    return Samples(images, torch.from_numpy(numbers)[chosen], names, chosen, str(path), skipped, every)
