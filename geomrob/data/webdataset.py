"""A webdataset: a `.tar` of images and labels that share a name, read in place, never unpacked to the disk."""

import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from geomrob.data.arrays.label_arrays import class_numbers
from geomrob.data.arrays.named_arrays import LABELS
from geomrob.data.entry import Samples, sample_positions, to_images
from geomrob.data.image_files import BROKEN, SUFFIXES, FileBytes, is_grey, read_image
from geomrob.data.pictures import one_size
from geomrob.data.resize import Fit
from geomrob.errors import UsageError

# The endings of labels: text, text, an object with a label in it.
LABEL_SUFFIXES = (".cls", ".index", ".json")
# More bytes than the label of an image takes.
LONGEST_LABEL = 1 << 20


class Entry(NamedTuple):
    """The image and the label of one sample."""

    image: tarfile.TarInfo
    label: tarfile.TarInfo


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

    `0001.jpg` belongs with `0001.cls` (a class number or a name), or with `0001.json`, whose `label`, `cls`, `target`
    ... is taken. Images are decoded as those of a folder are; one that cannot be read is left out, named in `skipped`,
    and the next of the draw takes its place.

    Args:
        path: The `.tar`.
        split: Must be `test`: each split has tars of its own.
        samples, seed: Of the draw, in the order of the tar.
        classes: Names of the classes in the order of their numbers.
        fit: Size to resize and crop to, where sizes differ.

    Raises:
        UsageError: No tar, or one that is cut off or compressed; no image with a label, two of one name, none that can
            be read, images of differing size.
    """
    if split != "test":
        raise UsageError(f"split must be test for {path}; got {split!r}: pass the tar of that split as it is")
    try:
        with tarfile.open(path, "r:") as archive:
            entries, notes = _entries(archive, path)
            values = [_label(archive, entry.label) for entry in entries]
            numbers, names, said = class_numbers(values, len(entries), str(path), classes)
            wanted = len(sample_positions(len(entries), samples, seed))
            queue = sample_positions(len(entries), None if samples is None else len(entries), seed).tolist()
            arrays, kept, skipped, converted = _drawn(archive, entries, path, wanted, queue)
    except (OSError, tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} must be a whole tar that is not compressed; got {error}: fetch it again") from None
    array, resized = one_size(arrays, str(path), fit)
    chosen = torch.tensor(kept)
    every = (*notes, *said, *converted, *resized)
    return Samples(to_images(array), torch.from_numpy(numbers)[chosen], names, chosen, str(path), skipped, every)


def _entries(archive: tarfile.TarFile, path: Path) -> tuple[list[Entry], list[str]]:
    """Return the samples of a tar in its order, and notes of what was left out."""
    groups: dict[str, dict[str, tarfile.TarInfo]] = {}
    ignored: Counter[str] = Counter()
    for member in _members(archive):
        name = PurePosixPath(member.name)
        if name.name.startswith(".") or member.isdir():
            continue
        stem, _, ending = name.name.partition(".")
        suffix = f".{ending.lower()}"
        known = suffix in LABEL_SUFFIXES or PurePosixPath(name.name).suffix.lower() in SUFFIXES
        if not member.isreg() or not known:
            ignored[suffix if member.isreg() else "links"] += 1
            continue
        group = groups.setdefault(str(name.with_name(stem)), {})
        if suffix in group:
            raise UsageError(f"{path} must hold each name once; got two {member.name}: make it again")
        group[suffix] = member
    entries: list[Entry] = []
    for group in groups.values():
        images = [member for suffix, member in group.items() if suffix not in LABEL_SUFFIXES]
        label = next((group[suffix] for suffix in LABEL_SUFFIXES if suffix in group), None)
        if images and label is not None:
            entries.append(Entry(images[0], label))
        ignored["images without a label"] += len(images) if label is None else 0
        ignored["further images of a sample"] += max(len(images) - 1, 0) if label is not None else 0
    found = ", ".join(f"{count} {what}" for what, count in ignored.items() if count)
    if not entries:
        wanted = "images with labels, such as 0001.jpg with 0001.cls or 0001.json"
        text = "rename the .txt to .cls if they hold the class and no caption"
        advice = text if ignored[".txt"] and ignored["images without a label"] else "make it again"
        raise UsageError(f"{path} must hold {wanted}; got {found or 'none'}: {advice}")
    return entries, [f"ignored in {path}: {found}"] if found else []


def _members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Return the members of a tar that is whole.

    Raises:
        tarfile.ReadError: It ends before its end mark, where tarfile stops without a word.
    """
    members: list[tarfile.TarInfo] = []
    while (member := archive.next()) is not None:
        # A negative size makes tarfile read one member for ever.
        if members and member.offset <= members[-1].offset:
            raise tarfile.ReadError("a damaged header")
        members.append(member)
    file = cast("IO[bytes]", archive.fileobj)
    file.seek(archive.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("a file that is cut off or damaged")
    return members


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> FileBytes:
    """Return a regular member, read whole."""
    file = archive.extractfile(member)
    assert file is not None
    return FileBytes(member.name, file.read())


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    """Return a label: a number or a name."""
    if member.size > LONGEST_LABEL:
        raise UsageError(f"{member.name} must be a label; got {member.size:,} bytes: store a class number")
    text = _file(archive, member).content.decode("utf-8-sig").strip()
    if not member.name.lower().endswith(".json"):
        return int(text) if text.isascii() and text.isdecimal() else text
    value = json.loads(text)
    if not isinstance(value, dict):
        return value
    keys = [key for key in LABELS if key in value]
    if not keys:
        raise UsageError(f"{member.name} must hold a label; got {', '.join(list(value)[:12]) or 'nothing'}: name it so")
    return value[keys[0]]


def _drawn(
    archive: tarfile.TarFile, entries: Sequence[Entry], path: Path, wanted: int, queue: Sequence[int]
) -> tuple[list[NDArray[np.generic]], list[int], tuple[str, ...], tuple[str, ...]]:
    """Return the drawn images, their positions, the files left out and notes of what was converted."""
    channels = 1 if all(is_grey(_file(archive, entry.image)) for entry in entries) else 3
    arrays: list[NDArray[np.generic]] = []
    kept: list[int] = []
    skipped: list[str] = []
    conversions: Counter[str] = Counter()
    for position in queue:
        if len(kept) == wanted:
            break
        member = entries[position].image
        counts: Counter[str] = Counter()
        try:
            image = read_image(_file(archive, member), channels, conversions=counts)
        except UsageError:
            raise
        except BROKEN as error:
            skipped.append(f"{member.name}: {error}")
            continue
        arrays.append(image)
        kept.append(position)
        conversions += counts
    if not arrays:
        raise UsageError(f"{path} must hold a readable image; got {len(skipped)} unreadable ones: {skipped[0]}")
    notes = [f"{count} of {len(kept)} images of {path} are {what}" for what, count in conversions.items()]
    if skipped:
        notes.append(f"left out {len(skipped)} unreadable images of {path}; the first: {skipped[0]}")
    return arrays, kept, tuple(skipped), tuple(notes)
