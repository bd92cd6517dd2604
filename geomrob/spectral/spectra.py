"""Spectra of image planes: the Fourier transform with its origin in the middle, its means over rings and directions.

Papers leave open what a "spectrum" is, so all that changes the number is an argument: the modulus or its square,
the scaling (`norm`) of the transform, the window, and what becomes of the channels. Everything is computed in float64.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Complex, Float, Float64, Int64
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.spectral.subspaces import Subspace

Channels: TypeAlias = str | int
"""average, sum, grey, or the number of one channel."""

KINDS = ("power", "amplitude")
NORMS = ("ortho", "backward")
WINDOWS = ("none", "hann")
CHANNELS = ("average", "sum", "grey")


def spectra(
    images: Images,
    *,
    kind: str = "power",
    norm: str = "ortho",
    window: str = "none",
    channels: Channels = "average",
) -> Float64[Tensor, "n h w"]:
    r"""Return the spectrum of each image, frequency zero in the middle (index H // 2, W // 2).

    F[k, l] = s sum_{y,x} w[y, x] X[y, x] exp(-2 pi i (k y / H + l x / W)), and the spectrum is |F|^2 or |F|. With the
    defaults its sum over all bins is the squared l2 norm of the image, averaged over channels (Parseval).

    Args:
        images: Any real images; a perturbation need not lie in [0, 1].
        kind: `power` is |F|^2, `amplitude` |F|.
        norm: `ortho` has s = 1 / sqrt(H W), `backward` s = 1 (what "no normalisation" means).
        window: `none`, or `hann`: the periodic Hann window on both axes, scaled to mean square 1, so that white noise
            keeps its level. It tapers the borders, whose jump otherwise shows as a cross through the middle.
        channels: `average` or `sum` over the channels' spectra, `grey` for the spectrum of the mean of the channels, or
            the number of one channel.

    Raises:
        UsageError: No (N, C, H, W) floats, an unknown option, a channel that is not there.

    Example:
        >>> x = torch.rand(2, 3, 8, 8)
        >>> energy = spectra(x, channels="sum").sum((1, 2))
        >>> bool(torch.allclose(energy, x.double().square().sum((1, 2, 3))))
        True
    """
    return modulus(transform(images, norm=norm, window=window, channels=channels), kind=kind, channels=channels)


def transform(
    images: Images, *, norm: str = "ortho", window: str = "none", channels: Channels = "average"
) -> Complex[Tensor, "n k h w"]:
    """Return the Fourier transform of each plane that counts, frequency zero in the middle.

    It is linear: means over images may be taken before or after. `grey` and a channel's number leave one plane.

    Args:
        images, norm, window, channels: As in `spectra`.

    Raises:
        UsageError: As `spectra`.
    """
    if images.ndim != 4 or not images.is_floating_point():
        given = f"{tuple(images.shape)} of {images.dtype}"
        raise UsageError(
            f"images must be floats shaped (N, C, H, W); got {given}: add the missing axes, convert to floats"
        )
    _check("norm", norm, NORMS)
    _check("window", window, WINDOWS)
    planes = _planes(images.detach().double(), channels)
    if window == "hann":
        planes = planes * hann(planes.shape[-2:]).to(planes.device)
    return torch.fft.fftshift(torch.fft.fft2(planes, norm=norm), dim=(-2, -1))


def modulus(
    coefficients: Complex[Tensor, "n k h w"], *, kind: str = "power", channels: Channels = "average"
) -> Float64[Tensor, "n h w"]:
    """Return |F|^2 or |F| of each image, its planes summed for `sum` and averaged otherwise.

    Args:
        coefficients: What `transform` returned with the same `channels`.
        kind, channels: As in `spectra`.
    """
    _check("kind", kind, KINDS)
    values = coefficients.abs()
    values = values.square() if kind == "power" else values
    return values.sum(1) if channels == "sum" else values.mean(1)


def hann(shape: Sequence[int]) -> Float64[Tensor, "h w"]:
    """Return the periodic Hann window of both axes, scaled to mean square 1.

    Example:
        >>> round(float(hann((8, 8)).square().mean()), 12)
        1.0
    """
    rows, columns = (torch.hann_window(side, periodic=True, dtype=torch.float64) for side in shape)
    window = rows[:, None] * columns
    return window / window.square().mean().sqrt()


def frequencies(length: int) -> Float64[Tensor, " n"]:
    """Return the frequencies of an axis in cycles per image, in the order of `spectra`: from -(n // 2) upwards.

    Example:
        >>> frequencies(4).tolist(), frequencies(5).tolist()
        ([-2.0, -1.0, 0.0, 1.0], [-2.0, -1.0, 0.0, 1.0, 2.0])
    """
    return torch.arange(length, dtype=torch.float64) - length // 2


def ring_index(shape: Sequence[int]) -> Int64[Tensor, "h w"]:
    """Return the ring of each bin: its radius sqrt(k^2 + l^2), rounded to the nearest integer (a half upwards).

    Every bin belongs to a ring, the corners beyond the largest circle included. The unit is cycles per image, on
    rectangular images cycles per shorter side, so that a ring is round in cycles per pixel.

    Example:
        >>> ring_index((3, 3)).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    return (_polar(shape)[0] + 0.5).floor().long()


def ring_means(values: Float[Tensor, "*batch h w"]) -> tuple[Float[Tensor, "*batch r"], Int64[Tensor, " r"]]:
    """Return the mean of each ring (the radial profile) and how many bins each ring has.

    Args:
        values: Spectra (..., H, W) with frequency zero in the middle.

    Example:
        >>> means, counts = ring_means(torch.ones(5, 5))
        >>> means.tolist(), counts.tolist()
        ([1.0, 1.0, 1.0, 1.0], [1, 8, 12, 4])
    """
    index = ring_index(values.shape[-2:]).flatten().to(values.device)
    return _means(values.flatten(-2), index, int(index.max()) + 1)


def direction_means(
    values: Float[Tensor, "*batch h w"], *, count: int = 18, low: float = 0.5, high: float | None = None
) -> tuple[Float[Tensor, "*batch a"], Int64[Tensor, " a"]]:
    """Return the mean over each direction (the azimuthal profile) and how many bins each direction has.

    Direction a holds the bins whose angle lies within half a step of a * 180 / count degrees. 0 is a horizontal
    frequency (vertical stripes), 90 a vertical one (horizontal stripes). A real image has the same power at an angle
    and at the opposite one, so half a turn says all.

    Args:
        values: Spectra (..., H, W) with frequency zero in the middle.
        count: Number of directions, at least 1.
        low, high: Radii that take part, both included, in the unit of `ring_index`; by default all but zero up to the
            largest whole circle, since the corners belong to some directions only.

    Returns:
        Means (..., count), NaN where a direction has no bin, and the counts.

    Raises:
        UsageError: A count below 1.
    """
    if count < 1:
        raise UsageError(f"count must be at least 1 direction; got {count}: 18 makes steps of 10 degrees")
    shape = values.shape[-2:]
    radius, angle = _polar(shape)
    index = (angle / (180 / count) + 0.5).floor().long() % count
    kept = (radius >= low) & (radius <= (min(shape) // 2 if high is None else high))
    return _means(values[..., kept.to(values.device)], index[kept].to(values.device), count)


def band_shares(images: Images, subspaces: Sequence[Subspace]) -> tuple[Float64[Tensor, "r n"], Float64[Tensor, " n"]]:
    """Return which share of each image's energy lies in each band, and the energy (squared l2 norm, all channels).

    The energy of an image is the sum of its squared coefficients in an orthonormal basis, so that bands that partition
    the plane share it without remainder; bands that overlap, such as sliding blocks, count coefficients repeatedly.

    Args:
        images: Any real images or perturbations.
        subspaces: Bands of one basis.

    Returns:
        Shares bands x images, NaN for an image of zeros, and the energies.

    Raises:
        UsageError: No band, bands of several bases, or of another size than the images.
    """
    if not subspaces or any(band.basis is not subspaces[0].basis for band in subspaces):
        raise UsageError(f"subspaces must be bands of one basis; got {len(subspaces)}: make them by geomrob.bands")
    masks = torch.stack([band.mask for band in subspaces]).flatten(1).to(images.device, torch.float64)
    squares = subspaces[0].basis.forward(images.detach().double()).square().sum(1).flatten(1)
    energy = squares.sum(1)
    return masks @ squares.T / energy, energy


def _planes(images: Tensor, channels: Channels) -> Tensor:
    """Return the planes (N, K, H, W) that are transformed."""
    if isinstance(channels, str):
        _check("channels", channels, CHANNELS)
        return images.mean(1, keepdim=True) if channels == "grey" else images
    if not 0 <= channels < images.shape[1]:
        last = images.shape[1] - 1
        numbers = f"0 ... {last}" if last else "0"
        raise UsageError(f"channels must be below {last + 1}; got {channels}: choose {numbers} or average")
    return images[:, channels : channels + 1]


def _polar(shape: Sequence[int]) -> tuple[Float64[Tensor, "h w"], Float64[Tensor, "h w"]]:
    """Return the radius of each bin in cycles per shorter side, and its angle in degrees from 0 to below 180."""
    height, width = shape
    shorter = min(shape)
    vertical = (frequencies(height) * (shorter / height))[:, None].expand(height, width)
    horizontal = (frequencies(width) * (shorter / width)).expand(height, width)
    return torch.hypot(vertical, horizontal), torch.atan2(vertical, horizontal) * (180 / math.pi) % 180


def _means(flat: Tensor, index: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return the mean (..., groups) of the last axis over each group, and the sizes of the groups."""
    counts = torch.bincount(index, minlength=groups)
    sums = flat.new_zeros(*flat.shape[:-1], groups).index_add_(-1, index, flat)
    return sums / counts, counts


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise unknown(name, value, known)
