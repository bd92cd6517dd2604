"""What all corruptions share: 8-bit images to numbers in [0, 1] and back, grey from colour."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# 8-bit images (N, C, H, W); the same as numbers, in [0, 1] unless a name says otherwise.
Pixels: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float64]

# Of red, green and blue in a grey image.
LUMA = np.array([0.299, 0.587, 0.114])


def unit(pixels: Pixels) -> Field:
    """Return 8-bit images as numbers in [0, 1]."""
    return pixels / 255.0


def truncated(images: NDArray[np.floating]) -> Pixels:
    """Return images in [0, 1] as 8 bits: what lies outside is clipped, what lies between two steps goes down.

    Example:
        >>> truncated(np.array([-0.5, 0.0039, 0.9999, 1.5])).tolist()
        [0, 0, 254, 255]
    """
    return (np.clip(images, 0, 1) * 255).astype(np.uint8)


def grey(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the luma (N, 1, H, W) of colour images; grey images as they are."""
    return images if images.shape[1] == 1 else np.tensordot(images, LUMA, (1, 0))[:, None]


def colour(rgb: tuple[int, int, int], channels: int) -> Field:
    """Return an 8-bit colour as (C, 1, 1) numbers in [0, 1]: itself for three channels, its luma for one."""
    values = np.array(rgb) / 255
    return (values if channels == 3 else values[None] @ LUMA).reshape(channels, 1, 1)
