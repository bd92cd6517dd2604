"""The layout of a folder of class folders: which folders are classes, which files are images, what is left out."""

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geomrob.data.class_names import CLASSES_FILE, class_order, listed
from geomrob.data.image_files import BROKEN, SUFFIXES, is_grey, open_image, read_image
from geomrob.data.resize import Fit
from geomrob.errors import UsageError

SPLITS = {"test": ("test", "val", "validation", "valid"), "train": ("train", "training")}
SPLIT_NAMES = frozenset(name for names in SPLITS.values() for name in names)
# Names of folders that hold the images of all classes, or what goes with them, and no class.
GENERIC = SPLIT_NAMES.union(
    (
        "all",
        "content",
        "data",
        "dataset",
        "files",
        "frames",
        "gallery",
        "images",
        "image",
        "img",
        "imgs",
        "input",
        "inputs",
    ),
    ("annotations", "jpegimages", "jpegs", "jpg", "labels", "masks", "original", "originals", "photo", "photos", "pic"),
    ("pics", "picture", "pictures", "png", "pngs", "query", "raw", "samples", "unknown", "unlabeled", "unlabelled"),
    ("unsorted", "upload", "uploads"),
)
# What systems and programs put next to images: never classes, whatever is in it.
JUNK = frozenset({"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"})
NUMBER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, in source order: class after class, by name.

    Attributes:
        path: The folder.
        files: Of the images.
        labels: Of each file, the number of its class.
        classes: Names, in the order of the numbers.
        channels: 1 if every image is grey, otherwise 3.
        notes: What was left out or renumbered.
        ordered: Whether the caller set the order of the classes.
    """

    path: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    channels: int
    notes: tuple[str, ...]
    ordered: bool = False

    def read(
        self, position: int, *, fit: Fit | None = None, conversions: Counter[str] | None = None
    ) -> NDArray[np.float32]:
        """Return the image at a position as float32 (C, H, W) in [0, 1]; see `read_image`."""
        array = read_image(self.files[position], self.channels, fit=fit, conversions=conversions)
        return np.divide(array, 255 if array.dtype == np.uint8 else 1, dtype=np.float32)


def list_folder(
    path: Path, split: str, *, only: Sequence[str] | None = None, order: Sequence[str] | None = None
) -> Listing:
    """Return the image files of a folder with their classes.

    The classes are the sub-folders that hold a readable image, of `path/test` if there is one with class folders (for
    the split `train` of `path/train`), else of `path` itself. Where there are several splits the classes are those of
    all of them, so that a class without a test image does not move the numbers. Their order is that of `order`; or of
    the file `classes.txt` in `path` or beside the classes; or by number, if all names are whole numbers; or by name.
    Hidden files and folders, and those of `JUNK`, are ignored at every level.

    Args:
        path: The folder.
        split: test or train.
        only, order: As in `read_folder`.

    Raises:
        UsageError: A folder that cannot be read, no images, folders that are no classes', two classes of one number, a
            class that the order or `only` lacks.
    """
    notes: list[str] = []
    root, splits = _class_root(path, split, notes)
    folders = {sub.name: sub for sub in folders_in(root)}
    names = _with_images(folders.values())
    known = _known_order(path, root, only, order)
    if known is None:
        elsewhere = {name for other in splits if other != root for name in _with_images(folders_in(other))}
        classes = _sorted(names | elsewhere, notes, path)
        error = _single(root, classes, path)
        if error is not None:
            raise error
    elif only is None:
        classes = _ordered(known, names, root)
        without = [name for name in classes if name not in names]
        if without:
            notes.append(
                f"{counted(len(without), 'name')} of the classes of {path} have no folder with images, and keep their "
                f"numbers: {listed([shown(name) for name in without])}"
            )
    else:
        classes = known
        missing = sorted(set(only) - set(folders))
        if missing:
            raise UsageError(f"{root} must hold the classes {', '.join(only)}; got none named {missing[0]}: add it")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if name in names:
            images = [folders[name] / entry.name for entry in entries(folders[name]) if _is_image_file(entry)]
            files += images
            labels += [label] * len(images)
    if only is None:
        notes += _left_out(path, root, folders, names)
    channels = 1 if all(map(is_grey, files)) else 3
    ordered = known is not None and only is None
    return Listing(path, tuple(files), tuple(labels), tuple(map(shown, classes)), channels, tuple(notes), ordered)


def _class_root(path: Path, split: str, notes: list[str]) -> tuple[Path, list[Path]]:
    """Return the folder whose sub-folders are classes, and the folders of all splits, if it is one of them."""
    below = folders_in(path)
    direct = _with_images(below)
    inner = [sub for sub in below if (not direct or sub.name.lower() in SPLIT_NAMES) and _with_images(folders_in(sub))]
    splits = [sub for sub in inner if sub.name.lower() in SPLIT_NAMES]
    wanted = SPLITS.get(split, (split,))
    named = sorted(
        (sub for sub in inner if sub.name.lower() in wanted), key=lambda sub: (wanted.index(sub.name.lower()), sub.name)
    )
    if named:
        unread = [sub.name for sub in named[1:]] + sorted(direct)
        if unread:
            notes.append(f"{named[0]} is read; not what lies beside it: {listed(unread)}")
        return named[0], splits
    if direct:
        return path, []
    flat = sum(map(_is_image_file, entries(path)))
    if flat:
        content = f"{counted(flat, 'image')} in no folder of a class"
    elif inner:
        content = f"only {listed([shown(sub.name) for sub in inner])}"
    elif broken := sum(_is_image_file(entry) for sub in below for entry in entries(sub)):
        raise UsageError(f"{path} must hold a readable image; got {counted(broken, 'unreadable one')}: replace them")
    else:
        content = "no images one or two folders down"
    raise UsageError(f"{path} must hold class/image.png or {split}/class/image.png; got {content}: sort them by class")


def _single(root: Path, classes: Sequence[str], path: Path) -> UsageError | None:
    """Return the error for folders whose names are no classes', with the layout that they look like."""
    if not all(name.lower() in GENERIC for name in classes):
        return None
    names = listed([f"{shown(name)}/" for name in classes])
    if all(name.lower() in SPLIT_NAMES for name in classes):
        likeness = f"the images of a split lie in {names} itself, in no folders of classes"
    elif len(classes) == 1:
        likeness = f"{root.name}/{names} holds the images of all classes, as in tiny-imagenet, where a table names them"
    else:
        likeness = f"{names} look like images and what goes with them"
    return UsageError(
        f"{path} must hold a folder a class; got {names} alone, and {likeness}: move each image to a folder named "
        "after its class, or name the classes (classes, --classes)"
    )


def _known_order(path: Path, root: Path, only: Sequence[str] | None, order: Sequence[str] | None) -> list[str] | None:
    """Return the names of the classes in the order of their numbers, where the caller or a file sets it."""
    if only is not None or order is not None:
        return list(only or order or ())
    files = [folder / CLASSES_FILE for folder in dict.fromkeys((root, path))]
    return next((list(class_order(file)) for file in files if file.is_file()), None)


def _ordered(known: Sequence[str], names: Iterable[str], root: Path) -> list[str]:
    """Return the names of the folders, each where the known order has it; a name without a folder keeps its number.

    A line of an order is the name of a folder, or has it first (`n01440764 tench`) or after a number (`1 tench`).
    """
    forms = (
        list(known),
        [(line.split(maxsplit=1) or [""])[0].rstrip(",") for line in known],
        [re.sub(r"^[0-9]+[\s,:]+", "", line) for line in known],
    )
    wanted = set(names)
    best = max(forms, key=lambda form: len(wanted & set(form)))
    missing = sorted(wanted - set(best))
    if missing:
        raise UsageError(
            f"classes must name every folder of {root} that holds images; got none named "
            f"{listed([shown(name) for name in missing])}: add it at its number"
        )
    repeated = [name for name, count in Counter(best).items() if count > 1]
    if repeated:
        raise UsageError(f"classes must name each class once; got {repeated[0]} twice: leave one out")
    return best


def _sorted(names: Iterable[str], notes: list[str], path: Path) -> list[str]:
    """Return names of classes by number if all are whole numbers, else by name."""
    by_name = sorted(names)
    numbers = [name for name in by_name if NUMBER.fullmatch(name)]
    by_number = sorted(numbers, key=int)
    folded = Counter(unicodedata.normalize("NFC", name).casefold() for name in by_name)
    alike = [name for name in by_name if folded[unicodedata.normalize("NFC", name).casefold()] > 1]
    if alike:
        notes.append(
            f"{path} has classes whose names differ in their case alone: {listed([shown(name) for name in alike])}"
        )
    if len(numbers) == len(by_name):
        twice = [name for name, after in pairwise(by_number) if int(name) == int(after)]
        if twice:
            raise UsageError(f"classes of {path} must be different numbers; got {int(twice[0])} twice: rename one")
        if by_number != by_name:
            notes.append(f"classes of {path} are sorted as numbers, 2 before 10; torchvision sorts them as text")
        return by_number
    if by_number != numbers:
        notes.append(f"classes of {path} are sorted as text, 10 before 2: not all of their names are numbers")
    return by_name


def _left_out(path: Path, root: Path, folders: Mapping[str, Path], names: Container[str]) -> list[str]:
    """Return the notes of what a folder holds besides the images of its classes."""
    ignored: Counter[str] = Counter()
    deeper: list[str] = []
    for folder in (sub for name, sub in folders.items() if name in names):
        for entry in entries(folder):
            if _is_folder(entry):
                if entry.name.lower() not in JUNK and any(is_image(file.name) for file in entries(folder / entry.name)):
                    deeper.append(f"{folder.name}/{entry.name}")
            elif not _is_image_file(entry):
                ignored[Path(entry.name).suffix.lower() or "without ending"] += 1
    beside = [entry.name for entry in entries(root) if not _is_folder(entry) and entry.name != CLASSES_FILE]
    loose = sum(map(is_image, beside))
    ignored.update(Path(name).suffix.lower() or "without ending" for name in beside if not is_image(name))
    others = [shown(name) for name in folders if name not in names]
    kinds = [f"{count:,} {shown(ending)}" for ending, count in ignored.most_common()]
    return [
        *([f"no classes of {path}, for want of a readable image: {listed(others)}"] if others else []),
        *([f"ignored files of {path}: {listed(kinds)}"] if kinds else []),
        *([f"left out {counted(loose, 'image')} of {path} in no folder of a class"] if loose else []),
        *(
            [f"left out images of {path} one folder deeper: {listed([shown(name) for name in deeper])}"]
            if deeper
            else []
        ),
    ]


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds and does not hide, by name.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with os.scandir(folder) as inside:
            return sorted((entry for entry in inside if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} must be a readable folder; got {error.strerror}: change its permissions") from None


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, hidden ones left out, by name."""
    return [folder / entry.name for entry in entries(folder) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link that leads round in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _with_images(folders: Iterable[Path]) -> set[str]:
    """Return the names of the folders that hold a readable image, those of `JUNK` left out."""
    return {folder.name for folder in folders if folder.name.lower() not in JUNK and _holds_image(folder)}


def _holds_image(folder: Path) -> bool:
    """Return whether a folder holds an image whose header can be read."""
    for entry in entries(folder):
        if _is_image_file(entry):
            try:
                open_image(folder / entry.name).close()
            except UsageError:
                raise
            except BROKEN:
                continue
            return True
    return False


def _is_image_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry has the ending of an image and is neither a folder nor a pipe or a device."""
    if not is_image(entry.name) or _is_folder(entry):
        return False
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True  # A link to nothing is named with the other files that cannot be read.


def is_image(name: str) -> bool:
    """Return whether a file name has the ending of an image."""
    return Path(name).suffix.lower() in SUFFIXES


def shown(name: object) -> str:
    """Return a name that can be printed: bytes that are no text become question marks."""
    return os.fsencode(str(name)).decode(errors="replace")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
