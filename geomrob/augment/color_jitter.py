"""The colour primitive of PRIME: every channel of every image goes through a random smooth curve."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys

LAWS = ("thesis", "released")


def random_colors(
    images: Images, keys: Keys, *, cut: int = 10, strength: float = 0.01, band: int = 0, law: str = "thesis"
) -> Images:
    """Return each image with its values moved along a random curve, clipped to [0, 1] (eq. 5.6).

        x + sum_k beta_k sin(pi k x)    with beta_k ~ N(0, sigma^2), one for each channel

    so that 0 and 1 stay. It is the distribution of largest entropy among such curves of that smoothness and strength.

    Args:
        images: (N, C, H, W) in [0, 1].
        keys: Of the draws (`randomness.image_keys`).
        cut: K, the highest frequency.
        strength: Largest sigma, sigma ~ U(0, strength); for the released law the largest variance.
        band: How many consecutive frequencies, first one drawn uniformly; 0 for all from 1 to K.
        law: `thesis`, or `released`, see Differences.

    Raises:
        UsageError: Numbers out of range, an unknown law.

    References:
        Modas, Rade et al., PRIME, ECCV 2022; Modas, Robustness and invariance properties of image classifiers, EPFL
        2022, eq. 5.6, section 5.3.1 and appendix B.

    Differences:
        The released code draws K ~ U{1 ... cut} and the variance (not sigma) ~ U(0, strength), with cut = 100 for small
        images where the thesis has 10: curves up to thirty times as strong. Its bands start at U{1 ... K} and are
        shorter near K, its draws of K, sigma and the band are shared by a batch; here every image has its own.
    """
    if law not in LAWS:
        raise unknown("law", law, LAWS)
    if cut < 1 or band < 0 or not strength >= 0:
        values = f"cut {cut}, band {band}, strength {strength}"
        raise UsageError(
            f"cut must be at least 1, band and strength at least 0; got {values}: 10, 0 and 0.01 are usual"
        )
    share = randomness.uniform(randomness.fork(keys, 0), 1)[:, 0]
    sigma = strength * share if law == "thesis" else (strength * share).sqrt()
    count = min(band, cut) or cut
    first, last = _frequencies(keys, cut, band, law)
    values = randomness.normal(randomness.fork(keys, 3), images.shape[1] * count).unflatten(1, (-1, count))
    values = values * sigma[:, None, None]
    inside = first[:, None] + torch.arange(count, device=keys.device) <= last[:, None]
    return recolored(images, values * inside[:, None], first).clamp_(0, 1)


def recolored(images: Images, coefficients: Float[Tensor, "n c k"], first: Int64[Tensor, " n"]) -> Images:
    """Return x + sum_k beta_k sin(pi (first + k) x), not clipped, by Clenshaw's recurrence.

    The sum needs two sines and one cosine for each pixel and then two operations for each frequency.

    Args:
        images: (N, C, H, W).
        coefficients: beta, for each image and channel.
        first: The lowest frequency of each image, at least 1.
    """
    angle = images * math.pi
    twice = angle.cos().mul_(2)
    one, two = torch.zeros_like(images), torch.zeros_like(images)
    for column in coefficients.to(images)[..., None, None].flip(2).unbind(2):
        one, two = torch.addcmul(column, twice, one).sub_(two), one
    lowest = first.to(images).reshape(-1, 1, 1, 1)
    return images + one * (angle * lowest).sin() - two * (angle * (lowest - 1)).sin()


def _frequencies(keys: Keys, cut: int, band: int, law: str) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest frequency of each image."""
    highest = torch.full_like(keys, cut)
    if law == "released":
        highest = randomness.whole(randomness.fork(keys, 1), 1, cut)
    if not band:
        return torch.ones_like(keys), highest
    latest = highest if law == "released" else (highest - band + 1).clamp_min(1)
    first = randomness.whole(randomness.fork(keys, 2), 1, latest)
    return first, torch.minimum(first + band - 1, highest)
