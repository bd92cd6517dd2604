"""Random numbers that belong to an image: the same whatever batch an image comes in, and in whatever order.

A draw follows from its use (a word), a seed and the position of the image in its source. Two front ends:

`image_keys` gives whole batches of keys of 64 bits for torch; different images of one use and seed have different keys.
Number j of a key is the j-th output of the SplitMix64 generator started at the key,

    z = key + j * g;  z = (z ^ z >> 30) * a;  z = (z ^ z >> 27) * b;  z ^ z >> 31        (modulo 2^64)

which is a function of (key, j) alone: no state, no order, no loop over images, and integers are exact on any device.
`fork` makes further keys of the same images; `uniform`, `normal`, ... draw, `sample` draws in the shape of images.

`image_generator` gives a numpy generator with a key of 128 bits for one image: for laws that torch does not have.

References:
    Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; Salmon, Moraes, Dror, Shaw,
    Parallel random numbers: as easy as 1, 2, 3, SC 2011 (Philox).
"""

import contextlib
import hashlib
import math
import random
from collections.abc import Callable
from collections.abc import Generator as Yields
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.random import Generator, Philox
from scipy.special import betaincinv
from torch import Tensor

from geomrob.arrays import Images, Labels, LabelsLike, as_labels
from geomrob.errors import UsageError
from geomrob.seeds import as_seed

Keys: TypeAlias = Int64[Tensor, " n"]

WORD = 1 << 64
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Yields[None, None, None]:
    """Seed the global generators of torch, NumPy and Python, which other people's code draws from, and restore them.

    Args:
        seed: The caller's, at least 0.
        device: Whose generator is seeded beside that of the CPU.

    Example:
        >>> before = random.getstate()
        >>> with seeded(0):
        ...     one = torch.rand(()), np.random.rand(), random.random()
        >>> with seeded(0):
        ...     one == (torch.rand(()), np.random.rand(), random.random()), before == random.getstate()
        (True, False)
        >>> before == random.getstate()
        True
    """
    place = torch.device(device)
    drawn, states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the generator that others draw from
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if place.type == "cuda":
            torch.cuda.manual_seed(seed)
        np.random.seed(seed % (1 << 32))  # noqa: NPY002 - as above
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(drawn)
            np.random.set_state(states)  # noqa: NPY002 - as above


def image_keys(seed: int, indices: Tensor, *, epoch: int = 0, view: int = 0, use: str = "") -> Keys:
    """Return the key of each image for one pass over the data, on the CPU.

    Args:
        seed: The caller's.
        indices: Position of each image in its source, (N,) int64.
        epoch: Which pass over the images, or which of several draws.
        view: Which of several draws of one pass, as the consistency loss needs them.
        use: What is drawn, so that two attacks on one image draw differently; augmentations name none.

    Raises:
        UsageError: Indices that are not one whole number an image.

    Example:
        >>> keys = image_keys(0, torch.tensor([3, 4]))
        >>> bool((image_keys(0, torch.tensor([4])) == keys[1:]).all())
        True
    """
    keys = fork(checked_indices(indices, indices.numel()), _mixed_number(as_seed(seed)), epoch, view)
    return fork(keys, int.from_bytes(hashlib.sha256(use.encode()).digest()[:8], "little")) if use else keys


def image_generator(use: str, seed: int, index: int) -> Generator:
    """Return the numpy generator that belongs to one image, one seed and one use.

    Args:
        use: What is drawn.
        seed: The caller's.
        index: Position of the image in its source.

    Example:
        >>> one, same = (image_generator("snow 3", 0, 7).random() for _ in range(2))
        >>> one == same, one == image_generator("snow 3", 0, 8).random()
        (True, False)
    """
    digest = hashlib.sha256(f"{use} {as_seed(seed)} {index}".encode()).digest()
    return Generator(Philox(key=np.frombuffer(digest, np.uint64, 2)))


def sample(draw: Callable[[Keys, int], Tensor], use: str, seed: int, indices: Labels, like: Images) -> Tensor:
    """Return one draw an image, in the shape and type and on the device of `like`; drawn on the CPU, the same on all.

    Args:
        draw: Such as `normal`: from keys and a count to (N, count) numbers.
        use, seed, indices: As in `image_keys`.
        like: One image for each index.

    Example:
        >>> sample(normal, "noise", 0, torch.arange(2), torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """
    return draw(image_keys(seed, indices, use=use), like[0].numel()).reshape(like.shape).to(like)


def checked_indices(indices: LabelsLike | None, count: int) -> Labels:
    """Return the position of each image in its source, on the CPU; 0, 1, ... by default.

    Raises:
        UsageError: Not one whole number an image.
    """
    if indices is None:
        return torch.arange(count)
    numbers = indices if isinstance(indices, Tensor) else as_labels(indices, name="indices")
    if tuple(numbers.shape) != (count,) or numbers.dtype != torch.int64:
        shape = f"{tuple(numbers.shape)} of {numbers.dtype}"
        raise UsageError(f"indices must be shaped ({count},) of torch.int64; got {shape}: give one for each image")
    return numbers.cpu()


def fork(keys: Keys, *words: int) -> Keys:
    """Return other keys of the same images, one set for each sequence of whole numbers.

    Args:
        keys: Any keys.
        words: What sets this use apart from others.
    """
    for word in words:
        keys = _mixed(_mixed(keys) ^ _signed(_mixed_number(word)))
    return keys


def bits(keys: Keys, count: int, first: int = 0) -> Int64[Tensor, "n m"]:
    """Return `count` numbers of 64 random bits for each key, from the one with the number `first` on."""
    steps = torch.arange(first + 1, first + count + 1, device=keys.device) * _signed(STEP)
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
