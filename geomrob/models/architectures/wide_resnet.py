"""Wide residual networks: few layers of many channels, normalised and rectified before each convolution."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError, unknown
from geomrob.models.layers.normalize import Normalize

ACTIVATIONS = {"relu": F.relu, "silu": F.silu}
PADDINGS = ("both", "after")


class WideBlock(nn.Module):
    """Two 3x3 convolutions, each normalised and activated before, added to a shortcut (1x1 where shapes change)."""

    def __init__(
        self, width_in: int, width: int, stride: int, dropout: float, activation: str = "relu", padding: str = "both"
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.pads_after = padding == "after" and stride == 2
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 0 if self.pads_after else 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        same = stride == 1 and width_in == width
        self.shortcut = None if same else nn.Conv2d(width_in, width, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H / stride, W / stride)."""
        ready = self.activation(self.bn1(inputs))
        padded = F.pad(ready, (0, 1, 0, 1)) if self.pads_after else ready
        hidden = self.conv2(self.dropout(self.activation(self.bn2(self.conv1(padded)))))
        # The shortcut that changes shape begins after the activation, the one that does not at the input itself.
        return hidden + (inputs if self.shortcut is None else self.shortcut(ready))


class WideResNet(nn.Module):
    """A 3x3 stem of 16 channels, three stages, the mean over positions, one linear layer."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        blocks: int,
        widen: int,
        dropout: float,
        activation: str,
        padding: str,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.norm = Normalize(mean, std)
        self.stem = nn.Conv2d(shape[0], 16, 3, 1, 1, bias=False)
        stages: list[nn.Module] = []
        before = 16
        for index, base in enumerate((16, 32, 64)):
            width = base * widen
            kind = (dropout, activation, padding)
            first = WideBlock(before, width, 2 if index else 1, *kind)
            stages.append(nn.Sequential(first, *(WideBlock(width, width, 1, *kind) for _ in range(blocks - 1))))
            before = width
        self.stages = nn.Sequential(*stages)
        self.bn = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        hidden = self.stages(self.stem(self.norm(inputs)))
        return self.fc(self.activation(self.bn(hidden)).mean((2, 3)))


def wide_resnet(
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    mean: Sequence[float] = (0.4914, 0.4822, 0.4465),
    std: Sequence[float] = (0.2470, 0.2430, 0.2610),
    depth: int = 40,
    widen: int = 2,
    dropout: float = 0.0,
    activation: str = "relu",
    padding: str = "both",
) -> WideResNet:
    """Return an untrained WRN-`depth`-`widen` that takes images in [0, 1]; the default is the WRN-40-2 of AugMix.

    Args:
        shape: Channels, height and width of the images.
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.
        depth: Layers: 6 n + 4 for n blocks a stage.
        widen: How many times 16, 32 and 64 channels the stages have.
        dropout: Between the convolutions of a block, in [0, 1).
        activation: relu or silu.
        padding: Where a convolution of stride 2 pads: `both` sides, or `after` the last row and column only, as
            networks that come from TensorFlow and JAX do.

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: Another depth, a widening below 1, a dropout out of range, no such activation or padding.

    References:
        Zagoruyko, Komodakis, Wide residual networks, 2016.

    Example:
        >>> import torch
        >>> wide_resnet(depth=10, widen=1)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if depth < 10 or (depth - 4) % 6 or widen < 1 or not 0 <= dropout < 1:
        given = f"depth {depth}, widen {widen}, dropout {dropout}"
        raise UsageError(f"depth must be 6 n + 4, widen at least 1, dropout in [0, 1); got {given}: 40 and 2 are usual")
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if padding not in PADDINGS:
        raise unknown("padding", padding, PADDINGS)
    return WideResNet(shape, classes, mean, std, (depth - 4) // 6, widen, dropout, activation, padding)
