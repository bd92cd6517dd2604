"""Digital: brightness, contrast, saturation, pixels too large, JPEG."""

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator
from PIL import Image

from geomrob.data.corruptions._common import LUMA, Pixels, truncated, unit
from geomrob.data.corruptions.hsv import from_hsv, to_hsv
from geomrob.data.corruptions.severities import Constants


def brightness(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images with `constants` added to their value (HSV), clipped to [0, 1]; nothing is drawn."""
    (more,) = constants
    if pixels.shape[1] == 1:
        return truncated(unit(pixels) + more)
    hue, saturation, value = to_hsv(unit(pixels))
    return truncated(from_hsv(hue, saturation, np.clip(value + more, 0, 1)))


def contrast(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return m + c (x - m), with the mean m of each channel of each image; nothing is drawn."""
    (share,) = constants
    images = unit(pixels)
    means = images.mean((2, 3), keepdims=True)
    return truncated((images - means) * share + means)


def saturate(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images with saturation a s + b (HSV), clipped to [0, 1]; (a, b) are the constants, nothing is drawn.

    A grey image is taken as a colour image of equal channels, and the luma of the result is returned: with b = 0 it
    stays as it is, with b > 0 it becomes a little darker, because grey has the hue of red.
    """
    factor, more = constants
    images = unit(pixels)
    if pixels.shape[1] == 1:
        return truncated(images * (LUMA @ [1, 1 - more, 1 - more])) if more else pixels.copy()
    hue, saturation, value = to_hsv(images)
    return truncated(from_hsv(hue, np.clip(saturation * factor + more, 0, 1), value))


def pixelate(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images made smaller by the factor `constants` and large again by box averages; nothing is drawn."""
    (factor,) = constants
    return _through_pillow(pixels, partial(_coarse, factor=factor))


def jpeg_compression(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images after JPEG of the quality `constants`, colours at half resolution; nothing is drawn."""
    (quality,) = constants
    return _through_pillow(pixels, partial(_jpeg, quality=int(quality)))


def _through_pillow(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """Return what `change` makes of each image."""
    last = np.ascontiguousarray(pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1))
    changed = np.stack([np.asarray(change(Image.fromarray(one))) for one in last])
    return changed[:, None] if pixels.shape[1] == 1 else changed.transpose(0, 3, 1, 2)


def _coarse(image: Image.Image, *, factor: float) -> Image.Image:
    """Return the image with fewer pixels, blown up to its size."""
    width, height = image.size
    small = image.resize((int(width * factor), int(height * factor)), Image.Resampling.BOX)
    return small.resize((width, height), Image.Resampling.BOX)


def _jpeg(image: Image.Image, *, quality: int) -> Image.Image:
    """Return the image as it comes out of a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)
