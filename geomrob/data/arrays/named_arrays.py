"""Which of several named arrays are the images, the labels and the names of the classes; what was chosen is noted."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geomrob.data.arrays.array_files import open_arrays
from geomrob.data.arrays.image_arrays import Rows, samples_from
from geomrob.data.entry import Samples
from geomrob.errors import UsageError

IMAGES = (
    "x",
    "images",
    "image",
    "imgs",
    "img",
    "data",
    "inputs",
    "input",
    "pixels",
    "pixel_values",
    "features",
    "arr_0",
)
LABELS = ("y", "labels", "label", "targets", "target", "fine_labels", "fine_label", "cls", "class", "arr_1")
CLASSES = ("classes", "class_names", "label_names", "names", "categories")
# The words that name a split in a key, those that fit best first.
SPLITS = {"test": ("test", "val", "valid", "validation", "eval"), "train": ("train", "training")}
EVERY = sorted({*SPLITS["test"], *SPLITS["train"]}, key=len, reverse=True)


class Key(NamedTuple):
    """What a key says: the array's name without the split, and the split ('' for none)."""

    name: str
    split: str


def key_of(key: str) -> Key:
    """Return what a key says.

    Example:
        >>> [key_of(key) for key in ("x_test", "trainLabels", "arr_0")]
        [Key(name='x', split='test'), Key(name='labels', split='train'), Key(name='arr_0', split='')]
    """
    joined = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
    for word in EVERY:
        if joined.startswith(word) and joined != word:
            return Key(joined.removeprefix(word).strip("_"), word)
        if joined.endswith(word) and joined != word:
            return Key(joined.removesuffix(word).strip("_"), word)
    return Key(joined, "")


def samples_of(
    arrays: Mapping[str, Any],
    source: str,
    split: str,
    samples: int | None,
    seed: int,
    classes: Sequence[str] | None = None,
) -> Samples:
    """Return the drawn images of named arrays, with their labels.

    Args:
        arrays: Rows or lists by name: images (`x`, `images`, `data` ...), labels (`y`, `labels`, `targets` ...) and, if
            the classes have names, these (`classes`, `class_names` ...). A name may carry a split (`x_test`).
        source: What is read, for the messages; the name of the samples.
        split: `test` or `train`. Names without a split are the test images.
        samples, seed: Of the draw.
        classes: Names of the classes in the order of their numbers, instead of those in `arrays`.

    Raises:
        UsageError: No images or no labels by such names, another split, or as `samples_from`.
    """
    rows = {key: value for key, value in arrays.items() if isinstance(value, Rows)}
    images = candidates({key: value for key, value in rows.items() if value.shape}, IMAGES, split)
    # What is flat is taken for images only where nothing else is.
    images = [key for key in images if len(rows[key].shape) > 2] or images
    if not images:
        raise _missing(arrays, source, split)
    image, count = images[0], rows[images[0]].shape[0]
    labelled = {k: v for k, v in arrays.items() if not isinstance(v, Rows) or v.shape}
    labels = candidates(labelled, LABELS, key_of(image).split or split)
    labels = [key for key in labels if _length(arrays[key]) == count] or labels
    if not labels:
        raise _missing(arrays, source, split)
    names = candidates(arrays, CLASSES, split)
    if names and classes is None:
        if _length(arrays[names[0]]) < 0:
            raise UsageError(f"{names[0]} of {source} must be a list of names; got a single one: name each class")
        classes = [str(name) for name in _values(arrays[names[0]])]
    notes = _choices(source, split, images, labels)
    label = arrays[labels[0]]
    if rows[image].dtype.kind in "OV":
        rows[image].take(np.arange(0))
    if _length(label) != count:
        given = f"{_length(label)} for {count} ({labels[0]} and {image} {rows[image].shape})"
        raise UsageError(f"{source} must hold one label an image; got {given}: give each image its label")
    return samples_from(rows[image], _values(label), classes, source, samples, seed, name=image, notes=notes)


def candidates(arrays: Mapping[str, Any], names: Sequence[str], split: str) -> list[str]:
    """Return the keys with one of `names` that may belong to a split, the best first."""
    splits = [*SPLITS.get(split, (split,))]
    # What says no split comes after what says the split, and before a stand-in such as val for test.
    order = [splits[0], "", *splits[1:]] if split == "test" else splits
    parsed = {key: key_of(key) for key in arrays}
    fit = [key for key, said in parsed.items() if said.name in names and said.split in order]
    fit.sort(key=lambda key: (order.index(parsed[key].split), names.index(parsed[key].name), key))
    # Where the split itself is there, the others are none of its candidates.
    return [key for key in fit if parsed[key].split == split] if fit and parsed[fit[0]].split == split else fit


def _choices(source: str, split: str, images: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Return notes of what was chosen where there was a choice."""
    notes: list[str] = []
    others = [*images[1:], *labels[1:]]
    if others:
        notes.append(f"{source}: read {images[0]} and {labels[0]}, not {', '.join(others)}")
    said = key_of(images[0]).split
    if said not in ("", split):
        notes.append(f"{source} holds no {split} images: read {images[0]}")
    return tuple(notes)


def _missing(arrays: Mapping[str, Any], source: str, split: str) -> UsageError:
    """Return the sentence for arrays without images or labels, with the keys that are there."""
    found = {key_of(key).split for key in arrays if key_of(key).name in IMAGES}
    keys = ", ".join(f"{key} {tuple(v.shape)}" if isinstance(v, Rows) else key for key, v in list(arrays.items())[:12])
    if found and not found & {*SPLITS.get(split, (split,)), "" if split == "test" else split}:
        return UsageError(f"split must be in {source}; got {split!r} for {keys}: pass another split")
    alone = len(arrays) == 1 and key_of(next(iter(arrays))).name in IMAGES
    advice = "add the labels" if alone else "name them so"
    return UsageError(
        f"{source} must hold images (such as x, images or x_test) and labels (such as y, labels or y_test); "
        f"got {keys or 'neither'}: {advice}"
    )


def _length(value: Any) -> int:
    """Return how many entries rows or a list have; -1 for what has none."""
    if isinstance(value, Rows):
        return value.shape[0] if value.shape else -1
    return len(value)


def _values(value: Any) -> Any:
    """Return rows as an array, a list as it is."""
    return value.all() if isinstance(value, Rows) else value


def read_arrays(
    path: Path, split: str, samples: int | None, seed: int, classes: Sequence[str] | None = None
) -> Samples:
    """Return the drawn images of a file of arrays: `.npz`, `.npy` with its labels beside it, `.pt` or `.safetensors`.

    Raises:
        UsageError: As `open_arrays` and `samples_of`.
    """
    return samples_of(open_arrays(path), str(path), split, samples, seed, classes)
