"""VGG for small images: 3x3 convolutions, pooled by 2 where the plan says so, one linear layer; plain or with HaH."""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.architectures.plans import POOL, VGG16
from geomrob.models.layers.hah import HaHBlock, WeightNormConv2d
from geomrob.models.layers.normalize import Normalize


class VGGBlock(nn.Module):
    """A 3x3 convolution with batch normalisation before or after the ReLU; its filters may have unit norm."""

    def __init__(self, width_in: int, width: int, weight_norm: bool, relu_first: bool) -> None:
        super().__init__()
        self.conv = WeightNormConv2d(width_in, width) if weight_norm else nn.Conv2d(width_in, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.relu_first = relu_first

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H, W)."""
        hidden = self.conv(inputs)
        return self.bn(F.relu(hidden)) if self.relu_first else F.relu(self.bn(hidden))


class VGG(nn.Module):
    """Blocks of one convolution and poolings (`features`), the mean over positions, one linear layer (`fc`)."""

    def __init__(
        self, classes: int, mean: Sequence[float], std: Sequence[float], blocks: Sequence[nn.Module], width: int
    ) -> None:
        super().__init__()
        self.norm = Normalize(mean, std)
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.fc(self.features(self.norm(inputs)).mean((2, 3)))


def vgg(
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    mean: Sequence[float] = (0.4914, 0.4822, 0.4465),
    std: Sequence[float] = (0.2470, 0.2430, 0.2610),
    plan: Sequence[int | str] = VGG16,
    hah: int = 0,
    weight_norm: bool | None = None,
    relu_first: bool | None = None,
    sigma: float = 0.1,
    active: float | Literal["mean"] | None = 0.2,
    normalization: str = "divisive",
    field: str = "mean",
    strict: bool = False,
) -> VGG:
    """Return an untrained VGG that takes images in [0, 1], its first `hah` convolutions in HaH blocks.

    The other blocks are convolution - batch normalisation - ReLU in a plain VGG; once there is a HaH block they are
    weight-normalised convolution - ReLU - batch normalisation. The baseline of the HaH paper is `weight_norm=True`.

    Args:
        shape: Channels, height and width of the images; a side of at least 2 to the number of poolings.
        classes: Number of logits.
        mean: What the first layer subtracts, one value a channel.
        std: What the first layer divides by, one value a channel.
        plan: The width of each convolution and "M" for each pooling: one of `plans`, `VGG16` say, or your own.
        hah: Number of HaH blocks, from 0 to the number of convolutions.
        weight_norm: Whether the filters of the other blocks have unit norm; None where `hah` > 0.
        relu_first: Whether the ReLU comes before the batch normalisation; None where the filters have unit norm.
        sigma: Of the HaH blocks; see `geomrob.models.layers.hah.HaHBlock` for this and what follows.
        active: Share of the positions that stay active.
        normalization: `divisive` or `batch`.
        field: Of the divisive normalisation.
        strict: Of the threshold.

    Returns:
        The model, initialised by PyTorch's defaults from the global generator.

    Raises:
        UsageError: Images too small for the plan, more HaH blocks than convolutions, a plan without convolution.

    References:
        Simonyan, Zisserman, Very deep convolutional networks for large-scale image recognition, 2015.
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, section 2.

    Differences:
        From 2015: batch normalisation, and one linear layer after the mean over positions, as usual on small images.

    Example:
        >>> import torch
        >>> from geomrob.models.architectures.plans import SMALL
        >>> model = vgg(shape=(1, 28, 28), mean=[0.286], std=[0.353], plan=SMALL, hah=4)
        >>> model(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    _check_plan(plan, shape, hah)
    unit = hah > 0 if weight_norm is None else weight_norm
    first = unit if relu_first is None else relu_first
    blocks: list[nn.Module] = []
    before, built = shape[0], 0
    for width in plan:
        if isinstance(width, str):
            blocks.append(nn.MaxPool2d(2))
            continue
        if built < hah:
            blocks.append(
                HaHBlock(
                    before, width, sigma=sigma, active=active, normalization=normalization, field=field, strict=strict
                )
            )
        else:
            blocks.append(VGGBlock(before, width, unit, first))
        before, built = width, built + 1
    return VGG(classes, mean, std, blocks, before)


def _check_plan(plan: Sequence[int | str], shape: tuple[int, int, int], hah: int) -> None:
    """Refuse a plan that does not fit, in one sentence."""
    widths = [width for width in plan if isinstance(width, int)]
    if not widths or min(widths) < 1 or any(word != POOL for word in plan if isinstance(word, str)):
        raise UsageError(f"plan must hold widths of at least 1 and 'M'; got {tuple(plan)}: take VGG16 or SMALL")
    if not 0 <= hah <= len(widths):
        raise UsageError(
            f"hah must lie between 0 and the {len(widths)} convolutions; got {hah}: the paper takes the first 6"
        )
    side = 2 ** (len(plan) - len(widths))
    if min(shape[1:]) < side:
        size = f"{shape[1]}x{shape[2]}"
        raise UsageError(f"shape must be at least {side}x{side} for this plan; got {size}: leave out a pooling")
