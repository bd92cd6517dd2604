"""Linear transforms of images by name: flip of the DCT, low-pass, high-pass, band-stop, grey.

All are linear and act on the last two axes (grey also on the channel axis before them), so that one image (C, H, W) and
a batch (N, C, H, W) are treated alike. With D the orthonormal DCT-II of each axis, a change of the coefficients is

    x' = A x B^T,    A = D_H^T M D_H,    B = D_W^T M D_W

with M the mask (or the reversal) of one axis: two small products, whatever the change.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.errors import UsageError, unknown
from geomrob.spectral.bases_1d import dct_axis

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey image (ITU-R BT.601, the ones of Pillow)."""


def flip(images: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
    """Return images whose DCT coefficients are reversed along both axes: low and high frequencies are exchanged.

    x' = D^-1 flip(D x), channel by channel. It is linear, keeps the norm, and twice is the identity. The result leaves
    [0, 1]: a model for it normalises in the flipped domain (`geomrob.models.layers.preprocess.NormalizeFlipped`).

    Args:
        images: (..., C, H, W) of any float type.

    References:
        Ortiz-Jimenez, Modas et al., Hold me tight!, NeurIPS 2020; Modas, Robustness and invariance properties of image
        classifiers, EPFL 2022, section 4.3.1.

    Example:
        >>> image = torch.rand(3, 8, 8)
        >>> bool(torch.allclose(flip(flip(image)), image, atol=1e-5))
        True
    """
    return _products(images, "flip", 0)


def low_pass(images: Float[Tensor, "*batch c h w"], size: int) -> Float[Tensor, "*batch c h w"]:
    """Return images with the B x B lowest DCT coefficients of each channel only (the thesis: B = 16 of 32).

    Args:
        images: (..., C, H, W) of any float type.
        size: B, from 0 (nothing is left) to the shorter side.

    Raises:
        UsageError: B out of its range.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 4.3.2.

    Differences:
        The released code masks axes 1 and 2 of whatever it is given. On a batch (N, C, H, W), which its scripts pass,
        this cuts channels (all three are kept) and rows, and leaves all columns: half of the coefficients instead of
        the corner's quarter. Here a batch is what its images are one by one.

    Example:
        >>> stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 8, 8)
        >>> bool((low_pass(stripes, 1) - 0.5).abs().max() < 1e-6)
        True
    """
    return _products(images, "low", _corner(images, size))


def high_pass(images: Float[Tensor, "*batch c h w"], size: int) -> Float[Tensor, "*batch c h w"]:
    """Return images with the B x B highest DCT coefficients of each channel only: the opposite corner of `low_pass`.

    Args:
        images: (..., C, H, W) of any float type.
        size: B, from 0 to the shorter side.

    Raises:
        UsageError: B out of its range.

    References, Differences:
        As `low_pass`; thesis, section 4.3.3.
    """
    return _products(images, "high", _corner(images, size))


def band_stop(images: Float[Tensor, "*batch c h w"], start: int, stop: int) -> Float[Tensor, "*batch c h w"]:
    """Return images without the DCT coefficients between two corners: those with start <= max(row, column) < stop.

    With `low_pass` it cuts the plane into shells: x = low_pass(x, a) + what band_stop(x, a, b) takes out + the rest.

    Args:
        images: (..., C, H, W) of any float type.
        start: First index that is removed, at least 0.
        stop: First index that is kept, from `start` to the shorter side.

    Raises:
        UsageError: Indices out of their range.
    """
    if start > stop:
        raise UsageError(f"start of a band must be at most its stop; got {start} and {stop}: swap them")
    return images - low_pass(images, stop) + low_pass(images, start)


def gray(images: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
    """Return images without colour: their luma 0.299 R + 0.587 G + 0.114 B in all three channels.

    The shape stays, so that a model for colour takes the result (thesis, section 5.2.1). Grey images come back as they
    are.

    Args:
        images: (..., 1 or 3, H, W) of any float type.

    Raises:
        UsageError: Another number of channels, or integers, which all transforms refuse.

    Example:
        >>> gray(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
        tensor([0.2990, 0.2990, 0.2990])
    """
    _check_floats(images)
    if images.shape[-3] == 1:
        return images
    if images.shape[-3] != len(LUMA):
        raise UsageError(f"images must have 1 or 3 channels; got {images.shape[-3]}: leave gray out")
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).reshape(3, 1, 1)
    return (images * weights).sum(-3, keepdim=True).expand_as(images).contiguous()


TRANSFORMS: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "lowpass": low_pass,
    "highpass": high_pass,
    "bandstop": band_stop,
    "gray": gray,
}


@dataclass(frozen=True)
class Transform:
    """A transform with its numbers, to be called on images (..., C, H, W): what `transform` returns.

    Attributes:
        name: The text it was made from.
        steps: Function and numbers of each step, in their order.
    """

    name: str
    steps: tuple[tuple[Callable[..., Tensor], tuple[int, ...]], ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images."""
        for step, numbers in self.steps:
            images = step(images, *numbers)
        return images


def transform(name: str) -> Transform:
    """Return the transform written as `flip`, `lowpass:16`, `bandstop:8:16` or `gray+lowpass:16`.

    Args:
        name: A row of `TRANSFORMS`, its whole numbers after colons; several, from left to right, joined by `+`.

    Raises:
        UsageError: Unknown name, or other numbers than the transform takes.

    Example:
        >>> transform("lowpass:4")(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    return Transform(name, tuple(_step(part) for part in name.split("+")))


def _step(text: str) -> tuple[Callable[..., Tensor], tuple[int, ...]]:
    """Return function and numbers of one step."""
    name, *rest = text.strip().split(":")
    if name not in TRANSFORMS:
        raise unknown("transform", name, TRANSFORMS)
    wanted = list(inspect.signature(TRANSFORMS[name]).parameters)[1:]
    if len(rest) != len(wanted) or not all(number.isdecimal() for number in rest):
        form = ":".join([name, *(parameter.upper() for parameter in wanted)])
        raise UsageError(
            f"transform must be written {form} with whole numbers; got {text!r}: {name} takes {len(wanted)}"
        )
    if "size" in wanted and int(rest[0]) < 1:
        raise UsageError(f"transform must have a size of at least 1; got {text!r}, which leaves nothing: raise it")
    return TRANSFORMS[name], tuple(map(int, rest))


def _check_floats(images: Tensor) -> None:
    """Refuse integers, in which the matrices of a transform would be 0."""
    if not images.is_floating_point():
        raise UsageError(f"images must be floats; got {images.dtype}: divide 8-bit values by 255")


def _corner(images: Tensor, size: int) -> int:
    """Return the side of a corner if the images have it."""
    shortest = min(images.shape[-2:])
    if not 0 <= size <= shortest:
        raise UsageError(f"size of a corner must lie in 0 ... {shortest}; got {size}: half of that is usual")
    return size


def _products(images: Tensor, kind: str, size: int) -> Tensor:
    """Return A x B^T for the matrices of one transform, without computing coefficients in between."""
    _check_floats(images)
    rows, columns = (_matrix(kind, size, length, images.dtype, images.device) for length in images.shape[-2:])
    return rows @ images @ columns.T


@lru_cache(maxsize=32)
def _matrix(kind: str, size: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return D^T M D of one axis, multiplied in float64 and then rounded."""
    # Kept for later calls, which may need a gradient: what inference mode makes could not serve them.
    with torch.inference_mode(mode=False):
        basis, _ = dct_axis(length)
        if kind == "flip":
            return (basis.T @ basis.flip(0)).to(device, dtype)
        part = basis[:size] if kind == "low" else basis[length - size :]
        return (part.T @ part).to(device, dtype)
