"""Images that a user brings: a folder of class folders."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from PIL import UnidentifiedImageError

from geomrob.data import lazy
from geomrob.data.entry import Samples, sample_positions
from geomrob.data.folder_layout import Listing, counted, list_folder, shown
from geomrob.data.image_files import BROKEN, image_size
from geomrob.data.lazy import LazyImages
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
    """Return the first `wanted` readable images, their positions, the files skipped, and what was converted.

    Every file is read once here; those of a large set are read again when they are used.
    """
    held: torch.Tensor | None = None
    shape: tuple[int, ...] = ()
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
        if not kept:
            shape = array.shape
            held = torch.empty((wanted, *shape)) if 4 * wanted * array.size <= lazy.AT_ONCE else None
        if array.shape != shape:
            raise _differing(listing, kept[0], shape, position, array.shape)
        if held is not None:
            held.numpy()[len(kept)] = array
        kept.append(position)
        conversions += counts
    if not kept:
        number = counted(len(skipped), "unreadable one")
        raise UsageError(f"{listing.path} must hold a readable image; got {number}: {skipped[0]}")
    if held is None:
        return LazyImages(lambda row: _again(listing, kept[row], fit), len(kept), shape), kept, skipped, conversions
    return held[: len(kept)], kept, skipped, conversions


def _again(listing: Listing, position: int, fit: Fit | None) -> torch.Tensor:
    """Return an image that was readable when the set was opened.

    Raises:
        UsageError: It is not any more.
    """
    try:
        return torch.from_numpy(listing.read(position, fit=fit))
    except BROKEN as error:
        file = listing.files[position]
        raise UsageError(f"{file} must stay readable until the end; got {_reason(error)}: run it again") from error


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
