"""Random crops and mirror images of a batch, drawn image by image."""

import torch
import torch.nn.functional as F
from torch import Tensor

from geomrob.arrays import Images


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
