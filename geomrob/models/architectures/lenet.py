"""LeNet-5 with ReLU and max-pooling, the small model of the margin measurements."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize, check_shape


class LeNet(nn.Module):
    """Two 5x5 convolutions (6 and 16 channels, the first padded by 2), each pooled by 2, then 120 - 84 - classes."""

    def __init__(self, shape: tuple[int, int, int], classes: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        channels, height, width = shape
        rows, columns = (height // 2 - 4) // 2, (width // 2 - 4) // 2
        if min(rows, columns) < 1:
            raise UsageError(
                f"shape must be at least 12x12 for a LeNet; got {height}x{width}: use an mlp, or larger images"
            )
        self.shape = tuple(shape)
        self.norm = Normalize(mean, std)
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * rows * columns, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1].

        Raises:
            UsageError: Images of another shape than that of the model.
        """
        check_shape(inputs, self.shape)
        hidden = F.max_pool2d(F.relu(self.conv1(self.norm(inputs))), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(hidden)))))


def lenet(
    *,
    shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    mean: Sequence[float] = (0.2860,),
    std: Sequence[float] = (0.3530,),
) -> LeNet:
    """Return an untrained LeNet-5 that takes images in [0, 1].

    Args:
        shape: Channels, height and width of the images (at least 12x12).
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: The images are too small for two poolings.

    References:
        LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.

    Differences:
        From 1998: ReLU instead of scaled tanh, maximum instead of trainable average pooling, a full second
        convolution, a linear last layer. This is the form of the margin measurements of Ortiz-Jimenez et al., 2020.

    Example:
        >>> import torch
        >>> lenet()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    return LeNet(shape, classes, mean, std)
