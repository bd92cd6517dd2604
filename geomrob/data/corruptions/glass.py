"""Glass blur: pixels taken from their neighbours, one after the other, between two small Gaussian blurs."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from geomrob.data.corruptions._common import Pixels, truncated, unit
from geomrob.data.corruptions.blur import smooth
from geomrob.data.corruptions.severities import Constants


def glass_blur(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images smoothed, shuffled and smoothed again.

    The constants are the sigma of the smoothing, the largest offset d and how often all pixels are visited. Visited
    from the lower right to the upper left, a pixel becomes a copy of the one at an offset in [-d, d - 1] of rows and of
    columns. d + 1 rows and columns at the upper and left edge, and d - 1 at the others, stay.
    """
    sigma, reach, rounds = constants[0], int(constants[1]), int(constants[2])
    first = truncated(smooth(unit(pixels), sigma))
    count, _, height, width = pixels.shape
    flat = first.reshape(count, -1, height * width)
    for _ in range(rounds):
        offsets = np.stack([offsets_of(draw, height, width, reach) for draw in draws])
        flat = np.take_along_axis(flat, _sources(offsets, height, width, reach)[:, None], axis=2)
    return truncated(smooth(unit(flat.reshape(pixels.shape)), sigma))


def offsets_of(draw: Generator, height: int, width: int, reach: int) -> NDArray[np.int8]:
    """Return the offsets (rows, columns, 2), across and down, in the order in which pixels are visited."""
    return draw.integers(-reach, reach, size=(height - 2 * reach, width - 2 * reach, 2), dtype=np.int8)


def _sources(offsets: NDArray[np.int8], height: int, width: int, reach: int) -> NDArray[np.intp]:
    """Return from which pixel (N, H * W) of the image each pixel of the shuffled image comes.

    A pixel that copies one that was visited before it gets what that one got; one that copies a later one gets what
    the image has there. So each pixel is followed to the end of its chain of visited pixels, in doubling steps.
    """
    count = len(offsets)
    positions = np.arange(height * width).reshape(height, width)
    visited = np.zeros(height * width, bool)
    inside = positions[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1]
    visited[inside] = True
    targets = np.broadcast_to(positions.ravel(), (count, height * width)).copy()
    steps = offsets[:, ::-1, ::-1].astype(np.intp)
    targets[:, inside] = inside + steps[..., 1] * width + steps[..., 0]
    # Pixels are visited in falling order: a larger position was visited earlier.
    earlier = visited[targets] & (targets > positions.ravel()) & visited
    following = np.where(earlier, targets, positions.ravel())
    while True:
        further = np.take_along_axis(following, following, axis=1)
        if np.array_equal(further, following):
            return np.take_along_axis(targets, following, axis=1)
        following = further
