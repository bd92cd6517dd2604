"""Spatter: drops of water or mud on the lens."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from geomrob.data.corruptions._common import Field, Pixels, colour, truncated, unit
from geomrob.data.corruptions.blur import smooth
from geomrob.data.corruptions.canny import canny, distance
from geomrob.data.corruptions.severities import Constants

# In the order red, green, blue: as the benchmark names them pale turquoise and mud brown.
WATER = (175, 238, 238)
MUD = (63, 42, 20)
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def spatter(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images under drops where smoothed normal noise is above a threshold.

    The constants are (mean, deviation, sigma, threshold, strength, kind). Kind 0 is water: the drops shine, with a
    relief made of the distance to their rims, strength times the colour of water at the brightest position. Kind 1 is
    mud, which covers; there the strength is the sigma that smooths its rims.
    """
    mean, deviation, sigma, threshold, strength, mud = constants
    size = pixels.shape[-2:]
    noise = mean + deviation * np.stack([draw.standard_normal(size) for draw in draws])
    liquid = smooth(noise, sigma)
    liquid[liquid < threshold] = 0
    images = unit(pixels)
    if not mud:
        return truncated(images + strength * _shine(liquid)[:, None] * colour(WATER, pixels.shape[1]))
    cover = smooth((liquid > threshold).astype(np.float64), strength)[:, None]
    cover[cover < 0.8] = 0
    return truncated(images * (1 - cover) + cover * colour(MUD, pixels.shape[1]))


def _shine(liquid: Field) -> Field:
    """Return how much the drops shine, at most 1 in each image; an image without a drop does not."""
    # What is above one goes around, as 8-bit numbers do.
    drops = (liquid * 255).astype(np.int64).astype(np.uint8)
    far = np.minimum(distance(canny(drops, 50, 150), most=20), 20)
    relief = _correlate(_equalized(_box(far).astype(np.int64)), RELIEF)
    bright = drops * np.rint(_box(np.clip(relief, 0, 255)))
    most = bright.max((1, 2), keepdims=True)
    return bright / np.where(most == 0, 1, most)


def _box(images: NDArray[np.generic]) -> Field:
    """Return the means over 3 x 3 pixels; sums come before the division, so that equal pixels stay as they are."""
    return _correlate(images, np.ones((3, 3))) / 9


def _correlate(images: NDArray[np.generic], kernel: NDArray[np.generic]) -> Field:
    """Return images (N, H, W) under a 3 x 3 kernel, mirrored at their last pixels."""
    return ndimage.correlate(images.astype(np.float64), kernel[None].astype(np.float64), mode="mirror")


def _equalized(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return levels in 0 ... 20 spread over 0 ... 255 so that each image has as many pixels below any level as share.

    The lowest level that an image has becomes 0; an image of one level stays as it is.
    """
    counts = np.stack([np.bincount(one, minlength=21) for one in levels.reshape(len(levels), -1)])
    present = counts > 0
    lowest = present.argmax(1)
    first = np.take_along_axis(counts, lowest[:, None], 1)
    rest = counts.sum(1, keepdims=True) - first
    spread = np.rint((np.cumsum(counts, 1) - first) * (255 / np.maximum(rest, 1))).astype(np.int64)
    spread = np.where(rest == 0, lowest[:, None], np.maximum(spread, 0))
    return np.take_along_axis(spread, levels.reshape(len(levels), -1), 1).reshape(levels.shape)
