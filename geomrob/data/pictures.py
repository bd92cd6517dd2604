"""Images in memory, of Pillow or as arrays one by one, as one array; what was converted is counted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from geomrob.data.arrays.image_arrays import channels_first, pixels, rows_of
from geomrob.data.image_files import WITH_ALPHA
from geomrob.data.resize import Fit, fit_array
from geomrob.errors import UsageError

GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def is_image(value: Any) -> bool:
    """Return whether a value is an image, or several: of Pillow, or an array or tensor of at least two axes.

    Example:
        >>> is_image(np.zeros((28, 28))), is_image(np.zeros(10)), is_image(3)
        (True, False, False)
    """
    return isinstance(value, Image.Image) or (isinstance(value, (np.ndarray, Tensor)) and value.ndim >= 2)


def stacked(images: Sequence[Any], source: str, fit: Fit | None = None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return images as one array, (N, C, H, W) of Pillow images, and notes of what was converted.

    Args:
        images: Pillow images, or arrays and tensors of one shape and type.
        source: What they belong to, for the messages.
        fit: Size to resize and crop to, where sizes differ.

    Raises:
        UsageError: Other objects, images of differing size or type.
    """
    if all(isinstance(image, Image.Image) for image in images):
        return _from_pillow(images, source, fit)
    arrays = [rows_of(image[None]).all()[0] for image in images if isinstance(image, (np.ndarray, Tensor))]
    if len(arrays) < len(images):
        kinds = " and ".join(sorted({type(image).__name__ for image in images}))
        raise UsageError(f"images of {source} must all be arrays, tensors or Pillow images; got {kinds}: convert them")
    kinds = sorted({str(array.dtype) for array in arrays})
    if len(kinds) > 1:
        raise UsageError(f"images of {source} must have one type of numbers; got {' and '.join(kinds)}: convert them")
    return one_size(arrays, source, fit)


def one_size(arrays: Sequence[NDArray[Any]], source: str, fit: Fit | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return images as one array, resized where their sizes differ, and the note of it.

    Raises:
        UsageError: They differ and there is no `fit`.
    """
    other = next((n for n, array in enumerate(arrays) if array.shape != arrays[0].shape), None)
    if other is not None and fit is not None:
        return _resized(arrays, source, fit)
    if other is not None:
        sizes = f"{arrays[0].shape} first and {arrays[other].shape} at {other}"
        raise UsageError(f"images of {source} must all have one size; got {sizes}: resize them, or pass image_size")
    return np.stack(arrays), ()


def _resized(arrays: Sequence[NDArray[Any]], source: str, fit: Fit) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return images of differing sizes as one array (N, C, H, W) of the size of `fit`, 8 bits as 8 bits."""
    what = f"images of {source}"
    planes = [channels_first(array[None], what) for array in arrays]
    # Resizing clips floats, so that what lies outside [0, 1] is reported before.
    scaled = [image if image.dtype == np.uint8 else pixels(image, what)[0].numpy() for image in planes]
    resized = [fit_array(image[0], fit) for image in scaled]
    if len({image.shape for image in resized}) > 1:
        raise UsageError(f"{what} must all have as many channels; got 1 and 3: convert them")
    size = "x".join(map(str, fit.size))
    return np.stack(resized), (f"{what} are resized to {size} ({fit.interpolation}, crop {fit.crop:g})",)


def _from_pillow(images: Sequence[Image.Image], source: str, fit: Fit | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return Pillow images as one array, of one channel if all are grey, else of three."""
    counts: Counter[str] = Counter()
    channels = 1 if all(image.mode in GREY for image in images) else 3
    arrays = [picture(image, channels, source, counts) for image in images]
    if len({array.dtype for array in arrays}) > 1:
        arrays = [array / np.float32(255) if array.dtype == np.uint8 else array for array in arrays]
    notes = tuple(f"{count} of {len(images)} images of {source} are {what}" for what, count in counts.items())
    array, resized = one_size(arrays, source, fit)
    return array, (*notes, *resized)


def picture(image: Image.Image, channels: int, source: str, counts: Counter[str]) -> NDArray[Any]:
    """Return a Pillow image (C, H, W): uint8, or float32 in [0, 1] where it has more than 8 bits.

    The EXIF orientation is applied, an alpha channel is dropped; both are counted.

    Args:
        image: In memory or open.
        channels: 1 or 3.
        source: What it belongs to, for the messages.
        counts: Counts the conversions, by the words for them.

    Raises:
        UsageError: Integers or floats of unknown range.

    Example:
        >>> picture(Image.new("RGBA", (3, 2)), 3, "mine", Counter()).shape
        (3, 2, 3)
    """
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
        counts["turned by their EXIF orientation"] += 1
    if "transparency" in upright.info or (
        upright.mode in WITH_ALPHA and upright.getchannel("A").getextrema()[0] != 255
    ):
        counts["with transparency: the alpha channel is dropped"] += 1
    if upright.mode.startswith("I;16"):
        plane = np.asarray(upright).astype(np.float32) / np.float32(65535)
    elif upright.mode in {"I", "F"}:
        plane = np.asarray(upright).astype(np.float32)
        low, high = float(plane.min()), float(plane.max())
        if not (low >= 0 and high <= 1 and upright.mode == "F"):
            given = f"mode {upright.mode} in [{low:.3g}, {high:.3g}]"
            raise UsageError(f"images of {source} must have 8 or 16 bits a channel; got {given}: scale them to [0, 1]")
    else:
        plane = np.asarray(upright.convert("L" if channels == 1 else "RGB"))
    if upright.mode == "CMYK":
        counts["CMYK: converted to RGB without their colour profile"] += 1
    if channels == 3 and image.mode in GREY:
        counts["grey: repeated to three channels"] += 1
    planes = plane[None] if plane.ndim == 2 else plane.transpose(2, 0, 1)
    return planes if len(planes) == channels else planes.repeat(channels, 0)
