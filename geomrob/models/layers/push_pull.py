"""The push-pull convolution: a filter inhibited by the response of its own complement, in place of any first layer."""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images
from geomrob.errors import UsageError
from geomrob.models.module_replacement import same_padding
from geomrob.spectral.push_pull_kernel import pull_kernel, push_pull_kernel

Pair = int | tuple[int, int]
Inhibition = float | str
Border = Literal["zeros", "reflect", "replicate", "circular"]


def push_pull(
    inputs: Images,
    weight: Float[Tensor, "f g k l"],
    inhibition: float | Float[Tensor, " f"],
    bias: Float[Tensor, " f"] | None = None,
    *,
    average: int = 0,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
    rectified: bool = True,
) -> Float[Tensor, "n f i j"]:
    r"""Return the responses of push filters, less those of their complements nearby.

        y = r(x * w) - alpha r((x * w_pull) * 1_box) + b,    w_pull = -w + max(w) + min(w)

    r is the rectifier, max and min are taken over one filter, 1_box averages box x box neighbours of the response (of
    those inside it, so that borders are not darkened). Both filter banks are one convolution of 2 F kernels. With
    alpha = 0 and no bias this is r(x * w): a network that rectifies next computes what it did with a convolution; one
    that normalises first, as a ResNet does, then normalises rectified responses.

    Args:
        inputs: Images or features (N, C, H, W).
        weight: The push filters (F, C / groups, k, l).
        inhibition: alpha, one number or one a filter; of either sign.
        bias: One number a filter, added last; None for none.
        average: Side of the box in responses, odd; 0 for none.
        stride, padding, dilation, groups: As in `torch.nn.functional.conv2d`, the same for both filter banks.
        rectified: Whether r is the rectifier; False leaves it out, and inside the image the response is then that of
            the one kernel of `geomrob.spectral.push_pull_kernel.push_pull_kernel` (at stride and dilation 1).

    Returns:
        The responses (N, F, H', W'), differentiable in inputs, weight (its extrema too), inhibition and bias.

    Raises:
        UsageError: An even or negative side of the average.

    References:
        Bennabhaktula, Alegre, Strisciuglio and Azzopardi, PushPull-Net: Inhibition-driven ResNet robust to image
        corruptions, 2024, eqs. 4 and 5 (eqs. 6 to 8 without rectifier).

    Differences:
        None from the released layer, which computes the two banks one after the other.

    Example:
        >>> line = torch.tensor([[[[-1.0, 2.0, -1.0]]]])
        >>> push_pull(torch.tensor([[[[0.0, 0, 1, 0, 0]]]]), line, 0.5).flatten().tolist()
        [-1.0, 2.0, -1.0]
    """
    _check_average(average)
    kernels = push_and_pull_kernels(weight, groups)
    return _inhibited(inputs, kernels, inhibition, bias, average, stride, padding, dilation, groups, rectified)


def push_and_pull_kernels(weight: Float[Tensor, "f g k l"], groups: int = 1) -> Float[Tensor, "m g k l"]:
    """Return the 2 F kernels of one convolution for both banks: in each group first its push, then its pull filters."""
    if groups == 1:
        return torch.cat([weight, pull_kernel(weight)])
    banks = torch.stack([weight.unflatten(0, (groups, -1)), pull_kernel(weight).unflatten(0, (groups, -1))], 1)
    return banks.flatten(0, 2)


class PushPullConv2d(nn.Conv2d):
    """`push_pull` as a layer with the arguments and the parameters `weight` and `bias` of `torch.nn.Conv2d`.

    Args:
        inhibition: "trainable" for a parameter `inhibition`, one number a filter, drawn from U(0, 1) and free in sign;
            a number for a buffer of that name, fixed.
        average: Side of the box, odd; 0 for none.
        padding: As in `torch.nn.Conv2d`; "same" goes with any stride (the output has ceil(H / stride) rows, what is
            odd is padded below and right).

    In eval mode, while the weights require no gradient, the 2 F kernels are kept from call to call. They are computed
    again after `train()`, `eval()`, `to()`, `load_state_dict()` and every change of `weight` in place; a change through
    `weight.data` bypasses the version counter of autograd: call `eval()` after it.

    References:
        As `push_pull`; inhibition as in section 4.2 there, weights and bias drawn as by `torch.nn.Conv2d`.

    Differences:
        The released layer draws the bias from U(-1, 1).

    Example:
        >>> layer = PushPullConv2d(3, 8, 3, stride=2, padding=1, inhibition=1.0, average=3)
        >>> layer(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    inhibition: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Border = "zeros",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        inhibition: Inhibition = "trainable",
        average: int = 3,
    ) -> None:
        _check_average(average)
        # nn.Conv2d supports "same" at stride 1 only.
        strided_same = padding == "same" and stride not in (1, (1, 1))
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0 if strided_same else padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.average, self.strided_same = average, strided_same
        strength = torch.empty(out_channels, device=device, dtype=dtype)
        if inhibition == "trainable":
            self.inhibition = nn.Parameter(nn.init.uniform_(strength))
        else:
            self.register_buffer("inhibition", strength.fill_(checked_inhibition(inhibition)))
        self._kept: tuple[Tensor, int, int, Tensor] | None = None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch's layers
        """Return the responses (N, F, H', W')."""
        inputs, padding = input, self.padding
        if self.strided_same:
            inputs = F.pad(inputs, same_padding(inputs, self.kernel_size, self.stride, self.dilation))
        elif self.padding_mode != "zeros":
            inputs, padding = F.pad(inputs, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0
        kernels, bias, average = self._kernels(), self.bias, self.average
        stride, dilation, groups = self.stride, self.dilation, self.groups
        return _inhibited(inputs, kernels, self.inhibition, bias, average, stride, padding, dilation, groups, True)

    def pull_filters(self) -> Tensor:
        """Return the complements of the push filters, (F, C / groups, k, l)."""
        return pull_kernel(self.weight)

    def linear_kernel(self) -> Tensor:
        """Return the one kernel that the layer would be without its rectifiers: eq. 8, widened by the average."""
        return push_pull_kernel(self.weight, self.inhibition, box=self.average)

    def _kernels(self) -> Tensor:
        """Return both filter banks, those kept if they still belong to the weights."""
        weight = self.weight
        learning = self.training or (torch.is_grad_enabled() and weight.requires_grad)
        # Only a plain parameter records its changes: not one of torch.func, of a parametrization, of inference mode.
        plain = type(weight) is nn.Parameter and not weight.is_inference() and not torch.compiler.is_compiling()
        if learning or not plain:
            return push_and_pull_kernels(weight, self.groups)
        kept, state = self._kept, (weight._version, weight.data_ptr())  # noqa: SLF001 - torch names it so
        if kept is not None and kept[0] is weight and kept[1:3] == state:
            return kept[3]
        # A kernel made in inference mode could not take part in a later gradient with respect to images.
        with torch.inference_mode(False), torch.no_grad():
            kernels = push_and_pull_kernels(weight.detach(), self.groups)
        self._kept = (weight, *state, kernels)
        return kernels

    def train(self, mode: bool = True) -> "PushPullConv2d":
        """Set the mode, as every module does, and forget the kept kernels."""
        self._kept = None
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> "PushPullConv2d":
        self._kept = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def extra_repr(self) -> str:
        """Return what distinguishes this layer, for `print`."""
        kind = "trainable" if isinstance(self.inhibition, nn.Parameter) else "fixed"
        same = ", padding=same" if self.strided_same else ""
        return f"{super().extra_repr()}{same}, average={self.average}, inhibition={kind}"


def _inhibited(
    inputs: Tensor,
    kernels: Tensor,
    inhibition: float | Tensor,
    bias: Tensor | None,
    average: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    rectified: bool,
) -> Tensor:
    """Return eq. 5 from the kernels of `push_and_pull_kernels`."""
    both: Tensor = F.conv2d(inputs, kernels, None, stride, padding, dilation, groups)
    if groups == 1:
        push, pull = both.chunk(2, 1)
    else:
        push, pull = (bank.flatten(1, 2) for bank in both.unflatten(1, (groups, 2, -1)).unbind(2))
    if average > 1:
        pull = _box_mean(pull, average)
    if rectified:
        push, pull = push.relu(), pull.relu()
    strength = inhibition.reshape(-1, 1, 1) if isinstance(inhibition, Tensor) else inhibition
    response = push - strength * pull
    return response if bias is None else response + bias.reshape(-1, 1, 1)


def _box_mean(maps: Tensor, side: int) -> Tensor:
    """Return the mean over the box around each position, of those positions of it that are in the map.

    This is `avg_pool2d` with `count_include_pad=False`, written as a depthwise convolution and a factor for the border:
    on a CPU that costs a fifth.
    """
    channels, height, width = maps.shape[-3:]
    inside = [_inside(length, side, maps) for length in (height, width)]
    box = torch.ones(channels, 1, side, side, device=maps.device, dtype=maps.dtype)
    summed: Tensor = F.conv2d(maps, box, padding=side // 2, groups=channels)
    return summed / (inside[0][:, None] * inside[1])


def _inside(length: int, side: int, like: Tensor) -> Tensor:
    """Return how many positions of the box around each position of a line lie on the line."""
    position = torch.arange(length, device=like.device)
    reach = side // 2
    return ((position + reach).clamp_max(length - 1) - (position - reach).clamp_min(0) + 1).to(like)


def _check_average(average: int) -> None:
    if average < 0 or (average and average % 2 == 0):
        raise UsageError(f"average must be an odd side or 0 for none; got {average}: 3 and 5 are those of the paper")


def checked_inhibition(inhibition: object) -> float:
    """Return a fixed strength, refused where it is none."""
    if isinstance(inhibition, str) or not isinstance(inhibition, (int, float)) or not math.isfinite(inhibition):
        raise UsageError(f"inhibition must be 'trainable' or a finite number; got {inhibition!r}: 1 is the usual one")
    return float(inhibition)
