"""Images that a user brings: a folder of class folders."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geomrob.data.entry import Samples, sample_positions, to_images
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
    images: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    skipped: list[str] = []
    for position in queue:
        if len(kept) == wanted:
            break
        file = files[position][0]
        try:
            array = read_image(file, mode)
        except BROKEN as error:
            if isinstance(error, UsageError):
                raise
            skipped.append(f"{file.relative_to(path)}: {error}")
            continue
        if images and array.shape != images[0].shape:
            first, second = (f"{a.shape[1]}x{a.shape[0]}" for a in (images[0], array))
            sizes = f"{first} in {files[kept[0]][0].relative_to(path)} and {second} in {file.relative_to(path)}"
            raise UsageError(f"images of {path} must all have one size; got {sizes}: resize them first")
        images.append(array)
        kept.append(position)
    if not images:
        raise UsageError(f"{path} must hold a readable image; got {len(skipped)} unreadable ones: {skipped[0]}")
    stacked = np.stack(images)
    stacked = stacked[:, None] if mode == "L" else stacked.transpose(0, 3, 1, 2)
    labels = torch.tensor([files[position][1] for position in kept])
    return Samples(to_images(stacked), labels, names, torch.tensor(kept), str(path), tuple(skipped))


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
