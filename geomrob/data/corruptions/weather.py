"""Weather: snow, frost and fog."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from geomrob.data.corruptions._common import LUMA, Field, Pixels, grey, truncated, unit
from geomrob.data.corruptions.blur import zoomed
from geomrob.data.corruptions.motion import moved
from geomrob.data.corruptions.severities import Constants
from geomrob.errors import UsageError

FROST = Path(__file__).resolve().parents[2] / "assets" / "frost"
# The third picture of the benchmark is the second again, and its sixth is never drawn.
LARGE = ("frost1.jpg", "frost2.jpg", "frost2.jpg", "frost4.jpg", "frost5.jpg")
# Every fifth pixel: stored where the large picture is stored with loss.
FIFTHS = ("frost1-fifth.png", "frost2-fifth.png", "frost2-fifth.png", "frost4.jpg", "frost5.jpg")


def snow(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return whitened images under flakes that fall at an angle drawn from (-135, -45) degrees.

    The constants are (mean, deviation, zoom, threshold, radius, sigma, mix): normal noise is zoomed, what lies below
    the threshold removed, the rest moved (`motion.moved`), and added twice, the second time turned by 180 degrees, to
    mix * x + (1 - mix) * max(x, 1.5 grey(x) + 0.5).
    """
    mean, deviation, zoom, threshold, radius, sigma, mix = constants
    size = pixels.shape[-2:]
    noise = mean + deviation * np.stack([draw.standard_normal(size) for draw in draws])
    flakes = zoomed(noise, zoom)
    flakes[flakes < threshold] = 0
    angles = np.array([draw.uniform(-135, -45) for draw in draws])
    layer = unit(moved(truncated(flakes)[:, None], radius, sigma, angles))
    images = unit(pixels)
    whitened = mix * images + (1 - mix) * np.maximum(images, 1.5 * grey(images) + 0.5)
    return truncated(whitened + layer + layer[..., ::-1, ::-1])


def frost(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return a x + b f, where f is cut from one of five pictures of frost at a random position.

    The constants are (a, b, fifth): where `fifth` is 1, every fifth pixel of the pictures is taken.

    Raises:
        UsageError: The images are larger than the pictures.
    """
    keep, cover, fifth = constants
    height, width = pixels.shape[-2:]
    pictures = [texture(number, bool(fifth)) for number in range(len(LARGE))]
    tallest, widest = (min(one.shape[axis] for one in pictures) - 1 for axis in (0, 1))
    if height > tallest or width > widest:
        raise UsageError(
            f"images must be at most {tallest}x{widest} pixels for frost; got {height}x{width}: leave frost out, "
            "or take the table for large images"
        )
    layers: list[Pixels] = []
    for draw in draws:
        picture = pictures[draw.integers(len(pictures))]
        top, left = (int(draw.integers(0, picture.shape[axis] - side)) for axis, side in enumerate((height, width)))
        layers.append(picture[top : top + height, left : left + width])
    cut = np.stack(layers).transpose(0, 3, 1, 2)
    layer: NDArray[np.floating] = cut if pixels.shape[1] == 3 else np.tensordot(cut, LUMA, (1, 0))[:, None]
    return np.clip(keep * pixels + cover * layer, 0, 255).astype(np.uint8)


@cache
def texture(number: int, small: bool) -> Pixels:
    """Return one of the five pictures of frost (H, W, 3), or every fifth pixel of it, from the third on."""
    name = (FIFTHS if small else LARGE)[number]
    with Image.open(FROST / name) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return np.ascontiguousarray(pixels[2::5, 2::5]) if small and name.endswith(".jpg") else pixels


def fog(pixels: Pixels, constants: Constants, draws: Sequence[Generator]) -> Pixels:
    """Return (x + a p) m / (m + a): a plasma p in [0, 1] above the image, and its largest value m as before.

    The constants are the strength a and the decay of `plasma`.
    """
    strength, decay = constants
    height, width = pixels.shape[-2:]
    clouds = plasma(1 << (max(height, width) - 1).bit_length(), decay, draws)[:, None, :height, :width]
    images = unit(pixels)
    brightest = images.max((1, 2, 3), keepdims=True)
    return truncated((images + strength * clouds) * brightest / (brightest + strength))


def plasma(side: int, decay: float, draws: Sequence[Generator]) -> Field:
    """Return one fractal an image (N, side, side) in [0, 1], which is periodic; the side is a power of 2.

    The midpoints of squares, then of diamonds, become the mean of their corners + w^2 U(-1, 1), where w begins at 100
    and is divided by `decay` each time the squares are halved.
    """
    noise = np.stack([draw.uniform(-1, 1, side * side - 1) for draw in draws])
    heights = np.zeros((len(draws), side, side))
    taken, step, wobble = 0, side, 100.0

    def midpoints(corners: Field) -> Field:
        nonlocal taken
        count = corners[0].size
        uniform = noise[:, taken : taken + count].reshape(corners.shape)
        taken += count
        return corners / 4 + wobble**2 * uniform

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        across = corners + np.roll(corners, -1, axis=2)
        middles = midpoints(across + np.roll(across, -1, axis=1))
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = midpoints(middles + np.roll(middles, 1, axis=1) + across)
        upright = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = midpoints(middles + np.roll(middles, 1, axis=2) + upright)
        step, wobble = half, wobble / decay
    heights -= heights.min((1, 2), keepdims=True)
    return heights / heights.max((1, 2), keepdims=True)
