"""Corrupted data sets: read where somebody made one, made where nobody did, and never mistaken for each other."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from geomrob.data import DATASETS, load_data
from geomrob.data.arrays.array_files import open_arrays
from geomrob.data.arrays.label_arrays import MOST_CLASSES
from geomrob.data.arrays.npy_pairs import MANIFEST
from geomrob.data.class_names import class_order
from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from geomrob.data.entry import Samples, check_labels, sample_positions, to_images, transformed
from geomrob.data.folder import read_folder
from geomrob.data.folder_layout import list_folder
from geomrob.data.resize import Fit, fit_for, fitted
from geomrob.errors import UsageError, unknown
from geomrob.files import user_path

Source: TypeAlias = Literal["ready-made", "made"]

# Where a ready-made set lies below the data folder; image folders have theirs in the last.
FOLDERS = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}
IMAGENET = "ImageNet-C"
WRITTEN = {"data": str, "seed": int, "finished": list}
"""Entries of the note that `geomrob corrupt` leaves, and their types."""


@dataclass(frozen=True)
class Corrupted:
    """Images of one data set under one corruption.

    `source` says whether they were read from a distributed set (`ready-made`), or made by geomrob (`made`), now or
    before. Numbers of the two kinds do not belong into one column unmarked.
    """

    samples: Samples
    corruption: str
    severity: int
    source: Source


def load_corrupted(
    data: str | Path,
    name: str,
    severity: int,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    samples: int | None = None,
    seed: int = 0,
    table: str = "auto",
    transform: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    crop: float = 1.0,
    interpolation: str = "bilinear",
) -> Corrupted:
    """Return the images of a data set under a corruption: those of a set on disk, or else made now.

    A set on disk always wins. It is looked for in `data` itself, where that is a folder with `NAME.npy` or
    `NAME/SEVERITY/class/image.JPEG`; for cifar10 and cifar100 in `CIFAR-10-C` and `CIFAR-100-C` of the data folder; for
    a folder of images in `ImageNet-C` of the data folder, where that has its classes. The same draw (`samples`, `seed`)
    takes the same images as `load` and has the same `indices`.

    Args:
        data: As in `load_data`, or the folder of a set of corrupted images.
        name: A row of `CORRUPTIONS`.
        severity: 1 to 5.
        split: As in `load_data`; sets on disk are of the test images.
        data_dir: As in `load_data`; without one (and without GEOMROB_DATA) a set on disk is only looked for in `data`.
        samples: As in `load_data`.
        seed: Of the draw, and of what is random in a corruption that is made.
        table: Constants of a corruption that is made, as in `corrupt`.
        transform: A transform of the corrupted images, as in `load`.
        classes, image_size, crop, interpolation: As in `load`.

    Raises:
        UsageError: As `load` and `corrupt`; or a set on disk of the wrong length or without this corruption.

    Example:
        >>> foggy = load_corrupted("fashion-mnist-1k", "fog", 3, samples=2)
        >>> foggy.samples.images.shape, foggy.source
        (torch.Size([2, 1, 28, 28]), 'made')
    """
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    if severity not in SEVERITIES:
        raise UsageError(f"severity must lie in 1 ... 5; got {severity}: 1 is the weakest, 5 the strongest")
    root = find_corrupted(data, split=split, data_dir=data_dir)
    source: Source = "made"
    if root is not None:
        corrupted = _read(
            root, str(data), name, severity, samples, seed, classes, fit_for(image_size, crop, interpolation)
        )
        source = "ready-made" if read_manifest(root) is None else "made"
    else:
        clean = load_data(
            data,
            split=split,
            data_dir=data_dir,
            samples=samples,
            seed=seed,
            image_size=image_size,
            crop=crop,
            interpolation=interpolation,
            classes=classes,
        )
        images = corrupt(clean.images, name, severity, seed=seed, indices=clean.indices, table=table)
        corrupted = replace(clean, images=images)
    return Corrupted(corrupted if transform is None else transformed(corrupted, transform), name, severity, source)


def find_corrupted(data: str | Path, *, split: str = "test", data_dir: str | Path | None = None) -> Path | None:
    """Return the folder that holds `data` corrupted, None if there is none: then `load_corrupted` makes the images.

    Args:
        data, split, data_dir: As in `load_corrupted`.

    Example:
        >>> find_corrupted("fashion-mnist-1k") is None
        True
    """
    below = data_dir or os.environ.get("GEOMROB_DATA")
    return _set_on_disk(str(data), None if below is None else user_path(below, "data_dir"), split)


def _set_on_disk(data: str, data_dir: Path | None, split: str) -> Path | None:
    """Return the folder that holds `data` corrupted, if there is one."""
    path = user_path(data, "data")
    if data not in DATASETS and path.is_dir() and any(_holds(path, name) for name in CORRUPTIONS):
        return path
    if data_dir is None or split != "test":
        return None
    if data in FOLDERS:
        root = data_dir / FOLDERS[data]
        return root if root.is_dir() else None
    root = data_dir / IMAGENET
    return root if data not in DATASETS and path.is_dir() and root.is_dir() and _shares(path, root) else None


def _holds(root: Path, name: str) -> bool:
    """Return whether a folder holds a corruption in one of the two layouts."""
    return (root / f"{name}.npy").is_file() or (root / name / "1").is_dir()


def _shares(path: Path, root: Path) -> bool:
    """Return whether a set of image folders has the classes of the images in `path`."""
    first = next((root / name / "1" for name in CORRUPTIONS if (root / name / "1").is_dir()), None)
    return first is not None and all((first / name).is_dir() for name in list_folder(path, "test").classes)


def _read(
    root: Path,
    data: str,
    name: str,
    severity: int,
    samples: int | None,
    seed: int,
    classes: str | Path | Sequence[str] | None,
    fit: Fit | None,
) -> Samples:
    """Return one block of a set on disk."""
    if (root / f"{name}.npy").is_file():
        return fitted(_read_arrays(root, data, name, severity, samples, seed), fit)
    folder = root / name / str(severity)
    if not folder.is_dir():
        have = ", ".join(one for one in CORRUPTIONS if _holds(root, one)) or "none"
        raise UsageError(
            f"{root} must hold {name}.npy or {name}/{severity}; got {have}: add it, or move {root.name} away to have "
            "all of them made"
        )
    made = read_manifest(root)
    if made is not None and name not in made["finished"]:
        raise UsageError(f"{name} of {root} must be whole; got a run of geomrob corrupt that was stopped: run it again")
    own = user_path(data, "data")
    order = None if classes is None else class_order(classes)
    if own == root:
        return read_folder(folder, "test", samples, seed, order=order, fit=fit)
    only = list_folder(own, "test", order=order).classes
    return read_folder(folder, "test", samples, seed, only=only, fit=fit)


def _read_arrays(root: Path, data: str, name: str, severity: int, samples: int | None, seed: int) -> Samples:
    """Return one severity of `name.npy`, which holds the test images five times, severity after severity."""
    images = open_arrays(root / f"{name}.npy")["x"]
    labels = open_arrays(root / "labels.npy")["x"].all()
    known = DATASETS.get(data)
    count = known.splits["test"] if known else images.shape[0] // 5
    size = (*known.shape[1:], known.shape[0]) if known else images.shape[1:]
    if images.shape != (5 * count, *size) or len(images.shape) != 4 or images.dtype != np.uint8:
        shape = ", ".join((f"{5 * count:,}", *(str(side) for side in size)))
        wanted = f"({shape}) bytes, the {count:,} test images five times, severity after severity"
        raise UsageError(f"{name}.npy must hold {wanted}; got {images.dtype} {images.shape}: fetch it again")
    if labels.shape != (5 * count,):
        raise UsageError(
            f"labels.npy must hold {5 * count:,} labels, those of the {count:,} test images five times; got "
            f"{labels.shape}: repeat them with numpy.tile(labels, 5), or fetch the file again"
        )
    if labels.dtype.kind not in "iu":
        raise UsageError(f"labels.npy must hold class numbers; got {labels.dtype}: store integers from 0")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < MOST_CLASSES:
        raise UsageError(f"labels.npy must be from 0 to {MOST_CLASSES - 1:,}; got others: number the classes from 0")
    labels = labels.astype(np.int64)
    if not np.array_equal(labels.reshape(5, count), np.broadcast_to(labels[:count], (5, count))):
        raise UsageError("labels.npy must hold the same labels five times; got others: sort it severity after severity")
    names = (read_manifest(root) or {}).get("classes") or [str(one) for one in range(int(labels.max(initial=0)) + 1)]
    classes = known.classes if known else tuple(names)
    check_labels(labels, len(labels), classes, f"{root.name}/labels.npy")
    chosen = sample_positions(count, samples, seed)
    block = images.take((severity - 1) * count + chosen.numpy()).transpose(0, 3, 1, 2)
    return Samples(to_images(block), torch.from_numpy(labels[:count])[chosen], classes, chosen, data)


def read_manifest(root: Path) -> dict[str, Any] | None:
    """Return the settings that a set was made with by geomrob, None for one that it did not make."""
    try:
        content = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(content, dict) and all(type(content.get(key)) is kind for key, kind in WRITTEN.items()):
            return content
        error: object = "other entries than geomrob writes"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as broken:
        error = broken
    raise UsageError(f"{root / MANIFEST} must be readable; got {error}: remove the folder and make it again")
