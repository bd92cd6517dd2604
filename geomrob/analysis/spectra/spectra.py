"""Spectra of images, perturbations, corruptions and kernels."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.analysis.spectra.mean_spectrum import Progress, as_parts, mean_spectrum, perturbations
from geomrob.arrays import Images
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Spectrum
from geomrob.runs import Clock, Run
from geomrob.spectral.push_pull_kernel import push_pull_kernel
from geomrob.spectral.spectra import Channels

MOST_SIDE = 4096
"""Largest side to which kernels are padded."""


def image_spectrum(
    images: Images,
    *,
    kind: str = "power",
    order: str = "mean-of-modulus",
    norm: str = "ortho",
    window: str = "none",
    channels: Channels = "average",
    unit_norm: bool = False,
    of: str = "images",
    name: str = "images",
    data: str = "images",
    method: str = "",
    progress: Progress | None = None,
    run: Run | None = None,
) -> Spectrum:
    r"""Return the mean spectrum of images (or of anything of their shape), with its profiles.

    The spectrum of one image is |F|^2 or |F| as in `spectral.spectra.spectra`. `mean-of-modulus` averages it over
    images; `modulus-of-mean` takes that of the mean image, in which everything that has no fixed place cancels.

    Args:
        images: Any real images.
        kind, norm, window, channels: As in `spectral.spectra.spectra`: power, ortho, no window, average by default.
        order: Which of mean and modulus comes first.
        unit_norm: Divide each image by its l2 norm first, so that each counts the same; images of zeros are left out.
        of, name, data, method: How the result calls what it shows.
        progress: Called with (images transformed, images in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Returns:
        The spectrum; the error of its radial mean is the jackknife's, for `mean-of-modulus` the usual standard error.

    Raises:
        UsageError: No image, NaN or infinity, an unknown word.

    Differences:
        The papers do not say their transform's factor, order, rings or channels: here each is an argument.

    Example:
        >>> stripes = torch.cos(torch.arange(8) * torch.pi / 2).expand(3, 1, 8, 8)
        >>> spectrum = image_spectrum(stripes)
        >>> spectrum.radial.round(decimals=6).tolist(), spectrum.counts.tolist()
        ([0.0, 0.0, 2.666667, 0.0, 0.0, 0.0, 0.0], [1, 8, 12, 16, 22, 4, 1])
    """
    clock = Clock(seed=0, device=images.device)
    how: dict[str, Any] = {"kind": kind, "order": order, "norm": norm, "window": window, "channels": channels}
    about: dict[str, Any] = {"of": of, "name": name, "data": data, "method": method}
    return mean_spectrum(images, unit_norm=unit_norm, **how, **about, clock=clock, progress=progress, run=run)


def perturbation_spectrum(
    results: AttackResult | Sequence[AttackResult],
    *,
    name: str = "model",
    data: str = "images",
    attack: str = "attack",
    **how: Any,
) -> Spectrum:
    """Return the mean spectrum of what attacks added to images; failed attacks are left out and counted.

    Args:
        results: One result or several parts of one, of equal shape.
        name, data, attack: How the result calls model, data and attack.
        how: `kind`, `order`, `norm`, `window`, `channels`, `unit_norm` of `image_spectrum`.

    Raises:
        UsageError: No attack succeeded, or as `image_spectrum`.

    References:
        Attias, Pehlevan and Obeid, A brain-inspired regularizer for adversarial robustness, 2024, Fig. 7: power of the
        mean perturbation, which is `order="modulus-of-mean"`, and its radial mean.

    Example:
        >>> from geomrob.attacks import deepfool
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> found = deepfool(model, torch.rand(5, 1, 8, 8))
        >>> perturbation_spectrum(found).values.shape
        torch.Size([8, 8])
    """
    parts = as_parts(results)
    clock = Clock(seed=0, device=parts[0].inputs.device)
    found = perturbations(parts)
    how = {"unit_norm": False, **how}
    about: dict[str, Any] = {"of": "perturbations", "name": name, "data": data, "method": attack, "clock": clock}
    failed = sum(len(part.success) for part in parts) - len(found)
    return mean_spectrum(found, **how, **about, left_out=failed, parts=parts)


def corruption_spectrum(
    original: Images, corrupted: Float[Tensor, "m d i j"], *, name: str = "corruption", data: str = "images", **how: Any
) -> Spectrum:
    """Return the mean spectrum of what a corruption changes: by default E|F(C(X) - X)|.

    Args:
        original: Images X.
        corrupted: The same images C(X), in the same order.
        name, data: How the result calls corruption and data.
        how: As in `perturbation_spectrum`; `kind` is amplitude here by default. The published picture shows
            log(1 + value): draw it with `scale="log1p"`, or take `spectrum.values.log1p()`.

    Raises:
        UsageError: The two differ in shape, or as `image_spectrum`.

    References:
        Attias, Pehlevan and Obeid, A brain-inspired regularizer for adversarial robustness, 2024, Fig. 25
        in section 7.10.

    Example:
        >>> x = torch.rand(4, 1, 8, 8)
        >>> round(float(corruption_spectrum(x, x + 0.25, norm="backward").values[4, 4]), 3)
        16.0
    """
    if original.shape != corrupted.shape:
        shapes = f"{tuple(original.shape)} and {tuple(corrupted.shape)}"
        raise UsageError(f"corrupted must have the shape of original; got {shapes}: pair the images")
    how = {"kind": "amplitude", **how}
    return image_spectrum(
        corrupted.double() - original.double(), of="corruption", name=name, data=data, method="difference", **how
    )


def kernel_spectrum(
    weights: Float[Tensor, "f c k l"],
    *,
    alpha: float | None = None,
    box: int = 0,
    size: int = 32,
    channels: Channels = 0,
    name: str = "kernels",
    **how: Any,
) -> Spectrum:
    """Return the mean over filters of |F|, each padded with zeros to size x size: its frequency response.

    Args:
        weights: Filters (F, C, k, l) of a convolution.
        alpha: Inhibition strength of the push-pull kernel to show instead of the filters; None shows the filters.
        box: Its average, as in `push_pull_kernel`.
        size: Side of the padded kernel, at least that of the kernel; frequencies are in cycles per so many pixels.
        channels: As in `spectra`; by default channel 0, that of the papers.
        name: How the result calls the filters.
        how: As in `perturbation_spectrum`; here `kind` is amplitude and `norm` backward by default, so that
            the middle is the sum of the weights.

    Raises:
        UsageError: `size` below the side of the kernel, or as `push_pull_kernel` and `image_spectrum`.

    References:
        As `push_pull_kernel`, Figs. 5 and 10.

    Differences:
        The figures show the 7 x 7 bins of the filter's own size; that is `size=7` without an average.

    Example:
        >>> float(kernel_spectrum(torch.ones(2, 3, 3, 3), size=8).values[4, 4])
        9.0
    """
    shown = weights.detach() if alpha is None else push_pull_kernel(weights.detach(), alpha, box=box)
    height, width = shown.shape[-2:]
    if not max(height, width) <= size <= MOST_SIDE:
        raise UsageError(
            f"size must be at least {max(height, width)}, the side of the kernel, at most {MOST_SIDE:,}; got {size}: "
            "32 is usual"
        )
    padded = torch.nn.functional.pad(shown, [0, size - width, 0, size - height])
    average = f", average {box} x {box}" if box else ""
    method = "filters as they are" if alpha is None else f"push-pull, alpha {alpha:g}{average}"
    how = {"kind": "amplitude", "norm": "backward", "order": "mean-of-modulus", "window": "none", **how}
    about: dict[str, Any] = {"of": "kernels", "name": name, "data": "", "method": method}
    clock = Clock(seed=0, device=weights.device)
    unit = f"cycles per {size} pixels"
    return mean_spectrum(padded, channels=channels, **{"unit_norm": False, **how}, **about, unit=unit, clock=clock)
