"""Residual networks: a stem, stages of basic blocks, one linear layer."""

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError, unknown
from geomrob.models.layers.normalize import Normalize

SHORTCUTS = ("conv", "pad")


class PadShortcut(nn.Module):
    """The shortcut without parameters: every second position, new channels of zeros, half of them on either side."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.below = (width - width_in) // 2
        self.above = width - width_in - self.below

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H / stride, W / stride)."""
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.below, self.above))


def _shortcut(width_in: int, width: int, stride: int, kind: str) -> nn.Module:
    """Return the shortcut of a block."""
    if stride == 1 and width_in == width:
        return nn.Identity()
    if kind == "pad":
        return PadShortcut(width_in, width, stride)
    return nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to a shortcut."""

    expansion = 1

    def __init__(self, width_in: int, width: int, stride: int, shortcut: str = "conv") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = _shortcut(width_in, width, stride, shortcut)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H / stride, W / stride)."""
        hidden = F.relu(self.bn1(self.conv1(inputs)))
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(inputs))


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 (which strides) and a 1x1 convolution to four times the width, added to a shortcut."""

    expansion = 4

    def __init__(self, width_in: int, width: int, stride: int, shortcut: str = "conv") -> None:
        super().__init__()
        wide = self.expansion * width
        self.conv1 = nn.Conv2d(width_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.shortcut = _shortcut(width_in, wide, stride, shortcut)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, 4 x width, H / stride, W / stride)."""
        hidden = F.relu(self.bn1(self.conv1(inputs)))
        hidden = F.relu(self.bn2(self.conv2(hidden)))
        return F.relu(self.bn3(self.conv3(hidden)) + self.shortcut(inputs))


class ResNet(nn.Module):
    """A stem, a stage a width (each after the first halves the image), the mean over pixels, one linear layer."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        widths: Sequence[int],
        depths: Sequence[int],
        stem_stride: int,
        stem_kernel: int,
        stem_pool: int,
        block: type[BasicBlock] | type[Bottleneck],
        shortcut: str,
    ) -> None:
        super().__init__()
        self.norm = Normalize(mean, std)
        self.stem = nn.Conv2d(shape[0], widths[0], stem_kernel, stem_stride, stem_kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(stem_pool, 2, (stem_pool - 1) // 2) if stem_pool else nn.Identity()
        stages: list[nn.Module] = []
        before = widths[0]
        for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks: list[nn.Module] = []
            for position in range(depth):
                blocks.append(block(before, width, 2 if index and not position else 1, shortcut))
                before = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(before, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        hidden = F.relu(self.bn(self.stem(self.norm(inputs))))
        return self.fc(self.stages(self.pool(hidden)).mean((2, 3)))


def resnet(
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    mean: Sequence[float] = (0.4914, 0.4822, 0.4465),
    std: Sequence[float] = (0.2470, 0.2430, 0.2610),
    widths: Sequence[int] = (64, 128, 256, 512),
    depths: Sequence[int] = (2, 2, 2, 2),
    stem_stride: int = 1,
    stem_kernel: int = 3,
    stem_pool: int = 0,
    bottleneck: bool = False,
    shortcut: str = "conv",
) -> ResNet:
    """Return an untrained residual network that takes images in [0, 1].

    It has 2 + 2 x sum(depths) layers with weights, 2 + 3 x sum(depths) with bottlenecks: the defaults are the ResNet-18
    of the CIFAR papers. `resnet18`, `resnet34`, `resnet50` and, of width 16 to 64, `resnet20`, `resnet32`, `resnet44`,
    `resnet56` are this function with the depths filled in; `**plans.IMAGENET` gives the first three a stem for large
    images.

    Args:
        shape: Channels, height and width of the images.
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.
        widths: Channels of each stage; the stem has those of the first.
        depths: Blocks of each stage, as many as `widths`.
        stem_stride: Step of the first convolution; 2 quarters the cost.
        stem_kernel: Side of the first convolution, odd; 7 with step 2 and a pooling of 3 is the stem for ImageNet.
        stem_pool: Side of a max-pooling by 2 after the stem; 0 for none.
        bottleneck: Whether the blocks are bottlenecks, four times as wide as `widths` at their ends.
        shortcut: Where the shape changes: `conv`, a 1x1 convolution with batch normalisation (option B), or `pad`,
            every second position and channels of zeros (option A).

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: `widths` and `depths` differ in length or hold something below 1, another stem or shortcut.

    References:
        He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2016, sections 4.1 and 4.2.

    Differences:
        The paper's small networks have option A, ours by default option B; the stride of a bottleneck is in its 3x3
        convolution, not in its first, as in the reference weights of today; padded channels are split to both sides.

    Example:
        >>> import torch
        >>> model = resnet(shape=(1, 28, 28), mean=[0.286], std=[0.353], widths=(8, 16), depths=(1, 1))
        >>> model(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    if not widths or len(widths) != len(depths) or min(*widths, *depths) < 1:
        given = f"widths {tuple(widths)}, depths {tuple(depths)}"
        raise UsageError(f"widths and depths must be as many, all at least 1; got {given}: pass one pair a stage")
    if stem_kernel < 1 or stem_kernel % 2 == 0 or stem_stride < 1 or stem_pool not in (0, 2, 3):
        given = f"{stem_kernel}, {stem_stride} and {stem_pool}"
        raise UsageError(
            f"stem_kernel must be odd, stem_stride at least 1, stem_pool 0, 2 or 3; got {given}: 3, 1 and 0 are usual"
        )
    if shortcut not in SHORTCUTS:
        raise unknown("shortcut", shortcut, SHORTCUTS)
    block = Bottleneck if bottleneck else BasicBlock
    return ResNet(shape, classes, mean, std, widths, depths, stem_stride, stem_kernel, stem_pool, block, shortcut)


resnet18 = partial(resnet, depths=(2, 2, 2, 2))
resnet34 = partial(resnet, depths=(3, 4, 6, 3))
resnet50 = partial(resnet, depths=(3, 4, 6, 3), bottleneck=True)
resnet20 = partial(resnet, widths=(16, 32, 64), depths=(3, 3, 3))
resnet32 = partial(resnet, widths=(16, 32, 64), depths=(5, 5, 5))
resnet44 = partial(resnet, widths=(16, 32, 64), depths=(7, 7, 7))
resnet56 = partial(resnet, widths=(16, 32, 64), depths=(9, 9, 9))
