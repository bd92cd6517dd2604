"""Noise that every element of an image gets of its own: Gaussian, shot, impulse, speckle."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from geomrob.data.corruptions._common import Pixels, truncated, unit
from geomrob.data.corruptions.severities import Constants


def gaussian_noise(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return x + s N, with s of `constants` and N standard normal."""
    (scale,) = constants
    return truncated(unit(pixels) + scale * _normal(pixels, draws))


def shot_noise(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return Poisson(c x) / c, with c photons for a white element."""
    (photons,) = constants
    rates = unit(pixels) * photons
    counts = np.stack([draw.poisson(rate) for draw, rate in zip(draws, rates, strict=True)])
    return truncated(counts / photons)


def impulse_noise(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return the images with a share of their elements set to 0 or to 255, each with the same probability."""
    (amount,) = constants
    uniform = np.stack([draw.random((2, *pixels.shape[1:])) for draw in draws])
    salt = np.where(uniform[:, 1] <= 0.5, np.uint8(255), np.uint8(0))
    return np.where(uniform[:, 0] <= amount, salt, pixels)


def speckle_noise(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return x + s x N, with s of `constants` and N standard normal."""
    (scale,) = constants
    images = unit(pixels)
    return truncated(images + scale * images * _normal(pixels, draws))


def _normal(pixels: Pixels, draws: Sequence[Generator]) -> np.ndarray:
    """Return one standard normal draw an element."""
    return np.stack([draw.standard_normal(pixels.shape[1:]) for draw in draws])
