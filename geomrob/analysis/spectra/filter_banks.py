"""The filters of push-pull layers: how strong the learned inhibition is, and which frequencies filters pass."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.analysis.spectra.spectra import kernel_spectrum
from geomrob.errors import UsageError
from geomrob.models.layers.push_pull import PushPullConv2d
from geomrob.models.layers.push_pull_2020 import UpsampledPushPullConv2d
from geomrob.results import FilterBank, Spectrum
from geomrob.runs import Clock
from geomrob.spectral.spectra import Channels


def filter_banks(
    model: nn.Module, *, name: str = "model", size: int = 32, channels: Channels = 0, **how: Any
) -> tuple[FilterBank, ...]:
    """Return filters, inhibition and mean spectra of every push-pull layer of a model, or of its first convolution.

    Args:
        model: Any network with a `torch.nn.Conv2d`.
        name: How the result calls the model.
        size, channels, how: As in `kernel_spectrum`.

    Returns:
        One bank a push-pull layer, in the order in which they are registered; of a model that has none, the bank of its
        first convolution, without inhibition.

    Raises:
        UsageError: No convolution in the model, or as `kernel_spectrum`.

    References:
        Bennabhaktula, Alegre, Strisciuglio and Azzopardi, PushPull-Net: Inhibition-driven ResNet robust to image
        corruptions, 2024: Fig. 6 (inhibition), Figs. 5 and 10 (spectra).

    Differences:
        The figures show push-pull kernels at chosen inhibitions for filters of a plain ResNet-50; here each filter has
        the inhibition it was trained with. `kernel_spectrum` with `alpha` is the figures' way.

    Example:
        >>> from geomrob.models.push_pull_stem import replace_first_conv
        >>> model = replace_first_conv(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), inhibition=-0.5)
        >>> bank, = filter_banks(model)
        >>> bank.summary()["negative"], [spectrum.method for spectrum in bank.spectra]
        (1.0, ['push filters', 'pull filters', 'push-pull, fixed alpha, average 3 x 3'])
    """
    layers = {layer: module for layer, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    inhibited = {
        layer: module
        for layer, module in layers.items()
        if isinstance(module, (PushPullConv2d, UpsampledPushPullConv2d))
    }
    if not layers:
        raise UsageError(f"model must have a convolution; got {name} without: choose another")
    how = {"size": size, "channels": channels, **how}
    if inhibited:
        return tuple(_inhibited_bank(name, layer, module, how) for layer, module in inhibited.items())
    layer, first = next(iter(layers.items()))
    return (_plain_bank(name, layer, first, how),)


def _plain_bank(name: str, layer: str, conv: nn.Conv2d, how: dict[str, Any]) -> FilterBank:
    """Return the bank of a convolution."""
    clock = Clock(seed=0, device=conv.weight.device)
    weights = _numbers(conv.weight)
    spectra = (_spectrum(weights, name, "filters", how),)
    return FilterBank(
        name,
        layer,
        "convolution",
        False,
        0,
        weights,
        weights.new_empty(0),
        spectra,
        clock.provenance(forwards=0, backwards=0),
    )


def _inhibited_bank(
    name: str, layer: str, conv: PushPullConv2d | UpsampledPushPullConv2d, how: dict[str, Any]
) -> FilterBank:
    """Return the bank of a push-pull layer of either kind."""
    clock = Clock(seed=0, device=conv.weight.device)
    trained = isinstance(conv.inhibition, nn.Parameter)
    new = isinstance(conv, PushPullConv2d)
    average = conv.average if new else 0
    box = f", average {average} x {average}" if average else ""
    whole = f"push-pull, {'trained' if trained else 'fixed'} alpha{box}"
    push, pull, kernel = (_numbers(part) for part in (conv.weight, conv.pull_filters(), conv.linear_kernel()))
    parts = {"push filters": push, "pull filters": pull, whole: kernel}
    spectra = tuple(_spectrum(part, name, method, how) for method, part in parts.items())
    strength = _numbers(conv.inhibition if new else conv.strength)
    kind = "push-pull" if new else "older push-pull"
    return FilterBank(
        name, layer, kind, trained, average, push, strength, spectra, clock.provenance(forwards=0, backwards=0)
    )


def _spectrum(kernels: Tensor, name: str, method: str, how: dict[str, Any]) -> Spectrum:
    """Return the mean spectrum of filters, called by what they are."""
    return replace(kernel_spectrum(kernels, name=name, **how), method=method)


def _numbers(values: Tensor) -> Tensor:
    """Return weights as plain float64 numbers on the CPU."""
    return values.detach().cpu().to(torch.float64)


def first_filter_spectra(
    model: nn.Module, *, alpha: Sequence[float] = (), box: int = 0, name: str = "model", **scaling: Any
) -> list[Spectrum]:
    """Return the spectrum of the filters of a model's first convolution, or of the push-pull kernels made of them.

    Args:
        model: Any network with a `torch.nn.Conv2d`; the first in the order of its modules is taken.
        alpha: Inhibition strengths, a spectrum each; without one the filters are shown as they are.
        box: Side of the average of the pull, 0 for none.
        name: How the results call the model.
        scaling: As in `kernel_spectrum`.

    Raises:
        UsageError: No convolution in the model, a box without inhibition, or as `kernel_spectrum`.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> [spectrum.method for spectrum in first_filter_spectra(model, alpha=[-0.5, 0.5])]
        ['push-pull, alpha -0.5', 'push-pull, alpha 0.5']
    """
    if box and not alpha:
        raise UsageError(f"box must go with alpha; got {box} without: it averages the pull")
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise UsageError(f"model must have a convolution; got {name} without: choose another")
    filters = _numbers(first.weight)
    return [kernel_spectrum(filters, alpha=strength, box=box, name=name, **scaling) for strength in alpha or (None,)]
