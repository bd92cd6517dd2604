"""Data sets by name: the table `DATASETS`, and the function that reads them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from geomrob.data import cifar, class_names, datasets, embedded, folder, idx, synthetic, webdataset
from geomrob.data.arrays import array_files, named_arrays, npy_pairs
from geomrob.data.entry import (
    DatasetEntry,
    Samples,
    TooFewError,
    check_labels,
    joined,
    sample_positions,
    to_images,
    transformed,
)
from geomrob.data.resize import Fit, fit_for, fitted
from geomrob.errors import UsageError, note, unknown
from geomrob.files import user_path

__all__ = ["DATASETS", "DatasetEntry", "Samples", "in_box", "joined", "load_data"]

CLOTHES, DIGITS = (tuple(names[0] for names in table) for table in (class_names.CLOTHES, class_names.DIGITS))
THESIS = "Modas, Robustness and invariance properties of image classifiers, EPFL 2022"

DATASETS: dict[str, DatasetEntry] = {
    "fashion-mnist-1k": DatasetEntry(
        reader=embedded.read,
        folder=None,
        shape=(1, 28, 28),
        classes=CLOTHES,
        splits={"test": 1_000},
        licence="MIT, Zalando SE",
        reference="The first 100 images of each class of the Fashion-MNIST test set, embedded in the package.",
    ),
    "fashion-mnist": DatasetEntry(
        reader=idx.read,
        folder="FashionMNIST/raw",
        shape=(1, 28, 28),
        classes=CLOTHES,
        splits={"train": 60_000, "test": 10_000},
        licence="MIT, Zalando SE",
        reference="Xiao, Rasul, Vollgraf, Fashion-MNIST, 2017; https://github.com/zalandoresearch/fashion-mnist",
    ),
    "mnist": DatasetEntry(
        reader=idx.read,
        folder="MNIST/raw",
        shape=(1, 28, 28),
        classes=DIGITS,
        splits={"train": 60_000, "test": 10_000},
        licence="CC BY-SA 3.0, LeCun, Cortes, Burges",
        reference="LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.",
    ),
    "cifar10": DatasetEntry(
        reader=cifar.read10,
        folder="cifar-10-batches-py",
        shape=(3, 32, 32),
        classes=cifar.CLASSES10,
        splits={"train": 50_000, "test": 10_000},
        licence="none stated",
        reference="Krizhevsky, Learning multiple layers of features from tiny images, 2009; "
        "https://www.cs.toronto.edu/~kriz/cifar.html (the python version)",
    ),
    "cifar100": DatasetEntry(
        reader=cifar.read100,
        folder="cifar-100-python",
        shape=(3, 32, 32),
        classes=cifar.CLASSES100,
        splits={"train": 50_000, "test": 10_000},
        licence="none stated",
        reference="Krizhevsky, Learning multiple layers of features from tiny images, 2009; "
        "https://www.cs.toronto.edu/~kriz/cifar.html (the python version)",
    ),
    "t1": DatasetEntry(
        reader=synthetic.read("t1"),
        folder=None,
        shape=(1, 1, 100),
        classes=synthetic.CLASSES,
        splits={"train": 10_000, "test": 10_000},
        licence="none needed: drawn on the spot",
        reference=f"{THESIS}, section 4.2.2: T1(5, 1) of geomrob.data.synthetic, seed 0.",
        boxed=False,
    ),
    "t2": DatasetEntry(
        reader=synthetic.read("t2"),
        folder=None,
        shape=(1, 1, 100),
        classes=synthetic.CLASSES,
        splits={"train": 10_000, "test": 10_000},
        licence="none needed: drawn on the spot",
        reference=f"{THESIS}, section 4.4.1: T2(20, 1, 1, 3) of geomrob.data.synthetic, seed 0.",
        boxed=False,
    ),
}


def in_box(samples: Samples) -> bool:
    """Return whether the images of the data set, before any edit, lie in [0, 1], as all but synthetic ones do."""
    return samples.source not in DATASETS or DATASETS[samples.source].boxed


def load_data(
    name: Any,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    samples: int | None = None,
    seed: int = 0,
    transform: str | None = None,
    at_most: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    crop: float = 1.0,
    interpolation: str = "bilinear",
    classes: str | Path | Sequence[str] | None = None,
) -> Samples:
    """Return images in [0, 1] with their labels, all of a split or a seeded draw from it.

    Args:
        name: A row of `DATASETS`; the path of an image folder (`class/image.png`, or `test/class/image.png`), or of a
            file of arrays (`.npz`, `.npy`, `.pt`, `.safetensors`, `.tar`); or a Python object: `(images, labels)`, a
            Dataset, a DataLoader ... (`docs/models-and-data.md` lists what is accepted).
        split: `test` or `train`. The embedded set has only `test`.
        data_dir: The folder that holds `MNIST/raw`, `FashionMNIST/raw`, `cifar-10-batches-py`, `cifar-100-python` (the
            layout of torchvision); by default the environment variable GEOMROB_DATA. Nothing is ever downloaded.
        samples: How many images to draw without replacement, at least 1; None takes all in source order.
        seed: Of that draw, which is the same on every machine.
        transform: A transform of the images, such as `lowpass:16` or `flip`
            (`geomrob.spectral.frequency_filters.transform`). Transformed images may leave [0, 1]; the name
            of the samples names the transform.
        at_most: As `samples`, but of a smaller set all are taken, with a note; where `samples` is not given.
        image_size: Side, or height and width, that images are resized and cropped to (`geomrob.data.resize`); None
            keeps their size. Images that all have that size already are taken as they are.
        crop, interpolation: How (`geomrob.data.resize.Fit`); what the model was trained with.
        classes: Of an image folder, the names of its classes in the order of their numbers: a list, or a file
            (`geomrob.data.class_names.class_order`); by default `classes.txt` in the folder if there is one, else the
            names in order.

    Returns:
        The samples. What was left out, renumbered or converted stands in `notes`; files of a folder that cannot be read
        are named in `skipped`.

    Raises:
        UsageError: Unknown name, missing or damaged file, unknown split, too many samples, values outside [0, 1],
            unknown transform.

    Example:
        >>> clothes = load_data("fashion-mnist-1k", samples=20)
        >>> clothes.images.shape, clothes.classes[0]
        (torch.Size([20, 1, 28, 28]), 'T-shirt/top')
    """
    settings = Settings(split, seed, data_dir, fit_for(image_size, crop, interpolation), classes)
    try:
        read = _read(name, settings, at_most if samples is None else samples)
    except TooFewError as error:
        if samples is not None:
            raise
        read = _read(name, settings, error.available)
        text = f"all {error.available} images of {read.name} are taken: fewer than the {at_most} of the default"
        read = replace(read, notes=(*read.notes, text))
    for text in read.notes:
        note(text)
    return read if transform is None else transformed(read, transform)


@dataclass(frozen=True)
class Settings:
    """What images are read with, besides how many."""

    split: str
    seed: int
    data_dir: str | Path | None
    fit: Fit | None
    classes: str | Path | Sequence[str] | None


def _read(source: Any, settings: Settings, samples: int | None) -> Samples:
    """Return the samples of a row of the table, of a path or of an object, at the size that was asked for."""
    known = None if settings.classes is None else class_names.class_order(settings.classes)
    path = user_path(source, "data") if isinstance(source, (str, Path)) and str(source) not in DATASETS else None
    if path is not None and path.is_dir() and (kind := array_files.other_kind(path)) is not None:
        raise UsageError(f"data must be an image folder or a file of arrays; got {str(path)!r}, {kind[0]}: {kind[1]}")
    if path is not None and path.is_dir() and not npy_pairs.is_set(path):
        return folder.read_folder(path, settings.split, samples, settings.seed, fit=settings.fit, order=known)
    if path is not None:
        read = _load_file(path, settings, samples, known)
    elif not isinstance(source, (str, Path)):
        read = datasets.read_object(source, settings.split, samples, settings.seed, classes=known, fit=settings.fit)
    elif known is not None:
        raise UsageError(f"classes must go with an image folder; got {source}, which names its own: leave it out")
    else:
        read = _load_row(str(source), settings.split, samples, settings.seed, settings.data_dir)
    return fitted(read if known is None else replace(read, ordered=True), settings.fit)


def _load_row(name: str, split: str, samples: int | None, seed: int, data_dir: str | Path | None) -> Samples:
    """Return the samples of a row of the table."""
    entry = DATASETS[name]
    if split not in entry.splits:
        raise UsageError(f"split must be one of {', '.join(entry.splits)} for {name}; got {split!r}: pass one of those")
    root = Path() if entry.folder is None else _data_dir(name, entry.folder, data_dir)
    images, labels, indices = entry.reader(root / (entry.folder or ""), split)
    check_labels(labels, len(images), entry.classes, f"{name} ({split})")
    chosen = sample_positions(len(labels), samples, seed)
    kept = chosen.numpy()
    drawn = to_images(images[kept])
    numbers, positions = torch.from_numpy(labels[kept]), torch.from_numpy(indices[kept])
    text = f"{name} ({split}) has {entry.splits[split]:,} images; {len(labels):,} are here: it may be cut off"
    notes = () if len(labels) == entry.splits[split] else (text,)
    return Samples(drawn, numbers, entry.classes, positions, name, notes=notes)


def _load_file(path: Path, settings: Settings, samples: int | None, classes: Sequence[str] | None) -> Samples:
    """Return the samples of a file of arrays or of a tar."""
    split, seed = settings.split, settings.seed
    path, severity = npy_pairs.severity_of(path)
    endings, suffix = (*array_files.SUFFIXES, ".tar"), path.suffix.lower()
    if path.is_dir():
        names = ", ".join(file.name for file in sorted(path.glob("*.npy")) if file.name != "labels.npy")
        raise UsageError(f"data must be one file of {path}; got the folder: pass one of {names or 'none'}")
    if path.is_file() and suffix == ".npy":
        return npy_pairs.read_npy(path, severity, split, samples, seed, classes)
    if path.is_file() and suffix == ".tar":
        return webdataset.read_tar(path, split, samples, seed, classes=classes, fit=settings.fit)
    if path.is_file() and suffix in endings:
        return named_arrays.read_arrays(path, split, samples, seed, classes)
    if path.is_file() or suffix in endings or len(path.parts) > 1:
        kind, advice = "which is neither", "check the path"
        if path.is_file():
            other = ("a file of another kind", "save images and labels with numpy.savez")
            kind, advice = array_files.other_kind(path) or other
        raise UsageError(
            f"data must be an image folder or a file {', '.join(endings)}; got {str(path)!r}, {kind}: {advice}"
        )
    error = unknown("data", str(path), DATASETS)
    raise UsageError(f"{error}; there is no folder or file of that name either")


def _data_dir(name: str, below: str, given: str | Path | None) -> Path:
    """Return the folder that holds the data sets: the one given, else the one that GEOMROB_DATA names."""
    root = given or os.environ.get("GEOMROB_DATA")
    if not root:
        wanted = f"the folder that holds {below}"
        raise UsageError(
            f"data_dir must be given for {name}; got none: pass --data-dir or set GEOMROB_DATA to {wanted}"
        )
    path = user_path(root, "data_dir")
    if not (path / below).is_dir():
        source = DATASETS[name].reference.split("; ")[-1]
        raise UsageError(
            f"data_dir must hold {below}; got {str(path)!r} without it: put the files of {name} there ({source})"
        )
    return path
