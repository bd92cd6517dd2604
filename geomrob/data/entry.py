"""What a data set is: the facts of one (`DatasetEntry`), the images read from one (`Samples`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.data.lazy import LazyImages, held_if_small
from geomrob.errors import UsageError
from geomrob.spectral.frequency_filters import transform

Arrays: TypeAlias = tuple[NDArray[np.generic], NDArray[np.int64], NDArray[np.int64]]
Reader: TypeAlias = Callable[[Path, str], Arrays]


@dataclass(frozen=True, repr=False)
class Samples:
    """Images of one data set, in the order in which they were drawn.

    `images` lie in [0, 1] unless they were `transformed` or are synthetic; of a large set they are `LazyImages`, which
    are read when they are used and which every function for images accepts; `indices` are positions in the source
    split (for an image folder, in its sorted list of files); `skipped` names the files that could not be read, each
    with the reason; `notes` says, a sentence each, what was left out, renumbered or converted; `ordered` says whether
    the caller set the order of the classes, so that it is not looked up in a table.
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    indices: Labels
    name: str
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        """Return the name, how many images of which size, and the classes, in a line."""
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"Samples({self.name!r}, {len(self)} images of {shape}, {len(self.classes)} classes)"

    @property
    def source(self) -> str:
        """The name of the data set, without the edit that is named behind it."""
        return self.name.partition(" (")[0]

    def subset(self, positions: Tensor) -> "Samples":
        """Return the samples at `positions` (M,) of this object, in that order."""
        images = self.images
        picked = images.picked(positions) if isinstance(images, LazyImages) else images[positions]
        return replace(self, images=picked, labels=self.labels[positions], indices=self.indices[positions])


@dataclass(frozen=True)
class DatasetEntry:
    """The facts of one data set: how it is read, what it holds, where it lies on disk, whose it is.

    `reader` takes (folder, split) and returns images (N, C, H, W), uint8 or final floats, int64 labels (N,) and int64
    positions in the source split (N,); `folder` is where the files lie below the data folder, None when
    none are needed; `splits` maps each split to its size; `boxed` says whether the images lie in [0, 1], as all but
    synthetic ones do.
    """

    reader: Reader
    folder: str | None
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    splits: dict[str, int]
    licence: str
    reference: str
    boxed: bool = True


class TooFewError(UsageError):
    """A draw of no images, or of more than there are."""

    def __init__(self, available: int, samples: int) -> None:
        super().__init__(f"samples must lie in 1 ... {available}; got {samples}: lower it or leave it out")
        self.available = available


def sample_positions(available: int, samples: int | None, seed: int) -> Tensor:
    """Return the positions to read (M,) int64: all in source order, or the first `samples` of a seeded permutation.

    The draw of 50 is the first half of the draw of 100 with the same seed.

    Raises:
        UsageError: `samples` is below 1 or above `available`.

    Example:
        >>> sample_positions(5, None, seed=0).tolist()
        [0, 1, 2, 3, 4]
        >>> bool((sample_positions(9, 2, seed=1) == sample_positions(9, 4, seed=1)[:2]).all())
        True
    """
    if samples is None:
        return torch.arange(available)
    if not 1 <= samples <= available:
        raise TooFewError(available, samples)
    return torch.randperm(available, generator=torch.Generator().manual_seed(seed))[:samples]


def to_images(array: NDArray[np.generic]) -> Tensor:
    """Return uint8 images (N, C, H, W) as floats in [0, 1]; float images as float32, unchanged."""
    floats = np.ascontiguousarray(array).astype(np.float32)
    if array.dtype == np.uint8:
        floats /= np.float32(255)
    return torch.from_numpy(floats)


def of_array(array: NDArray[np.generic], positions: Tensor) -> Images:
    """Return images (N, C, H, W) of an array in memory or of a memory-mapped file, converted when they are used.

    Args:
        array: uint8, or floats in [0, 1].
        positions: Which of them (M,), in that order.
    """
    chosen = positions.tolist()
    return held_if_small(LazyImages(lambda row: to_images(array[chosen[row]]), len(chosen), array.shape[1:]))


def transformed(samples: Samples, name: str) -> Samples:
    """Return samples with transformed images; the name of the data set names the transform.

    The transform is computed in float64, image by image, and rounded once; of lazy images when they are read.

    Raises:
        UsageError: No such transform (see `geomrob.spectral.frequency_filters`), or one that does not fit the images.

    Example:
        >>> one = Samples(torch.rand(1, 1, 4, 4), torch.zeros(1, dtype=torch.int64), ("a",), torch.arange(1), "mine")
        >>> transformed(one, "lowpass:2").name
        'mine (lowpass:2)'
    """
    step, images = transform(name), samples.images

    def change(image: Tensor, _position: int = 0) -> Tensor:
        return step(image.double()).to(image.dtype)

    lazy = isinstance(images, LazyImages)
    changed = images.mapped(change) if lazy else torch.cat([change(image) for image in images.split(1)])
    if lazy:
        change(images[:1])  # One that does not fit is reported before the work.
    return replace(samples, images=changed, name=f"{samples.name} ({name})")


def joined(*parts: Samples) -> Samples:
    """Return the samples of several sets in a row, of one data set with several transforms as well.

    `indices` are those in their own sets, so that two versions of an image share what is drawn for an index.

    Raises:
        UsageError: Images of another shape, or other classes.

    Example:
        >>> one = Samples(torch.rand(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), ("a",), torch.arange(2), "mine")
        >>> both = joined(one, transformed(one, "lowpass:2"))
        >>> len(both), both.name
        (4, 'mine and mine (lowpass:2)')
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if (part.images.shape[1:], part.classes) != (first.images.shape[1:], first.classes):
            raise UsageError(
                f"data sets that are joined must have one shape and the same classes; got {first!r} and {part!r}: "
                "bring them to one shape, or take one"
            )
    return replace(
        first,
        images=torch.cat([part.images[:] for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        indices=torch.cat([part.indices for part in parts]),
        name=" and ".join(part.name for part in parts),
        skipped=tuple(name for part in parts for name in part.skipped),
        notes=tuple(dict.fromkeys(text for part in parts for text in part.notes)),
    )


def check_labels(labels: NDArray[np.integer], count: int, classes: Sequence[str], source: str) -> None:
    """Refuse labels that do not fit `count` images of `classes`, in one sentence that names `source`."""
    if len(labels) != count:
        raise UsageError(f"{source} must hold one label an image; got {len(labels)} for {count}: replace the file")
    if count == 0:
        raise UsageError(f"{source} must hold at least one image; got none: replace the file")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise UsageError(
            f"labels of {source} must lie in 0 ... {len(classes) - 1}; got {low} ... {high}: number the classes from 0"
        )
