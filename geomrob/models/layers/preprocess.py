"""Transforms of the images as the first layer of a model, and the normalisation of a model for flipped images."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.models.layers.normalize import Normalize
from geomrob.models.module_replacement import replace_module
from geomrob.spectral.frequency_filters import flip, transform


class Preprocess(nn.Module):
    """Transform the images before everything else: `nn.Sequential(Preprocess("lowpass:16"), model)`.

    The transforms are differentiable, so that attacks and margins see the whole model; a model after a low-pass has an
    infinite margin in the bands that the low-pass removes.

    Args:
        name: As `geomrob.spectral.frequency_filters.transform` takes it.

    Raises:
        UsageError: No such transform.

    Example:
        >>> Preprocess("gray")(torch.rand(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.transform = transform(name)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the transformed images (N, C, H, W)."""
        return self.transform(inputs)

    def extra_repr(self) -> str:
        """Return the name of the transform."""
        return self.transform.name


class NormalizeFlipped(nn.Module):
    """Normalise flipped images: subtract the flipped mean image and divide by the standard deviation.

    (x' - flip(mean * 1)) / std = flip((x - mean) / std) for x' = flip(x): the normalised flipped image is the
    flip of the normalised plain one.

    Args:
        mean: One value a channel, of the plain images in [0, 1].
        std: One positive value a channel, same units.
        shape: Height and width of the images.

    References:
        Ortiz-Jimenez, Modas et al., Hold me tight!, NeurIPS 2020: its released code.

    Example:
        >>> NormalizeFlipped([0.5], [0.25], (4, 4))(flip(torch.full((1, 1, 4, 4), 0.5))).abs().max() < 1e-5
        tensor(True)
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], shape: tuple[int, int]) -> None:
        super().__init__()
        plain = torch.tensor(list(mean), dtype=torch.float64).reshape(1, -1, 1, 1).expand(-1, -1, *shape)
        self.register_buffer("mean", flip(plain).float())
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).reshape(1, -1, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised images (N, C, H, W)."""
        return (inputs - self.mean) / self.std


def with_preprocessing(builder: Callable[..., nn.Module], name: str, **facts: Any) -> nn.Sequential:
    """Return the model of a builder after a transform of its images.

    Args:
        builder: Called with `facts`.
        name: As `Preprocess` takes it.
        facts: shape, classes, mean and std, as a row of `MODELS` gives them.
    """
    return nn.Sequential(Preprocess(name), builder(**facts))


def for_flipped(builder: Callable[..., nn.Module], **facts: Any) -> nn.Module:
    """Return the model of a builder with its `Normalize` layers replaced by `NormalizeFlipped`.

    Args:
        builder: Called with `facts`.
        facts: shape, classes, mean and std, as a row of `MODELS` gives them.
    """
    model = builder(**facts)
    _, height, width = facts["shape"]
    for layer in [module for module in model.modules() if isinstance(module, Normalize)]:
        replace_module(model, layer, NormalizeFlipped(facts["mean"], facts["std"], (height, width)))
    return model
