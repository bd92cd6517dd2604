"""Fully connected networks: the pixels in a row, hidden layers of one width with ReLU, one linear layer."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize, check_shape


class MLP(nn.Module):
    """`depth` hidden layers of `width` units; without any it is logistic regression."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        depth: int,
        width: int,
    ) -> None:
        super().__init__()
        self.norm = Normalize(mean, std)
        self.shape = tuple(shape)
        sizes = [shape[0] * shape[1] * shape[2], *[width] * depth]
        hidden = [layer for sides in pairwise(sizes) for layer in (nn.Linear(*sides), nn.ReLU())]
        self.hidden = nn.Sequential(*hidden)
        self.fc = nn.Linear(sizes[-1], classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1].

        Raises:
            UsageError: Images of another shape than that of the model.
        """
        check_shape(inputs, self.shape)
        return self.fc(self.hidden(self.norm(inputs).flatten(1)))


def mlp(
    *,
    shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    mean: Sequence[float] = (0.2860,),
    std: Sequence[float] = (0.3530,),
    depth: int = 10,
    width: int = 500,
) -> MLP:
    """Return an untrained fully connected network that takes images in [0, 1].

    Args:
        shape: Channels, height and width of the images.
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.
        depth: Hidden layers; 0 is logistic regression.
        width: Units of each hidden layer.

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: A negative depth, a width below 1.

    References:
        Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020: 10 layers of 500 on synthetic data.

    Example:
        >>> import torch
        >>> mlp(depth=2, width=20)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 10])
    """
    if depth < 0 or width < 1:
        raise UsageError(
            f"depth must be at least 0 and width at least 1; got {depth} and {width}: the papers take 10 and 500"
        )
    return MLP(shape, classes, mean, std, depth, width)
