"""Resize images: to the size a model takes, as its training pipeline does, or to the shape of another data set."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from geomrob.arrays import Images
from geomrob.data.entry import Samples
from geomrob.data.lazy import LazyImages, held_if_small
from geomrob.errors import UsageError, unknown

INTERPOLATIONS = {name.lower(): value for name, value in Image.Resampling.__members__.items()}


@dataclass(frozen=True)
class Fit:
    """The size that images get: resized to cover size / crop, of which the middle is kept.

    Attributes:
        size: Height and width.
        crop: The part of each side that is kept, in (0, 1].
        interpolation: A name of `INTERPOLATIONS`: Pillow's, with the smoothing that keeps a smaller image free of
            aliases.
    """

    size: tuple[int, int]
    crop: float = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise UsageError(f"image_size must be at least 1; got {self.size}: pass the size that the model takes")
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop must lie in (0, 1]; got {self.crop:g}: pass the part of each side that is kept")
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)


def fit_for(image_size: int | tuple[int, int] | None, crop: float, interpolation: str) -> Fit | None:
    """Return how images get a size, given as one side or as height and width; None where they keep theirs."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return None if size is None else Fit(size, crop, interpolation)


def fit_array(image: NDArray[np.generic], fit: Fit) -> NDArray[np.generic]:
    """Return an image (C, H, W) resized and cropped; 8 bits stay 8 bits, as in torchvision and timm.

    The image is resized, in its own aspect ratio, to the smallest size that covers size / crop (rounded down), and the
    middle is cropped. Grey or colour of 8 bits and floats are taken alike.

    Differences:
        torchvision's weights state the size before the crop, whose ratio `crop` then is; timm states the ratio.

    Example:
        >>> fit_array(np.zeros((3, 375, 500), np.uint8), Fit((224, 224), crop=0.875)).shape
        (3, 224, 224)
    """
    rows, columns = image.shape[1:]
    # A hair above, so that 224 / (224 / 232) is 232 whatever the rounding.
    covered = [math.floor(side / fit.crop + 1e-6) for side in fit.size]
    if covered[0] * columns >= covered[1] * rows:
        height, width = covered[0], max(covered[1], int(covered[0] * columns / rows))
    else:
        height, width = max(covered[0], int(covered[1] * rows / columns)), covered[1]
    if (height, width) != (rows, columns):
        filtering = INTERPOLATIONS[fit.interpolation]
        if image.dtype == np.uint8 and len(image) == 3:
            whole = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).resize((width, height), filtering)
            image = np.asarray(whole).transpose(2, 0, 1)
        else:
            planes = [Image.fromarray(np.ascontiguousarray(p)).resize((width, height), filtering) for p in image]
            image = np.stack([np.asarray(plane) for plane in planes])
            image = image if image.dtype == np.uint8 else image.clip(0, 1)
    top, left = (round((side - kept) / 2.0) for side, kept in zip((height, width), fit.size, strict=True))
    return image[:, top : top + fit.size[0], left : left + fit.size[1]]


def fitted(samples: Samples, fit: Fit | None) -> Samples:
    """Return samples whose images have the size of `fit`, with a note; the same if they have it already."""
    if fit is None or samples.images.shape[2:] == fit.size:
        return samples
    images = samples.images

    def read(row: int) -> torch.Tensor:
        return torch.from_numpy(fit_array(images[row].numpy(), fit).copy())

    resized = held_if_small(LazyImages(read, len(images), (images.shape[1], *fit.size)))
    before, after = ("x".join(map(str, size)) for size in (samples.images.shape[2:], fit.size))
    text = f"images of {samples.name} are resized from {before} to {after} ({fit.interpolation}, crop {fit.crop:g})"
    return replace(samples, images=resized, notes=(*samples.notes, text))


def resize_to(images: Images, shape: tuple[int, int, int]) -> Float[Tensor, "n c2 h2 w2"]:
    """Return images with as many channels, rows and columns as `shape`.

    The largest middle part of the wanted aspect ratio is resized bilinearly, with the smoothing that keeps a smaller
    image free of aliases. Grey is the mean of the channels, colour three times the grey.

    Args:
        images: In [0, 1].
        shape: Channels, height and width; channels may change between 1 and 3 only.

    Returns:
        Images in [0, 1]; the same ones where nothing has to change.

    Raises:
        UsageError: Other numbers of channels, a shape without pixels.

    Example:
        >>> import torch
        >>> resize_to(torch.rand(2, 3, 64, 48), (1, 28, 28)).shape
        torch.Size([2, 1, 28, 28])
    """
    channels, height, width = shape
    if min(shape) < 1 or (images.shape[1] != channels and {images.shape[1], channels} != {1, 3}):
        given = f"{tuple(images.shape[1:])} for {shape}"
        raise UsageError(
            f"shape must have pixels, and 1 or 3 channels where they change; got {given}: pass (C, H, W), C 1 or 3"
        )
    rows, columns = images.shape[2:]
    kept_rows = min(rows, max(1, round(columns * height / width)))
    kept_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    resized = images[:, :, top : top + kept_rows, left : left + kept_columns]
    if resized.shape[1] != channels:
        resized = resized.mean(1, keepdim=True) if channels == 1 else resized.expand(-1, 3, -1, -1)
    if resized.shape[2:] != (height, width):
        resized = F.interpolate(resized, size=(height, width), mode="bilinear", antialias=True).clamp(0, 1)
    return resized
