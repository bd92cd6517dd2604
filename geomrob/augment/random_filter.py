"""The spectral primitive of PRIME: every image goes through a random filter around the identity."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images, per_sample
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys

DELTAS = ("centre", "released")


def random_filter(images: Images, keys: Keys, *, size: int = 3, strength: float = 4.0, delta: str = "centre") -> Images:
    """Return each image filtered by delta + w' with normally distributed taps, clipped to [0, 1] (eq. 5.3).

    w' has K x K independent taps N(0, sigma^2), sigma ~ U(0, strength), one filter an image, the same for its channels.
    It is the distribution of largest entropy among filters of that size and expected energy.

    Args:
        images: (N, C, H, W) in [0, 1].
        keys: Of the draws (`randomness.image_keys`).
        size: K, odd.
        strength: Largest standard deviation of a tap.
        delta: Where the identity is: `centre`, or `released`, see `taps`.

    Raises:
        UsageError: An even size, a negative strength, an unknown delta.

    References:
        Modas, Rade et al., PRIME, ECCV 2022; Modas, Robustness and invariance properties of image classifiers, EPFL
        2022, eq. 5.3 and appendix B.1.1.
    """
    if not strength >= 0:
        raise UsageError(f"strength must be at least 0; got {strength}: it is a standard deviation")
    sigma = strength * randomness.uniform(randomness.fork(keys, 0), 1)[:, 0]
    return filtered(images, taps(randomness.fork(keys, 1), size, sigma, delta=delta)).clamp_(0, 1)


def taps(keys: Keys, size: int, sigma: Float[Tensor, " n"], *, delta: str = "centre") -> Float[Tensor, "n size size"]:
    """Return delta + w', taps of variance sigma^2 around the identity.

    Args:
        keys: Of the draws.
        size: K, odd.
        sigma: Standard deviation of the taps of each image.
        delta: `centre`; or `released`: the tap at (ceil(K/2), ceil(K/2)) counted from 0, which for K = 3 is the corner,
            so that the identity part moves the image up and left by one pixel and fills in black.

    Raises:
        UsageError: An even size, an unknown delta.
    """
    if size < 1 or size % 2 == 0:
        raise UsageError(f"size of a filter must be odd; got {size}: it needs a centre")
    if delta not in DELTAS:
        raise unknown("delta", delta, DELTAS)
    filters = per_sample(sigma, torch.empty(0, 0)) * randomness.normal(keys, size * size)
    middle = size // 2 if delta == "centre" else min((size + 1) // 2, size - 1)
    filters[:, middle * size + middle] += 1
    return filters.unflatten(1, (size, size))


def filtered(images: Images, filters: Float[Tensor, "n size size"]) -> Images:
    """Return the cross-correlation of each image with its own filter, black beyond the border, not clipped.

    It is a sum of shifted images, so that an image does not depend on the batch it comes in by a single bit.
    """
    size = filters.shape[-1]
    height, width = images.shape[-2:]
    padded = F.pad(images, [size // 2] * 4)
    weights = filters.to(images).reshape(len(images), size * size, 1, 1, 1)
    total = torch.zeros_like(images)
    for tap in range(size * size):
        row, column = divmod(tap, size)
        total.addcmul_(padded[:, :, row : row + height, column : column + width], weights[:, tap])
    return total
