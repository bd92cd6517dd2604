"""One image under one primitive of PRIME, by smoothness and strength; images in several draws of a method."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob import randomness
from geomrob.arrays import LARGEST, Images
from geomrob.augment.color_jitter import recolored
from geomrob.augment.diffeomorphism import displacements, largest_cut, remapped, variances
from geomrob.augment.random_filter import filtered, taps
from geomrob.augment.registry import Augment, augmentation
from geomrob.errors import UsageError, unknown
from geomrob.randomness import Keys
from geomrob.results import AugmentationGrid

GRIDS: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "spectral": ((3, 5, 9, 15), (0.1, 0.3, 1.0, 4.0)),
    "spatial": ((2, 5, 10, 20, 40, 100), (0.25, 0.5, 0.75, 1.0)),
    "color": ((2, 10, 40, 100), (0.01, 0.03, 0.1, 0.3)),
}
"""Smoothness K and strength sigma that are shown, after Figs. 5.6-5.8 and B.1-B.3 of the thesis."""


@torch.no_grad()
def augmentation_grid(
    image: Float[Tensor, "c h w"],
    primitive: str,
    *,
    smoothness: tuple[int, ...] = (),
    strength: tuple[float, ...] = (),
    seed: int = 0,
) -> AugmentationGrid:
    """Return one image under a primitive, by smoothness (rows) and strength (columns).

    Args:
        image: In [0, 1].
        primitive: A row of `GRIDS`.
        smoothness: K, rising; by default those of `GRIDS`, of the spatial ones those that fit the image.
        strength: sigma, rising; of `spatial` as a share of the largest sigma of the cut, up to 1 without folds.
        seed: Of the draws.

    Raises:
        UsageError: Another primitive, a smoothness or a strength out of its range.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Figs. 5.6-5.8 and B.1-B.3.

    Example:
        >>> augmentation_grid(torch.rand(3, 32, 32), "spatial").smoothness
        (2, 5, 10, 20)
    """
    if primitive not in GRIDS:
        raise unknown("primitive", primitive, GRIDS)
    rows, columns = GRIDS[primitive]
    side = min(image.shape[-2:])
    if primitive == "spatial" and not smoothness:
        smoothness = tuple(cut for cut in rows if cut <= largest_cut(side))
    smoothness, strength = smoothness or rows, strength or columns
    if min(smoothness) < 1 or not all(0 <= sigma < LARGEST for sigma in strength):
        found = f"{smoothness} and {strength}"
        raise UsageError(f"smoothness must be at least 1, strength at least 0; got {found}: raise them")
    if primitive == "spatial" and not 2 <= min(smoothness) <= max(smoothness) <= largest_cut(side):
        raise UsageError(f"smoothness must lie in 2 ... {largest_cut(side)} here; got {smoothness}: change it")
    grid = [torch.cat((image[None], _row(image, primitive, size, strength, seed))) for size in smoothness]
    return AugmentationGrid(primitive, smoothness, strength, torch.stack(grid))


@torch.no_grad()
def draws_of(images: Images, how: Augment, count: int, *, seed: int = 0) -> Float[Tensor, "n d c h w"]:
    """Return each image and `count` draws of an augmentation behind it.

    Args:
        images: In [0, 1].
        how: The augmentation.
        count: How many draws, at least 1.
        seed: Of the draws of the first image; the next one has the next seed.

    Raises:
        UsageError: Fewer than one draw, or an augmentation that needs an extra.
    """
    if count < 1:
        raise UsageError(f"draws must be at least 1; got {count}: there would be nothing to see")
    augment, rows = augmentation(how), list[Tensor]()
    for row, image in enumerate(images):
        keys = randomness.image_keys(seed + row, torch.arange(count))
        rows.append(torch.cat((image[None], augment(image.expand(count, -1, -1, -1).contiguous(), keys))))
    return torch.stack(rows)


def _row(image: Tensor, primitive: str, size: int, strength: tuple[float, ...], seed: int) -> Tensor:
    """Return one draw of a primitive at each strength; equal keys draw equal numbers."""
    keys = randomness.image_keys(seed, torch.zeros(len(strength), dtype=torch.int64))
    images = image.expand(len(strength), -1, -1, -1)
    sigma = torch.tensor(strength)
    if primitive == "spectral":
        changed = filtered(images, taps(keys, size, sigma))
    elif primitive == "spatial":
        changed = _deformed(images, keys, size, sigma)
    else:
        beta = randomness.normal(keys, image.shape[0] * size).unflatten(1, (-1, size))
        changed = recolored(images, beta * sigma[:, None, None], torch.ones_like(keys))
    return changed.clamp(0, 1)


def _deformed(images: Tensor, keys: Keys, size: int, share: Tensor) -> Tensor:
    """Return deformed images, the strength a share of the largest of the cut."""
    height, width = images.shape[-2:]
    cut = torch.full_like(keys, size)
    sigma = share * variances(min(height, width), cut)[1].sqrt()
    return remapped(images, displacements(keys, cut, sigma, (height, width)))
