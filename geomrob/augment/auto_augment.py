"""Learned and random policies of augmentation from kornia, an optional extra, with draws that belong to an image."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys

POLICIES: dict[str, dict[str, Any]] = {
    "AutoAugment": {"policy": "cifar10"},
    "RandAugment": {"n": 2, "m": 9},
    "TrivialAugment": {},
}
"""The classes of `kornia.augmentation.auto` and what they are made with."""


def policy(name: str, **options: Any) -> Callable[[Images, Keys], Images]:
    """Return a function from images and keys to augmented images, made by a policy of kornia.

    Kornia draws one operation for a whole batch, from the global generator: here every image goes through it alone,
    with the generator seeded by its key and restored afterwards. That is slow next to PRIME and AugMix.

    Args:
        name: `AutoAugment`, `RandAugment` or `TrivialAugment`.
        options: Instead of those in `POLICIES`.

    Raises:
        UsageError: Kornia is not installed (the sentence names the extra), another name.

    References:
        Cubuk et al., AutoAugment, 2019; Cubuk et al., RandAugment, 2020; Mueller and Hutter, TrivialAugment, 2021.

    Differences:
        The operations are kornia's, on floats; the papers use Pillow's. Kornia draws from torch's generator, which on a
        CPU takes 32 bits of a seed: there two of 50,000 images share a policy's draw with probability 1/4.
    """
    if name not in POLICIES:
        raise unknown("policy", name, POLICIES)
    try:
        auto = import_module("kornia.augmentation.auto")
    except ImportError:
        raise UsageError(
            f"{name} must have kornia; got an installation without: pip install 'geomrob[kornia]'"
        ) from None
    made = getattr(auto, name)(**(POLICIES[name] | options))

    @torch.no_grad()
    def augment(images: Tensor, keys: Tensor) -> Tensor:
        """Return the images after the policy, clipped to [0, 1]."""
        seeds = (randomness.bits(keys, 1)[:, 0] & 0xFFFFFFFF).tolist()
        drawn: list[Tensor] = []
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
            for image, seed in zip(images.split(1), seeds, strict=True):
                torch.manual_seed(seed)
                drawn.append(made(image.expand(-1, max(3, image.shape[1]), -1, -1)))
        augmented = torch.cat(drawn).clamp_(0, 1)
        return augmented if images.shape[1] > 1 else augmented.mean(1, keepdim=True)

    return augment
