"""Elastic transform: a random affine map, then a smooth random displacement of every pixel."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from geomrob.data.corruptions._common import Field, Pixels, truncated, unit
from geomrob.data.corruptions.severities import Constants


def elastic_transform(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images after an affine map and a displacement, each read by linear interpolation.

    The constants are (alpha, sigma, corner), in pixels: three corners of the inner square are moved by U(-corner,
    corner) in each direction, which fixes the affine map; displacements are alpha times uniform noise in [-1, 1] under
    a Gaussian of sigma. Alpha 0 (severity 1 of small images) leaves the affine map alone.
    """
    alpha, sigma, corner = constants
    height, width = pixels.shape[-2:]
    moves = np.stack([draw.uniform(-corner, corner, (3, 2)) for draw in draws])
    images = _read(unit(pixels), *_affine(moves, height, width), edge="mirror")
    if not alpha:
        return truncated(images)
    noise = np.stack([draw.uniform(-1, 1, (2, height, width)) for draw in draws])
    # One product an image: all have the same shape, so that the rounding does not depend on the batch.
    fields = alpha * (_gaussian(height, sigma) @ noise @ _gaussian(width, sigma).T)
    rows, columns = np.indices((height, width))
    return truncated(_read(images, rows + fields[:, 1], columns + fields[:, 0], edge="reflect"))


def _affine(moves: Field, height: int, width: int) -> tuple[Field, Field]:
    """Return where in the image (rows, columns) (N, H, W) each pixel of the mapped image lies.

    The map takes three corners of a square around the middle, of half side min(H, W) // 3, to themselves + `moves`.
    """
    middle = np.array([width // 2, height // 2], np.float64)
    reach = min(height, width) // 3
    corners = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    ones = np.ones((len(moves), 3, 1))
    # Solves (moved corner, 1) A = corner: the inverse of the map, which is what reading needs.
    inverse = np.linalg.solve(np.concatenate((corners + moves, ones), 2), np.broadcast_to(corners, moves.shape))
    rows, columns = np.indices((height, width))
    positions = np.stack((columns, rows, np.ones_like(rows)), -1).astype(np.float64)
    found = np.einsum("hwi,nio->nohw", positions, inverse)
    return found[:, 1], found[:, 0]


@cache
def _gaussian(size: int, sigma: float) -> Field:
    """Return the matrix of a Gaussian, cut at three sigma, on an axis that is reflected at both ends."""
    return ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode="reflect", truncate=3.0)


def _read(images: Field, rows: Field, columns: Field, *, edge: str) -> Field:
    """Return images (N, C, H, W) at real positions (N, H, W), linear between pixels.

    Beyond the edges the image is reflected: about the last pixel (`mirror`) or about its outer side (`reflect`).
    """
    count, channels, height, width = images.shape
    top, left = np.floor(rows), np.floor(columns)
    down, across = (rows - top)[:, None], (columns - left)[:, None]
    flat = images.reshape(count, channels, height * width)

    def at(row: Field, column: Field) -> Field:
        positions = _inside(row, height, edge) * width + _inside(column, width, edge)
        return np.take_along_axis(flat, positions.reshape(count, 1, -1), axis=2).reshape(images.shape)

    upper = at(top, left) * (1 - across) + at(top, left + 1) * across
    lower = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across
    return upper * (1 - down) + lower * down


def _inside(positions: Field, size: int, edge: str) -> NDArray[np.intp]:
    """Return whole positions, reflected into 0 ... size - 1 as often as needed."""
    whole = positions.astype(np.intp)
    if edge == "mirror":
        period = max(2 * (size - 1), 1)
        folded = whole % period
        return np.minimum(folded, period - folded)
    folded = whole % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)
