"""Images that a user brings: a folder of class folders, or one `.npz` file with `x` and `y`."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from geomrob.data.entry import Samples, check_labels, of_array, sample_positions, to_images
from geomrob.data.lazy import LazyImages, held_if_small
from geomrob.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SPLITS = {"test": ("test", "val", "validation"), "train": ("train", "training")}
GREY = ("1", "L", "LA")
# Pillow raises any of these on a damaged file, depending on where the damage is.
BROKEN = (OSError, SyntaxError, EOFError, ValueError, zlib.error, Image.DecompressionBombError)


def read_folder(
    path: Path, split: str, samples: int | None, seed: int, *, only: Sequence[str] | None = None
) -> Samples:
    """Return the images of `path/class/*.png`, or of `path/test/class/*.png` and the like.

    Sub-folders are the classes, in alphabetical order. An image that cannot be read is left out, named in `skipped`,
    and the next of the draw takes its place. If every image is grey the samples have one channel, otherwise three.
    An alpha channel is dropped. Where `only` names classes, the others are left out as if they were not there.

    Raises:
        UsageError: A class of `only` is missing, no images, none readable, images of differing size, more than 8 bits a
            channel, too many samples.
    """
    files, names, mode = list_folder(path, split, only=only)
    wanted = len(sample_positions(len(files), samples, seed))
    queue = sample_positions(len(files), None if samples is None else len(files), seed).tolist()
    kept: list[int] = []
    shape: tuple[int, ...] = ()
    skipped: list[str] = []
    for position in queue:
        if len(kept) == wanted:
            break
        file = files[position][0]
        try:
            size = read_image(file, mode).shape
        except BROKEN as error:
            if isinstance(error, UsageError):
                raise
            skipped.append(f"{file.relative_to(path)}: {error}")
            continue
        shape = shape or size
        if size != shape:
            first, second = (f"{one[1]}x{one[0]}" for one in (shape, size))
            sizes = f"{first} in {files[kept[0]][0].relative_to(path)} and {second} in {file.relative_to(path)}"
            raise UsageError(f"images of {path} must all have one size; got {sizes}: resize them first")
        kept.append(position)
    if not kept:
        raise UsageError(f"{path} must hold a readable image; got {len(skipped)} unreadable ones: {skipped[0]}")

    def read(row: int) -> Tensor:
        file = files[kept[row]][0]
        try:
            image = read_image(file, mode)
        except BROKEN as error:
            raise UsageError(f"{file} must stay readable until the end; got {error}: run it again") from error
        return to_images(image[None] if mode == "L" else image.transpose(2, 0, 1))

    labels = torch.tensor([files[position][1] for position in kept])
    lazy = LazyImages(read, len(kept), (1 if mode == "L" else 3, *shape[:2]))
    return Samples(held_if_small(lazy), labels, names, torch.tensor(kept), str(path), tuple(skipped))


def list_folder(
    path: Path, split: str, *, only: Sequence[str] | None = None
) -> tuple[list[tuple[Path, int]], tuple[str, ...], str]:
    """Return the image files with their labels, the names of the classes, and the mode (`L` or `RGB`) they share."""
    classes = _classes(_class_root(path, split), only)
    files = [(file, label) for label, sub in enumerate(classes) for file in _images_in(sub)]
    mode = "L" if all(_is_grey(file) for file, _ in files) else "RGB"
    return files, tuple(sub.name for sub in classes), mode


def _class_root(path: Path, split: str) -> Path:
    """Return the folder whose sub-folders are classes: `path` itself, or the one for `split` inside it."""
    below = [sub for sub in sorted(path.iterdir()) if sub.is_dir()]
    if any(_images_in(sub) for sub in below):
        return path
    inner = [sub for sub in below if any(_images_in(deeper) for deeper in sub.iterdir() if deeper.is_dir())]
    named = [sub for sub in inner if sub.name.lower() in SPLITS.get(split, (split,))]
    if named:
        return named[0]
    content = f"only {', '.join(sub.name for sub in inner)}" if inner else "no images one or two folders down"
    raise UsageError(f"{path} must hold class/image.png or {split}/class/image.png; got {content}: sort them by class")


def _classes(root: Path, only: Sequence[str] | None) -> list[Path]:
    """Return the sub-folders of `root` that are classes, in alphabetical order; of all, those that `only` names."""
    classes = [sub for sub in sorted(root.iterdir()) if sub.is_dir() and not sub.name.startswith(".")]
    if only is None:
        return classes
    missing = sorted(set(only) - {sub.name for sub in classes})
    if missing:
        raise UsageError(f"{root} must hold the classes {', '.join(only)}; got none named {missing[0]}: add it")
    return [sub for sub in classes if sub.name in only]


def _images_in(folder: Path) -> list[Path]:
    """Return the image files directly in `folder`, sorted by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def _is_grey(file: Path) -> bool:
    """Return whether the header of `file` says one channel; a header that cannot be read does not count against it."""
    try:
        with Image.open(file) as image:
            return image.mode in GREY
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True


def read_image(file: Path, mode: str) -> NDArray[np.uint8]:
    """Return one image as uint8 (H, W) or (H, W, 3)."""
    with Image.open(file) as image:
        if image.mode.startswith(("I", "F")):
            raise UsageError(
                f"{file} must have 8 bits a channel; got mode {image.mode}: convert it, or use an .npz file"
            )
        return np.asarray(image.convert(mode))


def read_npz(path: Path, split: str, samples: int | None, seed: int) -> Samples:
    """Return the images `x` and labels `y` of an `.npz` file; `classes` in it, if any, names the labels.

    `x` is uint8, or float in [0, 1], shaped (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels.

    Raises:
        UsageError: Not such a file, NaN, values outside [0, 1], labels that do not fit, too many samples.
    """
    if split != "test":
        raise UsageError(f"split must be test for {path}; got {split!r}: keep each split in a file of its own")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("x", "y", "classes") if key in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} must be a readable .npz file of plain arrays; got {error}: write it again") from None
    if "x" not in arrays or "y" not in arrays:
        raise UsageError(f"{path} must hold x (images) and y (labels); got {sorted(arrays) or 'neither'}: add them")
    images, labels = _channels_first(arrays["x"], path), arrays["y"]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"y of {path} must be integers (N,); got {labels.dtype} {labels.shape}: store class numbers")
    labels = labels.astype(np.int64)
    names = arrays.get("classes", np.arange(int(labels.max(initial=0)) + 1))
    classes = tuple(str(name) for name in names.tolist())
    check_labels(labels, len(images), classes, str(path))
    chosen = sample_positions(len(labels), samples, seed)
    return Samples(of_array(images, chosen), torch.from_numpy(labels)[chosen], classes, chosen, str(path))


def _channels_first(x: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    """Return `x` as (N, C, H, W) after checking its type, its range and its axes."""
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise UsageError(f"x of {path} must be uint8 or float in [0, 1]; got {x.dtype}: convert it")
    if x.dtype != np.uint8 and x.size:
        bad = int((~np.isfinite(x)).reshape(len(x), -1).any(1).sum())
        if bad:
            raise UsageError(f"x of {path} must be finite; got NaN or infinity in {bad} images: leave these out")
        low, high = float(x.min()), float(x.max())
        if low < 0 or high > 1:
            raise UsageError(f"x of {path} must lie in [0, 1]; got [{low:.3g}, {high:.3g}]: divide 8-bit values by 255")
    if x.ndim == 3:
        return x[:, None]
    first, last = (x.ndim == 4 and x.shape[axis] in (1, 3) for axis in (1, 3))
    if first == last:
        shape = f"{x.shape}, where the channels {'could be either' if first else 'are neither'}"
        raise UsageError(
            f"x of {path} must be (N, H, W), (N, H, W, C) or (N, C, H, W); got {shape}: move the 1 or 3 channels last"
        )
    return x if first else x.transpose(0, 3, 1, 2)
