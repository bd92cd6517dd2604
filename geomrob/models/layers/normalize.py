"""The first layer of every model of the table: it normalises, so that a model takes plain images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError


class Normalize(nn.Module):
    """Subtract a mean and divide by a standard deviation, channel by channel.

    Both are buffers, so weights saved with the model carry them; weights saved without them keep the builder's
    (`geomrob.models.weights.load_weights` says so).

    Args:
        mean: One value a channel, in [0, 1] pixel units.
        std: One positive value a channel, same units.

    Raises:
        UsageError: Not as many of both, a value that is not positive, images of another number of channels (one value
            serves for any).

    Example:
        >>> Normalize([0.5], [0.25])(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) == 0 or len(mean) != len(std) or min(std) <= 0:
            given = f"{tuple(mean)} and {tuple(std)}"
            raise UsageError(f"mean and std must be as many, std above 0; got {given}: pass one pair a channel")
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).reshape(1, -1, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised images (N, C, H, W)."""
        # Without this check a grey image would become one of three unequal channels.
        channels = self.mean.shape[1]
        if inputs.ndim != 4 or channels not in (1, inputs.shape[1]):
            shape = tuple(inputs.shape)
            raise UsageError(
                f"inputs must be (N, {channels}, H, W) for this model; got {shape}: convert colour to grey or back"
            )
        return (inputs - self.mean) / self.std


def check_shape(inputs: Tensor, shape: Sequence[int]) -> None:
    """Refuse images of another shape than the one that a network with fully connected layers was built for.

    Raises:
        UsageError: Another number of channels, another height or width.
    """
    if tuple(inputs.shape[1:]) != tuple(shape):
        wanted, given = ("x".join(map(str, sides)) for sides in (shape, inputs.shape[1:]))
        raise UsageError(f"inputs must be images of {wanted}; got {given}: build a model for them")
