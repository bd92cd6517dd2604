"""Pillow's image operations on whole batches of tensors, each image with its own number: what AugMix is made of.

All take and give images as Pillow holds them, whole numbers 0 ... 255, here as floats (N, C, H, W), and give its
results exactly; the deformations round as its bilinear filter does, downwards.
"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from geomrob.arrays import Images, per_sample

LEVELS = 256


def autocontrast(images: Images) -> Images:
    """Return each channel stretched from its darkest and brightest value to 0 ... 255 (`ImageOps.autocontrast`)."""
    values = images.double().flatten(2)
    low, high = values.amin(2), values.amax(2)
    # A tensor by a tensor: torch divides a number by a tensor by way of its reciprocal, which rounds twice.
    scale = torch.full_like(low, 255) / (high - low).clamp_min(1)
    offset = -low * scale
    stretched = (values * scale[..., None] + offset[..., None]).trunc().clamp(0, 255).view_as(images)
    flat = (high <= low)[..., None, None]
    return torch.where(flat, images, stretched.to(images))


def equalize(images: Images) -> Images:
    """Return each channel with its histogram made even (`ImageOps.equalize`)."""
    count, channels = images.shape[:2]
    values = images.long().flatten(2).flatten(0, 1)
    histogram = torch.zeros(count * channels, LEVELS, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(1, values, torch.ones_like(values))
    last = histogram.gather(1, values.amax(1, keepdim=True))
    step = (values.shape[1] - last) // 255
    before = histogram.cumsum(1) - histogram
    table = ((step // 2 + before) // step.clamp_min(1)).clamp_max(255)
    evened = torch.where(step > 0, table.gather(1, values), values)
    return evened.view_as(images).to(images)


def posterize(images: Images, bits: Float[Tensor, " n"]) -> Images:
    """Return images with the highest `bits` of each value only (`ImageOps.posterize`)."""
    kept = per_sample(2.0 ** (8 - bits), images).to(images)
    return (images / kept).floor() * kept


def solarize(images: Images, threshold: Float[Tensor, " n"]) -> Images:
    """Return images with the values from `threshold` on inverted (`ImageOps.solarize`)."""
    return torch.where(images < per_sample(threshold, images), images, 255 - images)


def rotate(images: Images, degrees: Float[Tensor, " n"]) -> Images:
    """Return images turned against the clock around their middle (`Image.rotate`), black where nothing comes in."""
    matrices = [_rotation(angle, *images.shape[-2:]) for angle in degrees.tolist()]
    return affine(images, torch.tensor(matrices, dtype=torch.float64, device=images.device).reshape(-1, 6))


def shear_x(images: Images, amount: Float[Tensor, " n"]) -> Images:
    """Return images whose lines slide to the left by `amount` times their height from the top."""
    return affine(images, _matrices(amount, 1))


def shear_y(images: Images, amount: Float[Tensor, " n"]) -> Images:
    """Return images whose columns slide up by `amount` times their distance from the left."""
    return affine(images, _matrices(amount, 3))


def translate_x(images: Images, pixels: Float[Tensor, " n"]) -> Images:
    """Return images moved to the left."""
    return affine(images, _matrices(pixels, 2))


def translate_y(images: Images, pixels: Float[Tensor, " n"]) -> Images:
    """Return images moved up."""
    return affine(images, _matrices(pixels, 5))


def affine(images: Images, matrices: Float64[Tensor, "n 6"]) -> Images:
    """Return images deformed as `Image.transform(size, AFFINE, matrix, BILINEAR)` does it.

    The pixel (x, y) of the result is what the image has at (a x + b y + c, d x + e y + f), both measured in middles of
    pixels; black where that lies outside.
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, dtype=torch.float64, device=images.device) + 0.5
    y = (torch.arange(height, dtype=torch.float64, device=images.device) + 0.5)[:, None]
    a, b, c, d, e, f = (column[:, None, None] for column in matrices.unbind(1))
    across, down = a * x + b * y + c, d * x + e * y + f
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    across, down = across - 0.5, down - 0.5
    left, top = across.floor(), down.floor()
    columns = [(left + step).clamp(0, width - 1).long() for step in (0, 1)]
    rows = [(top + step).clamp(0, height - 1).long() for step in (0, 1)]
    pixels = images.double().flatten(2)
    lines: list[Tensor] = []
    for row in rows:
        one, other = (_pick(pixels, row * width + column) for column in columns)
        lines.append(one + (other - one) * (across - left)[:, None])
    value = lines[0] + (lines[1] - lines[0]) * (down - top)[:, None]
    return torch.where(inside[:, None], value.trunc(), 0).to(images)


def _pick(pixels: Tensor, positions: Tensor) -> Tensor:
    """Return pixels (N, C, H*W) at positions (N, H, W)."""
    index = positions.flatten(1)[:, None].expand(-1, pixels.shape[1], -1)
    return pixels.gather(2, index).unflatten(2, positions.shape[1:])


def _matrices(amount: Tensor, entry: int) -> Tensor:
    """Return the matrices that leave everything but for one of their six numbers."""
    matrices = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64, device=amount.device).repeat(len(amount), 1)
    matrices[:, entry] = amount.double()
    return matrices


def _rotation(degrees: float, height: int, width: int) -> tuple[float, ...]:
    """Return the matrix of a turn, operation by operation as Pillow makes it: each of them rounds."""
    angle = -math.radians(degrees % 360.0)
    cosine, sine, minus = round(math.cos(angle), 15), round(math.sin(angle), 15), round(-math.sin(angle), 15)
    x, y = width / 2, height / 2
    return cosine, sine, cosine * -x + sine * -y + x, minus, cosine, minus * -x + cosine * -y + y
