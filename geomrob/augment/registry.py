"""Augmentations by name: the table `[augment]` of a recipe, what a step sees, and sets augmented beforehand."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Images, Labels, check_images
from geomrob.augment.augmix import AugMix, augmix
from geomrob.augment.auto_augment import policy
from geomrob.augment.prime import MIXINGS, PRESETS, Prime, prime
from geomrob.data.entry import Samples
from geomrob.errors import UsageError, unknown
from geomrob.files import write_atomic
from geomrob.randomness import Keys, image_keys

Function: TypeAlias = Callable[[Images, Keys], Images]


MOST_LINKS = 100
"""Chains and links: each is a copy of the images."""


MOST_OF_PRIMITIVE = 1e6
"""Strengths and cuts of a primitive lie below it."""


@dataclass(frozen=True)
class Augment:
    """Train on augmented images: the table `[augment]` of a recipe.

    Args:
        method: A row of `METHODS`.
        jsd: Weight of the consistency loss, 12 in the papers; 0 for none. With it a step sees each image and two
            augmented versions of it, otherwise one augmented version.
        width: Chains that are mixed (PRIME, AugMix).
        depth: Links of a chain; 0 for 3 with PRIME, for a draw from 1, 2, 3 with AugMix.
        preset: PRIME: a row of `geomrob.augment.prime.PRESETS`.
        strength: PRIME: factor of every strength (alpha of section 5.4.3).
        primitives: PRIME: which ones a chain is drawn from; empty for those of the preset.
        spectral_strength, spatial_cut, color_cut, color_strength: PRIME: of each primitive, see `Prime`; 0 for that of
            the preset.
        mixing: PRIME: instead of the one of the preset, see `Prime`; empty for that one.
        beta: PRIME: the parameters of eq. 5.9.
        severity: AugMix: largest level, 10 is the full amount.

    Raises:
        UsageError: A value out of its range.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, chapter 5; Hendrycks et al.,
        AugMix, ICLR 2020.
    """

    method: str = "prime"
    jsd: float = 0.0
    width: int = 3
    depth: int = 0
    preset: str = "cifar"
    strength: float = 1.0
    primitives: tuple[str, ...] = ()
    spectral_strength: float = 0.0
    spatial_cut: int = 0
    color_cut: int = 0
    color_strength: float = 0.0
    mixing: str = ""
    beta: tuple[float, ...] = (1.0, 1.0)
    severity: float = 3.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, in one sentence."""
        if self.method not in METHODS:
            raise unknown("method of [augment]", self.method, METHODS)
        if self.preset not in PRESETS:
            raise unknown("preset of [augment]", self.preset, PRESETS)
        if self.mixing and self.mixing not in MIXINGS:
            raise unknown("mixing of [augment]", self.mixing, MIXINGS)
        if max(self.width, self.depth) > MOST_LINKS:
            values = f"width {self.width}, depth {self.depth}"
            raise UsageError(f"width and depth of [augment] must be at most {MOST_LINKS}; got {values}: 3 is usual")
        if not 0 <= self.jsd < 1e30 or not all(0 < number < 1e30 for number in self.beta):
            raise UsageError(
                f"jsd of [augment] must be at least 0, beta above 0, both finite; got {self.jsd}, {self.beta}: 12 and "
                "(1, 1) are published"
            )
        if not 0 <= self.jsd < math.inf:
            raise UsageError(f"jsd of [augment] must be at least 0; got {self.jsd}: 12 is the published weight")
        own = (self.spectral_strength, self.spatial_cut, self.color_cut, self.color_strength)
        if not all(0 <= number < MOST_OF_PRIMITIVE for number in own):
            raise UsageError(
                "spectral_strength, spatial_cut, color_cut and color_strength of [augment] must be at least 0 and "
                f"below {MOST_OF_PRIMITIVE:g}; got {own}: 0 takes that of the preset"
            )
        self.prime()
        self.augmix()

    def prime(self) -> Prime:
        """Return the numbers of PRIME."""
        preset = PRESETS[self.preset]
        mixing = self.mixing or preset.mixing
        own = ("primitives", "spectral_strength", "spatial_cut", "color_cut", "color_strength")
        how: dict[str, Any] = {name: getattr(self, name) for name in own if getattr(self, name)}
        how |= {"width": self.width, "depth": self.depth or preset.depth, "strength": self.strength}
        return replace(preset, mixing=mixing, beta=self.beta, **how)

    def augmix(self) -> AugMix:
        """Return the numbers of AugMix."""
        return AugMix(width=self.width, depth=self.depth, severity=self.severity)


METHODS: dict[str, Callable[[Augment], Function]] = {
    "prime": lambda how: partial(prime, how=how.prime()),
    "augmix": lambda how: partial(augmix, how=how.augmix()),
    "autoaugment": lambda how: policy("AutoAugment"),
    "randaugment": lambda how: policy("RandAugment"),
    "trivialaugment": lambda how: policy("TrivialAugment"),
}


@lru_cache(maxsize=8)
def augmentation(how: Augment) -> Function:
    """Return the function from images and keys to augmented images that a table describes.

    Raises:
        UsageError: It needs an extra that is not installed.
    """
    return METHODS[how.method](how)


def views(images: Images, indices: Labels, how: Augment, *, seed: int, epoch: int) -> Float[Tensor, "versions c h w"]:
    """Return what a step of training sees: an augmented version of each image; with `jsd`, the images and two versions.

    What an image becomes depends on seed, epoch and index alone, whatever the batch.

    Args:
        images: (N, C, H, W) in [0, 1]. Where an edit (low-pass) took them beyond, they are clipped before they are
            augmented, as in any 8-bit picture; with `jsd` the images themselves come back as they are.
        indices: Position of each image in its source.
        how: The augmentation.
        seed: Of the training.
        epoch: Of the training.

    Returns:
        (N, C, H, W), or with `jsd` (3 N, C, H, W): all images, then all first versions, then all second ones.
    """
    function = augmentation(how)
    inside = images.clamp(0, 1)
    drawn = [
        function(inside, image_keys(seed, indices, epoch=epoch, view=view).to(images.device))
        for view in range(2 if how.jsd else 1)
    ]
    return torch.cat([images, *drawn]) if how.jsd else drawn[0]


def enlarged(samples: Samples, copies: int, how: Augment | None = None, *, seed: int = 0, batch: int = 256) -> Samples:
    """Return samples and behind them `copies` augmented versions of all: a set augmented before training.

    Training then takes 1 / (copies + 1) of the epochs for as many steps (section 5.4.4). Four copies come close to
    augmenting in every epoch there.

    Args:
        samples: In [0, 1].
        copies: k, at least 1.
        how: The augmentation; PRIME by default.
        seed: Of the draws.
        batch: Images at once; it changes nothing else.

    Raises:
        UsageError: Fewer than one copy, or an augmentation that needs an extra.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 5.4.4 and Fig. 5.5.

    Example:
        >>> from geomrob.data import load_data
        >>> clothes = load_data("fashion-mnist-1k", samples=3)
        >>> larger = enlarged(clothes, 2)
        >>> len(larger), larger.name
        (9, 'fashion-mnist-1k (+2 prime)')
    """
    if copies < 1:
        raise UsageError(f"copies must be at least 1; got {copies}: the images themselves are there already")
    how = how or Augment()
    function = augmentation(how)
    count = len(samples)
    # Filled part by part: a list of parts would be held next to the whole.
    images = samples.images.new_empty(((copies + 1) * count, *samples.images.shape[1:]))
    images[:count] = samples.images
    for copy in range(copies):
        keys = image_keys(seed, samples.indices, epoch=copy)
        for start in range(0, count, batch):
            part = slice(start, start + batch)
            changed = function(samples.images[part], keys[part].to(images.device))
            first = (copy + 1) * count + start
            images[first : first + len(changed)] = changed
    labels, indices = samples.labels.repeat(copies + 1), samples.indices.repeat(copies + 1)
    name = f"{samples.name} (+{copies} {how.method})"
    return replace(samples, images=images, labels=labels, indices=indices, name=name)


def write_samples(samples: Samples, path: Path) -> Path:
    """Return the path of a new `.npz` file with the images in 8 bits, the labels and the classes, for `load_data`.

    Raises:
        UsageError: Not an .npz path, images outside [0, 1], or no folder to write to.
    """
    if path.suffix != ".npz":
        raise UsageError(f"path must end in .npz; got {path.name}: rename it")
    check_images(samples.images, name="images")
    eight_bit = torch.cat([(part * 255).round().to(torch.uint8).cpu() for part in samples.images.split(1024)])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=eight_bit.numpy(), y=samples.labels.cpu().numpy(), classes=np.array(samples.classes))
    write_atomic(path, buffer.getvalue())
    return path


def crop_and_flip(
    images: Images, *, crop: int, flip: bool, generator: torch.Generator, padding: str = "black"
) -> Images:
    """Return each image shifted by up to `crop` pixels either way (`padding` comes in) and, half of the time, mirrored.

    Args:
        images: (N, C, H, W) in [0, 1].
        crop: Largest shift, 0 for none.
        flip: Whether to mirror left to right with probability 1/2.
        generator: On the CPU; every image takes one draw for each of the three, whatever the options.
        padding: What comes in at the border: `black`, or the image `reflect`ed there.

    Example:
        >>> crop_and_flip(torch.ones(4, 1, 2, 2), crop=0, flip=True, generator=torch.Generator()).sum().item()
        16.0
    """
    count, channels, height, width = images.shape
    down = torch.randint(2 * crop + 1, (count, 1), generator=generator)
    right = torch.randint(2 * crop + 1, (count, 1), generator=generator)
    mirrored = (torch.rand(count, 1, generator=generator) < 0.5) & flip
    rows = down + torch.arange(height)
    columns = torch.arange(width).expand(count, width)
    columns = right + torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, [crop] * 4, mode="reflect" if padding == "reflect" else "constant")
    pick = [torch.arange(count)[:, None, None, None], torch.arange(channels)[:, None, None]]
    pick += [rows[:, None, :, None], columns[:, None, None, :]]
    return padded[tuple(_to(index, images) for index in pick)]


def _to(index: Tensor, images: Tensor) -> Tensor:
    """Return an index on the device of the images."""
    return index.to(images.device)
