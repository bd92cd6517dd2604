"""Densely connected networks for small images: each layer adds channels to those of all layers before it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize


class DenseLayer(nn.Module):
    """Normalised, rectified 1x1 (to four times the growth) and 3x3 convolutions, appended to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width + growth, H, W)."""
        hidden = self.conv1(F.relu(self.bn1(inputs)))
        return torch.cat([inputs, self.conv2(F.relu(self.bn2(hidden)))], 1)


class Transition(nn.Module):
    """A normalised and rectified 1x1 convolution to fewer channels, then the mean over 2x2 positions."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width_out, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width_out, H / 2, W / 2)."""
        return F.avg_pool2d(self.conv(F.relu(self.bn(inputs))), 2)


class DenseNet(nn.Module):
    """A 3x3 stem, dense blocks with transitions between them, the mean over positions, one linear layer."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        depths: Sequence[int],
        growth: int,
        compression: float,
    ) -> None:
        super().__init__()
        self.norm = Normalize(mean, std)
        width = 2 * growth
        self.stem = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        for index, depth in enumerate(depths):
            for _ in range(depth):
                layers.append(DenseLayer(width, growth))
                width += growth
            if index < len(depths) - 1:
                layers.append(Transition(width, int(compression * width)))
                width = int(compression * width)
        self.blocks = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        hidden = self.blocks(self.stem(self.norm(inputs)))
        return self.fc(F.relu(self.bn(hidden)).mean((2, 3)))


def densenet(
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    mean: Sequence[float] = (0.4914, 0.4822, 0.4465),
    std: Sequence[float] = (0.2470, 0.2430, 0.2610),
    depths: Sequence[int] = (6, 12, 24, 16),
    growth: int = 32,
    compression: float = 0.5,
) -> DenseNet:
    """Return an untrained DenseNet with bottlenecks that takes images in [0, 1]; the defaults are DenseNet-121.

    Args:
        shape: Channels, height and width of the images; each transition halves the sides.
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.
        depths: Layers of each dense block.
        growth: Channels that each layer adds.
        compression: Share of the channels that a transition keeps, in (0, 1].

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: No block, something below 1, images too small for the transitions.

    References:
        Huang, Liu, van der Maaten, Weinberger, Densely connected convolutional networks, 2017.

    Differences:
        For small images: a 3x3 stem without stride and pooling instead of 7x7 with both.

    Example:
        >>> import torch
        >>> densenet(depths=(2, 2), growth=4)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if not depths or min(*depths, growth, growth) < 1 or not 0 < compression <= 1:
        given = f"depths {tuple(depths)}, growth {growth}, compression {compression}"
        raise UsageError(
            f"depths and growth must be at least 1, compression in (0, 1]; got {given}: DenseNet-121 has "
            "(6, 12, 24, 16), 32, 0.5"
        )
    if min(shape[1:]) < 2 ** (len(depths) - 1):
        raise UsageError(f"shape must be halved {len(depths) - 1} times; got {shape[1]}x{shape[2]}: pass fewer depths")
    return DenseNet(shape, classes, mean, std, depths, growth, compression)
