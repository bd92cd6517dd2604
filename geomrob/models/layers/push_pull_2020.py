"""The older push-pull layer, whose pull filter is the negative push filter, enlarged; for comparison."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images
from geomrob.errors import UsageError


def upsampled_push_pull(
    inputs: Images,
    weight: Float[Tensor, "f g k k"],
    inhibition: float | Float[Tensor, " f"] = 1.0,
    bias: Float[Tensor, " f"] | None = None,
    *,
    scale: float = 2.0,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Float[Tensor, "n f i j"]:
    """Return the responses of push filters, less those of their enlarged negatives at the same position.

        y = r(x * w + b) - alpha r(-(x * up(w)) - b)

    r is the rectifier; up enlarges a filter of side k bilinearly, corner to corner, to the side floor(k scale), one
    more if that is even: 3 to 7, 7 to 15. At scale 1 and alpha 1 nothing but the plain convolution is left.

    Args:
        inputs: Images or features (N, C, H, W).
        weight: The push filters (F, C / groups, k, k), k odd.
        inhibition: alpha, one number or one a filter.
        bias: One number a filter, of both filter banks; None for none.
        scale: At least 1.
        stride, padding, groups: As in `torch.nn.functional.conv2d`; the padding is that of the push filters, the pull
            filters have as much more as their side requires.

    Returns:
        The responses (N, F, H', W').

    Raises:
        UsageError: A filter of even side, or a scale below 1.

    References:
        Strisciuglio, Lopez-Antequera and Petkov, Enhanced robustness of convolutional networks with a push-pull
        inhibition layer, 2020: reference [32] of `geomrob.models.layers.push_pull`.

    Differences:
        None from the released layer; its surprises are kept. The enlarged filter is not weighed
        by its area: the sum of a constant filter grows by 49 / 9 from 3 to 7 and by 225 / 49 from 7 to 15. The bias
        takes part in the pull with its sign turned.

    Example:
        >>> line = torch.tensor([[[[-1.0, 2.0, -1.0]] * 3]])
        >>> upsampled_push_pull(torch.ones(1, 1, 7, 7), line, padding=1).shape
        torch.Size([1, 1, 7, 7])
    """
    large = upsampled(weight, scale)
    push: Tensor = F.conv2d(inputs, weight, bias, stride, padding, 1, groups)
    around = padding + large.shape[-1] // 2 - weight.shape[-1] // 2
    pull: Tensor = F.conv2d(inputs, -large, None if bias is None else -bias, stride, around, 1, groups)
    strength = inhibition.reshape(-1, 1, 1) if isinstance(inhibition, Tensor) else inhibition
    return push.relu() - strength * pull.relu()


def upsampled(weight: Float[Tensor, "f g k k"], scale: float = 2.0) -> Float[Tensor, "f g m m"]:
    """Return square filters enlarged bilinearly, corner to corner, to the odd side of `upsampled_push_pull`.

    Raises:
        UsageError: A filter of even side, or a scale below 1.

    Example:
        >>> upsampled(torch.tensor([[[[0.0, 0, 0], [0, 0, 2], [0, 0, 0]]]]), 1.5)[0, 0, 2].tolist()
        [0.0, 0.0, 0.0, 1.0, 2.0]
    """
    wide = _pull_side(weight.shape[-1], scale)
    return F.interpolate(weight, (wide, wide), mode="bilinear", align_corners=True)


class UpsampledPushPullConv2d(nn.Conv2d):
    """`upsampled_push_pull` as a layer with the parameters `weight` and `bias` of `torch.nn.Conv2d`.

    Args:
        kernel_size: Side of the push filters, odd.
        inhibition: A number for a buffer `inhibition`, fixed, 1 in the reference; "trainable" for a parameter of that
            name, one number a filter, drawn from U(1/2 - d, 1/2 + d), d = 1 / sqrt(in_channels out_channels), and
            rectified before use: one that falls below zero has no gradient and stays there.
        scale: As in `upsampled_push_pull`.

    References:
        As `upsampled_push_pull`; the trainable inhibition is the released one.

    Example:
        >>> UpsampledPushPullConv2d(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    inhibition: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = False,
        *,
        inhibition: float | str = 1.0,
        scale: float = 2.0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, 1, groups, bias)
        self.scale, self.pull_side = scale, _pull_side(kernel_size, scale)
        if inhibition == "trainable":
            self.inhibition = nn.Parameter(initial_inhibition(in_channels, out_channels))
        elif isinstance(inhibition, (int, float)) and math.isfinite(inhibition):
            self.register_buffer("inhibition", torch.full((out_channels,), float(inhibition)))
        else:
            raise UsageError(
                f"inhibition must be 'trainable' or a finite number; got {inhibition!r}: 1 is the usual one"
            )

    @property
    def strength(self) -> Tensor:
        """The inhibition as it is used, one number a filter: rectified where it is trained."""
        return self.inhibition.relu() if isinstance(self.inhibition, nn.Parameter) else self.inhibition

    def pull_filters(self) -> Tensor:
        """Return the enlarged negatives of the push filters."""
        return -upsampled(self.weight, self.scale)

    def linear_kernel(self) -> Tensor:
        """Return the one kernel that the layer would be without its rectifiers: w + alpha up(w)."""
        pull = self.pull_filters()
        around = (pull.shape[-1] - self.weight.shape[-1]) // 2
        return F.pad(self.weight, [around] * 4) - self.strength.reshape(-1, 1, 1, 1) * pull

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch's layers
        """Return the responses (N, F, H', W')."""
        where: Any = {"stride": self.stride[0], "padding": self.padding[0], "groups": self.groups}
        return upsampled_push_pull(input, self.weight, self.strength, self.bias, scale=self.scale, **where)

    def extra_repr(self) -> str:
        """Return what distinguishes this layer, for `print`."""
        kind = "trainable" if isinstance(self.inhibition, nn.Parameter) else "fixed"
        return f"{super().extra_repr()}, pull={self.pull_side}x{self.pull_side}, inhibition={kind}"


def initial_inhibition(in_channels: int, out_channels: int, generator: torch.Generator | None = None) -> Tensor:
    """Return one strength a filter from U(1/2 - d, 1/2 + d), by default of the global generator."""
    reach = 1 / math.sqrt(in_channels * out_channels)
    return torch.empty(out_channels).uniform_(0.5 - reach, 0.5 + reach, generator=generator)


def _pull_side(side: int, scale: float) -> int:
    """Return the odd side of the enlarged filter."""
    if side % 2 == 0 or scale < 1:
        raise UsageError(f"kernel side must be odd and scale at least 1; got {side} and {scale:g}: take 3 and 2")
    wide = math.floor(side * scale)
    return wide + 1 - wide % 2
