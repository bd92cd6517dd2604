"""Push-pull layers in place of the first convolution of any network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.layers.push_pull import Inhibition, PushPullConv2d, checked_inhibition
from geomrob.models.layers.push_pull_2020 import UpsampledPushPullConv2d, initial_inhibition
from geomrob.models.module_replacement import first_convolution, replace_module


def replace_first_conv(
    model: nn.Module,
    *,
    average: int = 3,
    inhibition: Inhibition = "trainable",
    seed: int = 0,
    layer: str | None = None,
) -> nn.Module:
    """Return `model`, changed in place: its first convolution is a push-pull convolution with the same push filters.

    First is meant in the order in which the layers were registered, as `model.named_modules()` lists them: this is the
    stem of the ResNets, VGGs, DenseNets and EfficientNets here, in torchvision and in timm, with or without a
    normalisation in front. Weights and bias stay the same parameters under the same names; `inhibition` joins them.

    Args:
        model: Any module with a `torch.nn.Conv2d` in it, or timm's `Conv2dSame`.
        average, inhibition: As in `PushPullConv2d`.
        seed: Of the initial inhibition, the same on every device; the global generator is left alone.
        layer: Name of the convolution to replace instead of the first, as in `model.named_modules()`.

    Returns:
        The same object.

    Raises:
        UsageError: No convolution, no such layer, or one that does more than convolve (its own `forward`, a
            parametrized weight), or is a push-pull convolution already.

    References:
        As `geomrob.models.layers.push_pull.push_pull`, section 4.1.

    Example:
        >>> model = replace_first_conv(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), inhibition=0.5)
        >>> model[0](torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 4, 6, 6])
    """
    conv: Any = first_convolution(model, layer)[1]
    new = PushPullConv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride,
        "same" if type(conv).__name__ == "Conv2dSame" else conv.padding, conv.dilation, conv.groups,
        conv.bias is not None, conv.padding_mode, "meta", conv.weight.dtype, inhibition=inhibition, average=average,
    )  # fmt: skip
    new.weight, new.bias = conv.weight, conv.bias
    if inhibition == "trainable":
        drawn = torch.rand(conv.out_channels, generator=torch.Generator().manual_seed(seed), device="cpu")
        new.inhibition = nn.Parameter(drawn.to(conv.weight))
    else:
        new.inhibition = torch.full_like(conv.weight[:, 0, 0, 0], checked_inhibition(inhibition), requires_grad=False)
    replace_module(model, conv, new.train(conv.training))
    return model


def with_push_pull(
    builder: Callable[..., nn.Module], *, average: int = 3, inhibition: Inhibition = "trainable", **facts: Any
) -> nn.Module:
    """Return the model of another builder with a push-pull convolution in front; a builder of `MODELS` by `partial`.

    Args:
        builder: Called with `facts`; returns an untrained model.
        average, inhibition: As in `replace_first_conv`.
        facts: Shape, classes, mean and std, as `MODELS` gives them.

    Returns:
        The model, the inhibition drawn after everything else from the global generator.

    Raises:
        UsageError: As `replace_first_conv`.

    Example:
        >>> from geomrob.models.architectures.lenet import lenet
        >>> model = with_push_pull(lenet, average=5, shape=(1, 28, 28), classes=10, mean=(0.5,), std=(0.5,))
        >>> model(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 10])
    """
    model = builder(**facts)
    seed = int(torch.randint(2**31, (), device="cpu"))
    return replace_first_conv(model, average=average, inhibition=inhibition, seed=seed)


def replace_first_conv_upsampled(
    model: nn.Module,
    *,
    inhibition: float | str = 1.0,
    scale: float = 2.0,
    seed: int = 0,
    layer: str | None = None,
) -> nn.Module:
    """Return `model`, changed in place: its first convolution is the older push-pull layer with the same push filters.

    Args:
        model: Any module with a `torch.nn.Conv2d` in it whose sides, strides and paddings are square.
        inhibition, scale: As in `UpsampledPushPullConv2d`.
        seed, layer: As in `replace_first_conv`.

    Returns:
        The same object; weight and bias are the same parameters as before.

    Raises:
        UsageError: As `replace_first_conv`, or a convolution with another padding than a number of zeros, with a
            dilation or with unequal sides.

    Example:
        >>> model = replace_first_conv_upsampled(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()))
        >>> model[0].pull_side
        7
    """
    name, conv = first_convolution(model, layer)
    sides = (conv.kernel_size, conv.stride, conv.padding)
    usual = conv.dilation == (1, 1) and conv.padding_mode == "zeros" and type(conv).__name__ != "Conv2dSame"
    if not usual or any(isinstance(pair, str) or pair[0] != pair[1] for pair in sides):
        raise UsageError(f"layer {name!r} must be square, padded by zeros, not dilated; got {conv}: name one that is")
    side, stride, padding = (int(pair[0]) for pair in sides)
    with torch.random.fork_rng(devices=[]):
        new = UpsampledPushPullConv2d(
            conv.in_channels, conv.out_channels, side, stride, padding, conv.groups, conv.bias is not None,
            inhibition=inhibition, scale=scale,
        ).to(conv.weight)  # fmt: skip
    if inhibition == "trainable":
        drawn = initial_inhibition(conv.in_channels, conv.out_channels, torch.Generator().manual_seed(seed))
        new.inhibition = nn.Parameter(drawn.to(conv.weight))
    new.weight, new.bias = conv.weight, conv.bias
    replace_module(model, conv, new.train(conv.training))
    return model
