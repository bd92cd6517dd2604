"""The 19 common corruptions of images: a table of them, and one function that applies them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.random import Generator
from torch import Tensor

from geomrob.arrays import check_images
from geomrob.data.corruptions import blur, digital, elastic, glass, motion, noise, spatter, weather
from geomrob.data.corruptions._common import Pixels
from geomrob.data.corruptions.severities import LARGE, NAMES, SMALL, TABLES, Constants, Table
from geomrob.errors import UsageError, unknown
from geomrob.randomness import checked_indices, image_generator

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corruption", "corrupt"]

Category: TypeAlias = Literal["noise", "blur", "weather", "digital"]
Frequency: TypeAlias = Literal["low", "mid", "high"]
Function: TypeAlias = Callable[[Pixels, Constants, Sequence[Generator]], Pixels]

SEVERITIES = (1, 2, 3, 4, 5)
# Elements that are worked on at once: enough to hide the calls, few enough to stay in a processor's cache.
AT_ONCE = 2**19


@dataclass(frozen=True)
class Corruption:
    """The facts of one corruption.

    `function` takes 8-bit images (N, C, H, W), the constants of a severity and one generator an image. `benchmark` says
    whether it is among the 15 that scores are means over; the others are for tuning. `push_pull` and
    `pixel_similarity` are the frequency groups of the two papers that publish a split of the 15.
    """

    category: Category
    benchmark: bool
    function: Function
    push_pull: Frequency | None = None
    pixel_similarity: Frequency | None = None


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption("noise", True, noise.gaussian_noise, "high", "high"),
    "shot_noise": Corruption("noise", True, noise.shot_noise, "high", "high"),
    "impulse_noise": Corruption("noise", True, noise.impulse_noise, "high", "high"),
    "defocus_blur": Corruption("blur", True, blur.defocus_blur, "high", "mid"),
    "glass_blur": Corruption("blur", True, glass.glass_blur, "mid", "mid"),
    "motion_blur": Corruption("blur", True, motion.motion_blur, "mid", "mid"),
    "zoom_blur": Corruption("blur", True, blur.zoom_blur, "mid", "mid"),
    "snow": Corruption("weather", True, weather.snow, "mid", "low"),
    "frost": Corruption("weather", True, weather.frost, "low", "low"),
    "fog": Corruption("weather", True, weather.fog, "low", "low"),
    "brightness": Corruption("weather", True, digital.brightness, "low", "low"),
    "contrast": Corruption("digital", True, digital.contrast, "low", "low"),
    "elastic_transform": Corruption("digital", True, elastic.elastic_transform, "mid", "mid"),
    "pixelate": Corruption("digital", True, digital.pixelate, "high", "mid"),
    "jpeg_compression": Corruption("digital", True, digital.jpeg_compression, "high", "mid"),
    "speckle_noise": Corruption("noise", False, noise.speckle_noise),
    "gaussian_blur": Corruption("blur", False, blur.gaussian_blur),
    "spatter": Corruption("weather", False, spatter.spatter),
    "saturate": Corruption("digital", False, digital.saturate),
}


def corrupt(
    images: Float[Tensor, "n c h w"] | UInt8[Tensor, "n c h w"],
    name: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Int64[Tensor, " m"] | None = None,
    table: str = "auto",
) -> Float[Tensor, "n c h w"] | UInt8[Tensor, "n c h w"]:
    """Return images under a common corruption, in the 8 bits that the benchmark stores.

    What is random in it depends on (seed, index of the image, corruption, severity) alone, not on the batch.

    Args:
        images: Grey or colour, floats in [0, 1], which are rounded to 8 bits first, or uint8; any size that the
            corruption has a meaning for, square or not.
        name: A row of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: Of everything random.
        indices: Position of each image in its source; by default 0, 1, ...
        table: The constants: those of 32 x 32 images (`cifar`), of 224 x 224 images (`imagenet`), or those for the size
            (`auto`: up to 48 pixels the first, from 160 on the second).

    Returns:
        Images of the shape, type and device of those given; floats are whole multiples of 1/255.

    Raises:
        UsageError: No such corruption, severity or table; no images; a size between the two tables with `auto`; less
            than 16 pixels; more than the pictures of frost.

    References:
        Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions and perturbations, 2019,
        and the program that made the distributed sets (https://github.com/hendrycks/robustness).

    Differences:
        Follows that program where it departs from the paper: glass blur copies pixels instead of swapping them and
        never moves one by +d; defocus of small images is mostly a Gaussian blur; frost has four pictures; elastic
        transform of small images is affine only at severity 1; fog begins with a noise of 100^2; results are truncated
        to 8 bits, not rounded.

        Departs from it: draws belong to an image, theirs did not, so that the distributed sets cannot be made again;
        motion blur, also of snow, is the formula of ImageMagick and not ImageMagick; the affine map of elastic
        transform reads between pixels exactly and not in steps of 1/32; two large pictures of frost are stored as JPEG
        of quality 75;
        spatter without a drop leaves the image as it is and does not blacken it; nothing is stored as JPEG afterwards,
        as ImageNet-C is; a grey image gets one draw an element and the luma of what is coloured, where the program
        would make it a colour image first.

    Example:
        >>> grey = torch.full((2, 1, 28, 28), 0.5)
        >>> corrupt(grey, "contrast", 5).unique().mul(255).tolist()
        [128.0]
        >>> one = corrupt(grey, "fog", 3, seed=1)[1:]
        >>> bool((one == corrupt(grey[1:], "fog", 3, seed=1, indices=torch.tensor([1]))).all())
        True
    """
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    if severity not in SEVERITIES:
        raise UsageError(f"severity must lie in 1 ... 5; got {severity}: 1 is the weakest, 5 the strongest")
    pixels = _to_pixels(images)
    constants = TABLES[chosen_table(table, *pixels.shape[-2:])][name][severity - 1]
    keys = checked_indices(indices, len(pixels)).tolist()
    function = CORRUPTIONS[name].function
    step = max(1, AT_ONCE // pixels[0].size)
    changed = np.empty_like(pixels)
    for start in range(0, len(pixels), step):
        draws = [image_generator(f"{name} {severity}", seed, index) for index in keys[start : start + step]]
        changed[start : start + step] = function(pixels[start : start + step], constants, draws)
    corrupted = torch.from_numpy(changed).to(images.device)
    return corrupted if images.dtype == torch.uint8 else corrupted.to(images.dtype) / 255


def chosen_table(table: str, height: int, width: int) -> Table:
    """Return which constants are for images of that size, if none are chosen.

    Raises:
        UsageError: No such table, or a size that neither is made for.

    Example:
        >>> chosen_table("auto", 28, 28), chosen_table("auto", 224, 224), chosen_table("imagenet", 64, 64)
        ('cifar', 'imagenet', 'imagenet')
    """
    if table not in NAMES:
        raise unknown("table", table, NAMES)
    if min(height, width) < 16:
        raise UsageError(
            f"images must have at least 16 x 16 pixels; got {height} x {width}: resize them to 28 x 28 or more"
        )
    for one in TABLES:
        if table == one:
            return one
    if max(height, width) <= SMALL:
        return "cifar"
    if min(height, width) >= LARGE:
        return "imagenet"
    raise UsageError(
        f"table must be cifar or imagenet for images of {height} x {width}; got auto: the constants are made for 32 x "
        "32 and 224 x 224, pass the nearer one"
    )


def _to_pixels(images: Tensor) -> Pixels:
    """Return the images as 8 bits on the CPU, after checking what they are."""
    if images.dtype != torch.uint8:
        images = check_images(images, name="images")
        images = (images * 255).round().to(torch.uint8)
    elif images.ndim != 4 or not len(images):
        raise UsageError(
            f"images must be shaped (N, C, H, W) with N > 0; got {tuple(images.shape)}: add the missing axes"
        )
    if images.shape[1] not in (1, 3):
        raise UsageError(f"images must have 1 or 3 channels; got {images.shape[1]}: keep one or three of them")
    return images.detach().cpu().contiguous().numpy()
