"""Images in a `.npy` file with their labels in another beside it, as CIFAR-10-C and `geomrob corrupt` lay them out."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geomrob.data.arrays.array_files import open_arrays
from geomrob.data.arrays.image_arrays import Rows, samples_from
from geomrob.data.arrays.named_arrays import CLASSES, LABELS, candidates, key_of
from geomrob.data.entry import Samples
from geomrob.errors import UsageError

SEVERITIES = 5
# What `geomrob corrupt` leaves in a set that it made, so that it is never taken for the distributed one.
MANIFEST = "geomrob-corrupt.json"


def severity_of(path: Path) -> tuple[Path, int | None]:
    """Return the file and the severity that a path such as `fog.npy@3` names; None for a path without one.

    Example:
        >>> severity_of(Path("fog.npy@3"))[1], severity_of(Path("fog.npy"))[1]
        (3, None)
    """
    named = re.fullmatch(r"(.+\.npy)@([0-9]+)", path.name, flags=re.IGNORECASE)
    if named is None:
        return path, None
    severity = int(named[2])
    if not 1 <= severity <= SEVERITIES:
        raise UsageError(f"severity must lie in 1 ... 5; got {path.name}: 1 is the weakest, 5 the strongest")
    return path.with_name(named[1]), severity


def read_npy(
    path: Path,
    severity: int | None,
    split: str,
    samples: int | None,
    seed: int,
    classes: Sequence[str] | None = None,
) -> Samples:
    """Return the drawn images of a `.npy` file with the labels beside it.

    `x_test.npy` goes with `y_test.npy`, `fog.npy` with `labels.npy` or `fog_labels.npy`; names of the classes are taken
    from `classes.npy` or from the note of `geomrob corrupt`, if there is one. A file of five severities is read whole,
    with a note, unless one is named.

    Args:
        path: The file of images.
        severity: 1 to 5, of a file that holds the same images five times, severity after severity.
        split, samples, seed: As in `samples_of`.
        classes: Names of the classes in the order of their numbers.

    Raises:
        UsageError: No labels beside it, no five severities where one is named, or as `samples_from`.
    """
    images, labels, several, beside, notes = _opened(path, split)
    name = str(path) if severity is None else f"{path}@{severity}"
    count = len(labels) // SEVERITIES
    if severity is not None and not several:
        raise UsageError(
            f"{path} must hold the same images five times for @{severity}; got {images.shape[0]} others: leave @ out"
        )
    if severity is not None:
        images, labels = _block(images, severity), labels[:count]
    elif several:
        hint = f"all are read, {path.name}@3 is severity 3"
        notes.append(f"{path} holds {count} images five times, severity after severity: {hint}")
    known = classes or _classes(path, beside, split)
    return samples_from(images, labels, known, name, samples, seed, notes=notes)


def is_set(folder: Path) -> bool:
    """Return whether a folder holds arrays, and no folders of images."""
    try:
        inside = list(folder.iterdir())
    except OSError:
        return False
    return any(file.suffix.lower() == ".npy" for file in inside) and not any(below.is_dir() for below in inside)


def severities(path: Path) -> tuple[Path, ...]:
    """Return the paths of the five severities of a `.npy` file; of another file, or of one severity, itself."""
    file, severity = severity_of(path)
    if severity is not None or file.suffix.lower() != ".npy" or not _opened(file, "test")[2]:
        return (path,)
    return tuple(path.with_name(f"{path.name}@{number}") for number in range(1, SEVERITIES + 1))


def _opened(path: Path, split: str) -> tuple[Rows, NDArray[Any], bool, dict[str, Path], list[str]]:
    """Return images, a label for each, whether they are five severities, the files beside, and notes."""
    images: Rows = open_arrays(path)["x"]
    beside = {
        file.stem.removeprefix(f"{path.stem}_"): file for file in sorted(path.parent.glob("*.npy")) if file != path
    }
    found = candidates(beside, LABELS, key_of(path.stem).split or split)
    if not found:
        there = ", ".join(file.name for file in list(beside.values())[:8]) or "no other .npy file"
        raise UsageError(f"{path} must have its labels beside it, in labels.npy or y.npy; got {there}: save them there")
    labels: Rows = open_arrays(beside[found[0]])["x"]
    unused = ", ".join(beside[key].name for key in found[1:])
    notes = [f"{path}: labels are those of {beside[found[0]].name}, not of {unused}"] if unused else []
    if not images.shape or labels.shape[:1] not in {images.shape[:1], (images.shape[0] // SEVERITIES,)}:
        given = f"{labels.shape} in {beside[found[0]].name} for {images.shape}"
        raise UsageError(f"{path} must hold one label an image; got {given}: give each image its label")
    return (images, *_repeated(images.shape[0], labels.all()), beside, notes)


def _repeated(count: int, labels: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return a label for each of so many images, and whether they are the same labels five times."""
    part = count // SEVERITIES
    if len(labels) != count:
        return np.concatenate([labels] * SEVERITIES), True
    if part < 2 or count % SEVERITIES:
        return labels, False
    same = all(np.array_equal(labels[:part], labels[start : start + part]) for start in range(part, count, part))
    return labels, same and bool((labels[:part] != labels[0]).any())


def _block(images: Rows, severity: int) -> Rows:
    """Return the rows of one severity."""
    count = images.shape[0] // SEVERITIES
    first = (severity - 1) * count
    return Rows((count, *images.shape[1:]), images.dtype, lambda positions: images.take(positions + first))


def _classes(path: Path, beside: dict[str, Path], split: str) -> list[str] | None:
    """Return the names of the classes that lie beside an array."""
    found = candidates(beside, CLASSES, split)
    if found:
        return [str(name) for name in open_arrays(beside[found[0]])["x"].all().tolist()]
    try:
        names = json.loads((path.parent / MANIFEST).read_text(encoding="utf-8")).get("classes")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None
