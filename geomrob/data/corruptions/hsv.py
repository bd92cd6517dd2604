"""Colours as hue, saturation and value."""

import numpy as np

from geomrob.data.corruptions._common import Field


def to_hsv(images: Field) -> tuple[Field, Field, Field]:
    """Return hue, saturation and value (N, H, W) in [0, 1] of colour images (N, 3, H, W); grey has hue 0.

    Example:
        >>> [float(part) for part in np.ravel(to_hsv(np.array([0.0, 0.5, 0.25]).reshape(1, 3, 1, 1)))]
        [0.4166..., 1.0, 0.5]
    """
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    value = images.max(1)
    spread = value - images.min(1)
    # Where nothing is divided the result is 0.
    apart = np.where(spread == 0, 1, spread)
    hue = np.where(value == red, (green - blue) / apart, 0)
    hue = np.where(value == green, 2 + (blue - red) / apart, hue)
    hue = np.where(value == blue, 4 + (red - green) / apart, hue)
    hue = np.where(spread == 0, 0, hue / 6 % 1)
    return hue, spread / np.where(value == 0, 1, value), value


def from_hsv(hue: Field, saturation: Field, value: Field) -> Field:
    """Return the colour images (N, 3, H, W) that `to_hsv` takes apart."""
    sixth = np.floor(hue * 6)
    part = hue * 6 - sixth
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    sector = sixth.astype(np.intp) % 6
    red = np.choose(sector, (value, falling, low, low, rising, value))
    green = np.choose(sector, (rising, value, value, falling, low, low))
    blue = np.choose(sector, (low, low, rising, value, value, falling))
    return np.stack((red, green, blue), 1)
