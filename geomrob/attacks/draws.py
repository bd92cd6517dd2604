"""Chance that belongs to an image: draws keyed by (word, seed, image index), whatever the batch it comes in."""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels, UsageError


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
