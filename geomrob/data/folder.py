"""Images that a user brings: a folder of class folders, or one `.npz` file with `x` and `y`."""

import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from geomrob.data.entry import Samples, check_labels, sample_positions, to_images
from geomrob.data.folder_layout import Listing, counted, list_folder, shown
from geomrob.data.image_files import BROKEN, image_size
from geomrob.data.resize import Fit
from geomrob.errors import UsageError


def read_folder(
    path: Path,
    split: str,
    samples: int | None,
    seed: int,
    *,
    only: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
    fit: Fit | None = None,
) -> Samples:
    """Return the images of `path/class/*.png`, or of `path/test/class/*.png` and the like.

    An image that cannot be read is left out, named in `skipped`, and the next of the draw takes its place. If every
    image is grey the samples have one channel, otherwise three.

    Args:
        path, split: As in `list_folder`.
        samples, seed: Of the draw.
        only: Names of classes, in the order of their numbers: the others are left out as if they were not there.
        order: Names of classes, in the order of their numbers; another class is an error.
        fit: Size to resize and crop to.

    Raises:
        UsageError: As `list_folder`; none readable, images of differing size, too many samples.
    """
    listing = list_folder(path, split, only=only, order=order)
    wanted = len(sample_positions(len(listing.files), samples, seed))
    queue = sample_positions(len(listing.files), None if samples is None else len(listing.files), seed).tolist()
    fit = fit if fit is not None and _needs_fit(listing, queue[:wanted], fit) else None
    with warnings.catch_warnings():
        # Pillow's, of damaged metadata and of sizes: what concerns the pixels is noted here.
        warnings.simplefilter("ignore")
        images, kept, skipped, conversions = _drawn(listing, queue, wanted, fit)
    notes = list(listing.notes)
    notes += [f"{count} of {len(kept)} images of {path} are {what}" for what, count in conversions.items()]
    if fit is not None:
        size = "x".join(map(str, fit.size))
        notes.append(f"images of {path} are resized to {size} ({fit.interpolation}, crop {fit.crop:g})")
    if skipped:
        notes.append(f"left out {counted(len(skipped), 'unreadable file')} of {path}; the first: {skipped[0]}")
    return Samples(
        images,
        torch.tensor([listing.labels[position] for position in kept]),
        listing.classes,
        torch.tensor(kept),
        str(path),
        tuple(skipped),
        tuple(notes),
        listing.ordered,
    )


def _drawn(
    listing: Listing, queue: Iterable[int], wanted: int, fit: Fit | None
) -> tuple[torch.Tensor, list[int], list[str], Counter[str]]:
    """Return the first `wanted` readable images, their positions, the files skipped, and what was converted."""
    images: torch.Tensor | None = None
    kept: list[int] = []
    skipped: list[str] = []
    conversions: Counter[str] = Counter()
    for position in queue:
        if len(kept) == wanted:
            break
        counts: Counter[str] = Counter()
        try:
            array = listing.read(position, fit=fit, conversions=counts)
        except UsageError:
            raise
        except BROKEN as error:
            skipped.append(f"{shown(listing.files[position].relative_to(listing.path))}: {_reason(error)}")
            continue
        if images is None:
            images = torch.empty((wanted, *array.shape))
        if array.shape != images.shape[1:]:
            raise _differing(listing, kept[0], images.shape[1:], position, array.shape)
        images.numpy()[len(kept)] = array
        kept.append(position)
        conversions += counts
    if images is None:
        number = counted(len(skipped), "unreadable one")
        raise UsageError(f"{listing.path} must hold a readable image; got {number}: {skipped[0]}")
    return images[: len(kept)], kept, skipped, conversions


def _needs_fit(listing: Listing, positions: Iterable[int], fit: Fit) -> bool:
    """Return whether an image of the draw has another size: those that a user made fit are not cropped again."""
    sizes = (image_size(listing.files[position]) for position in positions)
    return any(size not in {None, fit.size} for size in sizes)


def _differing(listing: Listing, first: int, one: Sequence[int], second: int, other: Sequence[int]) -> UsageError:
    """Return the error for images of two sizes."""
    sizes = " and ".join(
        f"{shape[2]}x{shape[1]} in {shown(listing.files[position].relative_to(listing.path))}"
        for position, shape in ((first, one), (second, other))
    )
    return UsageError(
        f"images of {listing.path} must all have one size; got {sizes}: resize them, or pass image_size (--image-size)"
    )


def _reason(error: Exception) -> str:
    """Return why an image cannot be read, in one line, without its path."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return " ".join(text.split()) or type(error).__name__


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
    drawn = to_images(images[chosen.numpy()])
    return Samples(drawn, torch.from_numpy(labels)[chosen], classes, chosen, str(path))


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
