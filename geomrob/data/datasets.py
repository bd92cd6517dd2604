"""Data sets that are Python objects: pairs of arrays, torch data sets and loaders, lists, Hugging Face data sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, WeightedRandomSampler

from geomrob.data.arrays.array_files import flat
from geomrob.data.arrays.image_arrays import channels_first, pixels, rows_of, samples_from
from geomrob.data.arrays.label_arrays import class_numbers
from geomrob.data.arrays.named_arrays import IMAGES, LABELS, SPLITS, candidates, samples_of
from geomrob.data.entry import Samples, sample_positions
from geomrob.data.pictures import is_image, stacked
from geomrob.data.resize import Fit
from geomrob.errors import UsageError

ACCEPTED = "a name, a path, (images, labels), a dict of arrays, a Dataset, a DataLoader or a list of (image, label)"


def read_object(
    source: Any,
    split: str,
    samples: int | None,
    seed: int,
    *,
    classes: Sequence[str] | None = None,
    fit: Fit | None = None,
) -> Samples:
    """Return the drawn images of a Python object with their labels.

    Args:
        source: `(images, labels)` of arrays, tensors or lists; a dict of arrays as in an `.npz` file; anything with a
            length whose entries are `(image, label)` or dicts with an image and a label (a torch `Dataset`, a list, a
            Hugging Face data set or a dict of its splits), of which only the drawn ones are read; a `DataLoader`, or
            another iterable of such entries or of batches of them, in its order; `Samples`. Images are arrays, tensors
            or Pillow images.
        split: `test` or `train`, for a dict of splits.
        samples, seed: Of the draw; of an iterable without a length the first `samples` are taken.
        classes: Names of the classes in the order of their numbers, instead of those of the source.
        fit: Size that single images are resized and cropped to where their sizes differ.

    Raises:
        UsageError: None of these, no labels, images of differing size or kind, or as `samples_from`.
    """
    name = type(source).__name__
    if isinstance(source, Samples):
        return source if samples is None else source.subset(sample_positions(len(source), samples, seed))
    if isinstance(source, Mapping):
        return _from_mapping(source, split, samples, seed, classes, fit)
    if isinstance(source, (tuple, list)) and len(source) == 2 and _are_images(source[0]):
        return _from_pair(source[0], source[1], samples, seed, classes, fit)
    if is_image(source) or hasattr(source, "__array__"):
        raise UsageError(f"images must come with labels; got {name} alone: pass (images, labels)")
    if _is_stream(source):
        return _from_stream(source, samples, seed, classes, fit)
    entries = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if not entries or isinstance(source, (type, bytes, bytearray)):
        raise UsageError(f"data must be {ACCEPTED}; got {name}: pass one of these")
    return _from_dataset(source, samples, seed, classes, fit)


def _are_images(value: Any) -> bool:
    """Return whether a value is an array of images or a list of them."""
    several = isinstance(value, (list, tuple)) and bool(value) and all(is_image(entry) for entry in value)
    return several or (is_image(value) and not hasattr(value, "getbands")) or hasattr(value, "__array__")


def _is_stream(source: Any) -> bool:
    """Return whether a source is read in its own order, from the first entry on."""
    known = isinstance(source, (DataLoader, IterableDataset))
    return known or (hasattr(source, "__iter__") and not hasattr(source, "__getitem__"))


def _from_pair(
    images: Any, labels: Any, samples: int | None, seed: int, classes: Sequence[str] | None, fit: Fit | None
) -> Samples:
    """Return the samples of images and labels that are separate."""
    if is_image(labels) and getattr(images, "ndim", 0) == 1:
        raise UsageError("images must come before labels; got (labels, images): pass (images, labels)")
    if is_image(labels) and (getattr(labels, "ndim", 0) != 2 or np.shape(labels) == np.shape(images)):
        raise UsageError("images must come with labels; got two arrays of images alone: pass (images, labels)")
    if isinstance(images, (list, tuple)):
        chosen = sample_positions(len(images), samples, seed)
        numbers, names, said = class_numbers(labels, len(images), "images", classes)
        drawn = [images[position] for position in chosen.tolist()]
        return _joined(drawn, numbers[chosen.numpy()], names, chosen, "images", said, fit)
    array = images if isinstance(images, (np.ndarray, Tensor)) else np.asarray(images)
    return samples_from(rows_of(array), labels, classes, "images", samples, seed)


def _from_mapping(
    source: Mapping[Any, Any],
    split: str,
    samples: int | None,
    seed: int,
    classes: Sequence[str] | None,
    fit: Fit | None,
) -> Samples:
    """Return the samples of a dict of arrays, or of one split of a dict of data sets."""
    sets = {str(key): value for key, value in source.items() if hasattr(value, "features") or _is_dataset(value)}
    if not sets:
        return samples_of(flat(source), type(source).__name__, split, samples, seed, classes)
    key = next((key for key in SPLITS.get(split, (split,)) if key in sets), None)
    if key is None:
        raise UsageError(f"split must be one of {', '.join(sets)}; got {split!r}: pass one of those")
    read = read_object(sets[key], split, samples, seed, classes=classes, fit=fit)
    return read if key == split else replace(read, notes=(*read.notes, f"no split is called {split}: read {key}"))


def is_pixels(value: Any) -> bool:
    """Return whether the value of a key is an image or a batch of them; labels may have two axes as well."""
    return (
        isinstance(value, Image.Image)
        or getattr(value, "ndim", 0) >= 2
        or (isinstance(value, list) and bool(value) and is_image(value[0]))
    )


def _describe(entry: Any) -> str:
    """Return the type of an entry, and its length where it has one."""
    return f"{type(entry).__name__} of {len(entry)}" if isinstance(entry, (tuple, list)) else type(entry).__name__


def _is_dataset(value: Any) -> bool:
    """Return whether a value is a data set of torch."""
    return isinstance(value, (torch.utils.data.Dataset, DataLoader))


def _from_dataset(
    source: Any, samples: int | None, seed: int, classes: Sequence[str] | None, fit: Fit | None
) -> Samples:
    """Return the samples of a data set with a length, of which only the drawn entries are read."""
    name, count = type(source).__name__, len(source)
    if count == 0:
        raise UsageError(f"{name} must hold at least one image; got none: pass another")
    chosen = sample_positions(count, samples, seed)
    columns = Columns(source, name, classes)
    pairs = [columns.split(source[position]) for position in chosen.tolist()]
    labels: list[Any] | None = None
    if columns.classes is None and any(isinstance(label, (str, bytes)) for _, label in pairs):
        # Names are numbered by all that there are, so that the numbers do not depend on the draw.
        labels = [columns.split(source[position])[1] for position in range(count)]
        numbers, names, said = class_numbers(labels, count, name)
        numbers = numbers[chosen.numpy()]
    else:
        numbers, names, said = class_numbers([label for _, label in pairs], len(pairs), name, columns.classes)
    notes = (*columns.notes, *said)
    return _joined([image for image, _ in pairs], numbers, names, chosen, name, notes, fit)


def _joined(
    images: list[Any],
    numbers: NDArray[np.int64],
    names: tuple[str, ...],
    chosen: Tensor,
    source: str,
    notes: tuple[str, ...],
    fit: Fit | None,
) -> Samples:
    """Return the samples of drawn images."""
    array, converted = stacked(images, source, fit)
    tensor, scaled = pixels(channels_first(array, f"images of {source}"), f"images of {source}")
    every = (*notes, *converted, *scaled)
    return Samples(tensor, torch.from_numpy(numbers), names, chosen, source, notes=every)


def _from_stream(
    source: Any, samples: int | None, seed: int, classes: Sequence[str] | None, fit: Fit | None
) -> Samples:
    """Return the samples of a loader, or of an iterable of entries or batches, read in its own order."""
    inner = getattr(source, "dataset", source)
    name = type(inner).__name__
    columns = Columns(inner, name, classes)
    count, notes = _length(source)
    # A loader draws a seed from torch's global generator even where it does not shuffle.
    with torch.random.fork_rng(devices=[]):
        entries = _entries(source, columns)
        if samples is None or count is None:
            pairs = list(entries if samples is None else islice(entries, samples))
            positions = range(len(pairs))
            if samples is not None:
                notes += (f"{name} has no length: its first {len(pairs)} images are taken",)
        else:
            positions = sample_positions(count, samples, seed).tolist()
            wanted = {position: row for row, position in enumerate(positions)}
            read = islice(enumerate(entries), max(positions) + 1)
            kept = {wanted[position]: pair for position, pair in read if position in wanted}
            pairs = [kept[row] for row in range(len(positions)) if row in kept]
            if len(pairs) < len(positions):
                raise UsageError(f"{name} must hold the {count} images of its length; got fewer: check its length")
    if not pairs:
        raise UsageError(f"{name} must hold at least one image; got none: pass another")
    numbers, names, said = class_numbers([label for _, label in pairs], len(pairs), name, columns.classes)
    notes = (*notes, *columns.notes, *said)
    return _joined([image for image, _ in pairs], numbers, names, torch.tensor(list(positions)), name, notes, fit)


def class_names(source: Any) -> list[str] | None:
    """Return the names of the classes that a data set, or the one that it is a part of, gives as `classes`.

    Example:
        >>> class_names(type("Pets", (), {"classes": ["cat", ("dog", "hound")]}))
        ['cat', 'dog']
    """
    # Subsets have the whole as `dataset`, concatenations their parts as `datasets`.
    for _ in range(8):
        names = getattr(source, "classes", None)
        if isinstance(names, (list, tuple)) and names:
            return [str(name[0] if isinstance(name, (list, tuple)) and name else name) for name in names]
        inner = getattr(source, "dataset", None) or next(iter(getattr(source, "datasets", ())), None)
        if inner is None:
            break
        source = inner
    return None


def _length(source: Any) -> tuple[int | None, tuple[str, ...]]:
    """Return how many images an iterable yields, None if it does not say so, and notes on its order."""
    if not isinstance(source, DataLoader):
        return (len(source) if hasattr(source, "__len__") else None), ()
    notes: tuple[str, ...] = ()
    if isinstance(source.sampler, (RandomSampler, WeightedRandomSampler)):
        notes += ("the loader shuffles: indices are positions in its order, another one in each pass",)
    if isinstance(source.dataset, IterableDataset) or not isinstance(source.sampler, Sized):
        return None, notes
    count = len(source.sampler)
    if source.batch_size is None:
        return (count if source.batch_sampler is None else None), notes
    left = count % source.batch_size if source.drop_last else 0
    if left:
        notes += (f"the loader drops its last {left} images, which fill no batch (drop_last)",)
    return count - left, notes


def _entries(source: Any, columns: "Columns") -> Iterator[tuple[Any, Any]]:
    """Yield image and label of each entry, batches taken apart."""
    batched = isinstance(source, DataLoader) and source.batch_sampler is not None
    for entry in source:
        image, label = columns.split(entry)
        if not (batched or isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) == 4):
            yield image, label
            continue
        length = len(label) if hasattr(label, "__len__") and np.shape(label) != () else None
        if length != len(image):
            given = "none" if length is None else length
            raise UsageError(f"a batch of {len(image)} images must have as many labels; got {given}: pass both")
        yield from zip(image, label, strict=True)


def _is_number(value: Any) -> bool:
    """Return whether an entry is a single number or text, such as a label or an index."""
    return np.shape(value) == () and not is_pixels(value)


class Columns:
    """Where the image and the label are in the entries of a data set, and the names of its classes.

    Attributes:
        classes: Names in the order of the numbers; None where the data set has none.
        notes: What was chosen or left out.
    """

    def __init__(self, source: Any, name: str, classes: Sequence[str] | None) -> None:
        """Look at what the data set says of itself: `classes` as in torchvision, `features` as in Hugging Face."""
        self.name = name
        self.notes: list[str] = []
        self.swapped = False
        features = getattr(source, "features", None)
        kinds = {key: type(kind).__name__ for key, kind in features.items()} if isinstance(features, Mapping) else {}
        images = [key for key, kind in kinds.items() if kind == "Image"]
        labels = [key for key, kind in kinds.items() if kind == "ClassLabel"]
        self.image, self.label = self._best(images, IMAGES), self._best(labels, LABELS)
        self.classes = classes or class_names(source)
        if classes is None and self.label is not None and isinstance(features, Mapping):
            self.classes = [str(name) for name in features[self.label].names]

    def split(self, entry: Any) -> tuple[Any, Any]:
        """Return image and label of one entry.

        Raises:
            UsageError: No image or no label in it.
        """
        if isinstance(entry, Mapping):
            if self.image is None:
                self.image = self._best([key for key in entry if is_pixels(entry[key])], IMAGES)
            if self.label is None:
                self.label = self._best(candidates(entry, LABELS, "test"), LABELS)
            if self.image is None or self.label is None:
                keys = ", ".join(map(str, entry))
                raise UsageError(f"{self.name} must hold an image and a label (or y, target); got {keys}: name them so")
            return entry[self.image], entry[self.label]
        if not isinstance(entry, (tuple, list)) or len(entry) < 2:
            raise UsageError(f"{self.name} must hold (image, label); got {_describe(entry)}: give each image its label")
        if len(entry) > 2 and not is_pixels(entry[0]) and np.shape(entry[0]) == () and _is_number(entry[2]):
            raise UsageError(
                f"{self.name} must hold (image, label); got {len(entry)} values an entry, of which two may be the "
                "label: give (image, label) alone"
            )
        if len(entry) > 2 and not self.notes:
            self.notes.append(f"{self.name} holds {len(entry)} values an entry: the first two are image and label")
        if is_pixels(entry[1]) and not is_pixels(entry[0]) and np.shape(entry[0]) == ():
            self.notes += [] if self.swapped else [f"{self.name} holds (label, image): read in that order"]
            self.swapped = True
            return entry[1], entry[0]
        return entry[0], entry[1]

    def _best(self, keys: Iterable[Any], names: Iterable[str]) -> Any:
        """Return the key that is first in `names`, else the first; None for no key."""
        order = list(names)
        ranked = sorted(keys, key=lambda key: order.index(key) if key in order else len(order))
        if len(ranked) > 1:
            self.notes.append(f"{self.name}: read {ranked[0]}, not {', '.join(map(str, ranked[1:]))}")
        return ranked[0] if ranked else None
