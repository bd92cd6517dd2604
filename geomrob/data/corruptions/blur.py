"""Blur by a kernel: Gaussian, out of focus, and many zooms laid over each other."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage, signal

from geomrob.data.corruptions._common import Field, Pixels, truncated, unit
from geomrob.data.corruptions.severities import Constants

# From this side on a kernel is applied in the frequency domain.
WIDE = 11


def smooth(images: Field, sigma: float) -> Field:
    """Return images (..., H, W) under a Gaussian, cut at four sigma, their edges repeated outwards."""
    return np.asarray(ndimage.gaussian_filter(images, sigma, mode="nearest", truncate=4.0, axes=(-2, -1)))


def gaussian_blur(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images under a Gaussian of sigma `constants`; nothing is drawn."""
    (sigma,) = constants
    return truncated(smooth(unit(pixels), sigma))


def defocus_blur(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images under a disk of a radius, itself smoothed by a sigma; nothing is drawn.

    Radii below 1 are one pixel: on small images severities 1 to 3 are small Gaussian blurs by the sigma that was meant
    to smooth the rim.
    """
    kernel = disk(*constants)
    images = unit(pixels)
    if len(kernel) < WIDE:
        return truncated(ndimage.correlate(images, kernel[None, None], mode="mirror"))
    reach = len(kernel) // 2
    padded = np.pad(images, [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode="reflect")
    # Image by image, so that the rounding does not depend on the batch.
    blurred = [signal.fftconvolve(one, kernel[None, ::-1, ::-1], mode="valid", axes=(1, 2)) for one in padded]
    return truncated(np.stack(blurred))


@cache
def disk(radius: float, sigma: float) -> Field:
    """Return the kernel (k, k) of a lens out of focus: a disk that sums to one, under a Gaussian of 3 or 5 taps.

    The grid ends at the rim for a radius of 8 and more, and is mirrored there under the Gaussian, so that such kernels
    sum to 1.01: severities 4 and 5 of large images are a little brighter.
    """
    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    line = np.arange(-reach, reach + 1)
    inside = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    steps = np.arange(taps) - taps // 2
    gauss = np.exp(-(steps**2) / (2 * sigma**2))
    gauss /= gauss.sum()
    for axis in (0, 1):
        inside = ndimage.correlate1d(inside, gauss, axis=axis, mode="mirror")
    # What is zero all around only costs time.
    used = int(np.abs(line)[inside.any(0)].max())
    return inside[reach - used : reach + used + 1, reach - used : reach + used + 1].astype(np.float64)


def zoom_blur(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the mean of the images and of their zooms by 1, 1 + step, ... up to an end; nothing is drawn.

    The factors are `np.arange(1, end, step)`, whose rounding decides how many there are: 7, 12, 16, 21 and 26 on small
    images, where the end itself is sometimes among them.
    """
    end, step = constants
    factors = np.arange(1, end, step)
    # In single precision as the benchmark, because the truncation to 8 bits shows how sums of equal numbers round.
    images = unit(pixels).astype(np.float32)
    total = np.zeros_like(images)
    for factor in factors:
        total += zoomed(images, float(factor)).astype(np.float32)
    return truncated((images + total) / np.float32(len(factors) + 1))


def zoomed(images: NDArray[np.floating], factor: float) -> Field:
    """Return the middle of images (..., H, W), zoomed to their size by linear interpolation between pixel centres."""
    height, width = images.shape[-2:]
    above, below, share = _line(height, factor)
    left, right, part = _line(width, factor)
    rows = images[..., above, :] * (1 - share)[:, None] + images[..., below, :] * share[:, None]
    return rows[..., left] * (1 - part) + rows[..., right] * part


@cache
def _line(size: int, factor: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Field]:
    """Return between which two pixels of an axis each pixel of the zoomed axis lies, and its distance to the first."""
    crop = int(np.ceil(size / factor))
    first = (size - crop) // 2
    grown = round(crop * factor)
    trim = (grown - size) // 2
    positions = np.arange(trim, trim + size, dtype=np.float64) * ((crop - 1) / (grown - 1))
    before = np.minimum(positions.astype(np.intp), crop - 1)
    return first + before, first + np.minimum(before + 1, crop - 1), positions - before
