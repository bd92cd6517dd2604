"""The first layer of every model of the table: it normalises, so that a model takes plain images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Subtract a mean and divide by a standard deviation, channel by channel.

    Both are buffers, so weights saved with the model carry them; weights saved without them keep the builder's
    (`geomrob.models.sources.load_weights` says so).

    Args:
        mean: One value a channel, in [0, 1] pixel units.
        std: One positive value a channel, same units.

    Example:
        >>> Normalize([0.5], [0.25])(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).reshape(1, -1, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised images (N, C, H, W)."""
        return (inputs - self.mean) / self.std
