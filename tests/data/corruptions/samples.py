"""Images to corrupt, all from the embedded set: grey, colour (three grey images as channels), enlarged."""

import torch
import torch.nn.functional as F

from geomrob.data import load_data


def grey(count):
    """Return uint8 images (count, 1, 28, 28)."""
    return (load_data("fashion-mnist-1k", samples=count).images * 255).round().to(torch.uint8)


def colour(count, side=28):
    """Return uint8 images (count, 3, side, side), enlarged by linear interpolation where they are larger than 28."""
    images = grey(3 * count).reshape(count, 3, 28, 28)
    if side == 28:
        return images
    larger = F.interpolate(images.double(), size=(side, side), mode="bilinear", align_corners=False)
    return larger.round().to(torch.uint8)
