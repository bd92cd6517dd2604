"""Motion blur: of a moving camera, and for the streaks of snow."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.random import Generator

from geomrob.data.corruptions._common import Field, Pixels
from geomrob.data.corruptions.severities import Constants


def motion_blur(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images moved along a line whose angle is drawn from (-45, 45) degrees, one an image.

    The constants are the radius and the sigma of `moved`.
    """
    radius, sigma = constants
    angles = np.array([draw.uniform(-45, 45) for draw in draws])
    return moved(pixels, radius, sigma, angles)


def moved(pixels: Pixels, radius: float, sigma: float, angles: Field) -> Pixels:
    """Return images under the one-sided blur of ImageMagick, rounded to 8 bits.

        y(p) = sum over i = 0 ... 2 r of k_i x(p + ceil(i u - 1/2)),    k_i ~ exp(-i^2 / (2 sigma^2))

    u is the direction of the angle (clockwise from the horizontal) and r the radius, rounded up; the weights sum to
    one, and edges are repeated outwards.
    """
    weights = _weights(radius, sigma)
    steps = np.arange(len(weights))
    radians = np.deg2rad(angles)
    down = np.ceil(steps * np.sin(radians)[:, None] - 0.5).astype(np.intp)
    across = np.ceil(steps * np.cos(radians)[:, None] - 0.5).astype(np.intp)
    reach = len(weights)
    height, width = pixels.shape[-2:]
    padded = np.pad(pixels, [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode="edge").astype(np.float64)
    total = np.zeros(pixels.shape)
    for one, image in enumerate(padded):
        for weight, row, column in zip(weights, reach + down[one], reach + across[one], strict=True):
            total[one] += weight * image[:, row : row + height, column : column + width]
    return np.rint(total).astype(np.uint8)


@cache
def _weights(radius: float, sigma: float) -> Field:
    """Return the weights along the line."""
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    return weights / weights.sum()
