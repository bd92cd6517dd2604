"""Resize images of one data set to the shape of another."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError


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
