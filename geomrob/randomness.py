"""Random numbers that belong to an image: whole batches at once, the same whatever batch an image comes in.

Every image has a key of 64 bits. Number j of a key is the j-th output of the SplitMix64 generator started at the key,

    z = key + j * g;  z = (z ^ z >> 30) * a;  z = (z ^ z >> 27) * b;  z ^ z >> 31        (modulo 2^64)

which is a function of (key, j) alone: no state, no order, no loop over images, and integers are exact on any device.
`fork` makes keys for other uses of the same image.

References:
    Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

import hashlib
import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float32, Int64
from scipy.special import betaincinv
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.errors import UsageError

Keys: TypeAlias = Int64[Tensor, " n"]

WORD = 1 << 64
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def image_keys(seed: int, indices: Tensor, *, epoch: int = 0, view: int = 0) -> Keys:
    """Return the key of each image for one pass over the data.

    Args:
        seed: The caller's.
        indices: Position of each image in its source, (N,) int64.
        epoch: Which pass over the images, or which of several draws.
        view: Which of several draws of one pass, as the consistency loss needs them.

    Raises:
        UsageError: Indices that are not one whole number an image.

    Example:
        >>> keys = image_keys(0, torch.tensor([3, 4]))
        >>> bool((image_keys(0, torch.tensor([4])) == keys[1:]).all())
        True
    """
    if indices.ndim != 1 or indices.dtype != torch.int64:
        found = f"{tuple(indices.shape)} of {indices.dtype}"
        raise UsageError(f"indices must be shaped (N,) of torch.int64; got {found}: give one for each image")
    return fork(indices, _mixed_number(seed), epoch, view)


def fork(keys: Keys, *words: int) -> Keys:
    """Return other keys of the same images, one set for each sequence of whole numbers.

    Args:
        keys: Any keys.
        words: What tells this use from others.
    """
    for word in words:
        keys = _mixed(_mixed(keys) ^ _signed(_mixed_number(word)))
    return keys


def bits(keys: Keys, count: int) -> Int64[Tensor, "n m"]:
    """Return `count` numbers of 64 random bits for each key."""
    steps = torch.arange(1, count + 1, device=keys.device) * _signed(STEP)
    return _mixed(keys[:, None] + steps)


def uniform(keys: Keys, count: int) -> Float32[Tensor, "n m"]:
    """Return numbers drawn uniformly from (0, 1), neither end included.

    Example:
        >>> uniform(image_keys(0, torch.arange(2)), 3).shape
        torch.Size([2, 3])
    """
    return _high(bits(keys, count), 23).float() * 2.0**-23 + 2.0**-24


def whole(keys: Keys, low: int, high: int | Tensor) -> Int64[Tensor, " n"]:
    """Return one whole number for each key, drawn uniformly from low ... high, both included."""
    return (low + (uniform(keys, 1)[:, 0] * (high - low + 1)).floor()).long()


def normal_pairs(keys: Keys, count: int) -> Float32[Tensor, "2 n m"]:
    """Return two independent fields of normally distributed numbers, by Box and Muller: two of each 64 bits.

    Example:
        >>> bool(normal_pairs(image_keys(0, torch.arange(4)), 1000).std() < 1.1)
        True
    """
    drawn = bits(keys, count)
    radius = (_high(drawn, 32).float() * 2.0**-32 + 2.0**-33).log_().mul_(-2).sqrt_()
    angle = (drawn & 0xFFFFFFFF).float() * (2 * math.pi * 2.0**-32)
    return torch.stack((radius * angle.cos(), radius * angle.sin()))


def normal(keys: Keys, count: int) -> Float32[Tensor, "n m"]:
    """Return normally distributed numbers of mean 0 and variance 1."""
    return normal_pairs(keys, (count + 1) // 2).movedim(0, -1).flatten(1)[:, :count]


def dirichlet(keys: Keys, count: int) -> Float32[Tensor, "n m"]:
    """Return `count` shares that sum to 1, drawn uniformly from all such (Dirichlet of parameters 1)."""
    shares = -uniform(keys, count).log()
    return shares / shares.sum(1, keepdim=True)


def beta(keys: Keys, a: float, b: float) -> Float32[Tensor, " n"]:
    """Return one number for each key of the Beta(a, b) distribution, by its inverse distribution function."""
    drawn = uniform(keys, 1)[:, 0]
    if a == b == 1:
        return drawn
    if a == b == 0.5:
        return (drawn * (math.pi / 2)).sin().square()
    quantiles = betaincinv(a, b, drawn.double().cpu().numpy())
    return torch.from_numpy(quantiles).float().to(drawn.device)


def _mixed(values: Tensor) -> Tensor:
    """Return the output function of SplitMix64; torch multiplies modulo 2^64."""
    values = (values ^ _high(values, 34)) * _signed(FIRST)
    values = (values ^ _high(values, 37)) * _signed(SECOND)
    return values ^ _high(values, 33)


def _mixed_number(value: int) -> int:
    """Return `_mixed` of one number, which may have any size."""
    value %= WORD
    value = (value ^ value >> 30) * FIRST % WORD
    value = (value ^ value >> 27) * SECOND % WORD
    return value ^ value >> 31


def _high(values: Tensor, count: int) -> Tensor:
    """Return the `count` highest of 64 bits as a number; `>>` of a signed number fills up with its sign."""
    return (values >> (64 - count)) & ((1 << count) - 1)


def _signed(value: int) -> int:
    """Return 64 bits as the signed number that torch means by them."""
    value %= WORD
    return value - WORD if value >= WORD // 2 else value


def generator(word: str, seed: int, index: int) -> torch.Generator:
    """Return a CPU generator that belongs to one image, one seed and one use.

    Args:
        word: What is drawn, so that two attacks on one image draw differently.
        seed: The caller's seed.
        index: Position of the image in its source.

    Example:
        >>> bool((torch.rand(3, generator=generator("a", 0, 7)) == torch.rand(3, generator=generator("a", 0, 7))).all())
        True
    """
    digest = hashlib.sha256(f"{word} {seed} {index}".encode()).digest()
    # The CPU generator takes 32 bits of its seed: the first of the digest are as good as any.
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def drawn(draw: Callable[[torch.Generator], Tensor], word: str, seed: int, indices: Labels, like: Images) -> Tensor:
    """Return one draw an image, stacked, in the type and on the device of `like`; drawn on the CPU, so the same on all.

    Args:
        draw: Draws for one image from its generator.
        word, seed: As in `generator`.
        indices: Position of each image in its source.
        like: Says type and device.
    """
    return torch.stack([draw(generator(word, seed, index)) for index in indices.tolist()]).to(like)


def checked_indices(indices: Labels | None, count: int) -> Labels:
    """Return the position of each image in its source, 0, 1, ... by default.

    Raises:
        UsageError: Not one whole number an image.
    """
    if indices is None:
        return torch.arange(count)
    if tuple(indices.shape) != (count,) or indices.dtype != torch.int64:
        found = f"{tuple(indices.shape)} of {indices.dtype}"
        raise UsageError(f"indices must be shaped ({count},) of torch.int64; got {found}: give one for each image")
    return indices.cpu()
