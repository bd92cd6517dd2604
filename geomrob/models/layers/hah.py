"""The Hebbian/anti-Hebbian (HaH) block: unit filters, divisive normalisation, one threshold a channel and image."""

import math
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images
from geomrob.errors import UsageError, unknown
from geomrob.models.layers.order_statistics import order_statistic, piece_length

FIELDS = ("mean", "pooled")
NORMALIZATIONS = ("divisive", "batch")
# A value this many rounding errors below the threshold counts as equal to it: the smallest power of two for which at
# most one feature of a block changed on 200 images of Fashion-MNIST, flat backgrounds and all, when they were scaled.
SLACK = 16


def normalized_weight(weight: Float[Tensor, "out *shape"]) -> Float[Tensor, "out *shape"]:
    """Return the filters w / ||w||_2, each of unit norm over everything but the first axis (eq. 1).

    A filter of zeros stays one, and its gradient is finite.

    Example:
        >>> normalized_weight(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length = torch.linalg.vector_norm(weight.flatten(1), dim=1).reshape(-1, *[1] * (weight.ndim - 1))
    return weight / torch.where(length > 0, length, 1)


def divisive_normalization(responses: Images, *, sigma: float = 0.1, field: str = "mean") -> Images:
    """Return each response divided by what its position and the strongest position of its image hold (eq. 2).

    z_k(loc) = y_k(loc) / (sigma * max_loc M + (1 - sigma) * M(loc)), M the mean over the channels: strong channels
    suppress weak ones at the same position, and positions without signal stay small. The scale of the input cancels.

    Args:
        responses: Non-negative, as after a ReLU; each image by itself.
        sigma: Weight of the strongest position, in [0, 1].
        field: `mean` for M as above; `pooled` for the mean of 3x3 max-pooled responses.

    Returns:
        As many values, 0 where the divisor is 0, as in an image without any response.

    Raises:
        UsageError: `sigma` outside [0, 1] or an unknown `field`.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, eq. 2.

    Differences:
        The released code takes the `pooled` field and adds 1e-7 to the divisor; here a divisor of 0 gives 0 instead.

    Example:
        >>> responses = torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)
        >>> divisive_normalization(responses).flatten().tolist(), divisive_normalization(0 * responses).sum().item()
        ([0.5, 1.5], 0.0)
    """
    _check_sigma(sigma)
    if field not in FIELDS:
        raise unknown("field", field, FIELDS)
    local = responses if field == "mean" else F.max_pool2d(responses, 3, stride=1, padding=1)
    # Not torch.mean: its gradient is written out channel by channel.
    mean = local.sum(1, keepdim=True) / responses.shape[1]
    divisor = sigma * mean.amax((2, 3), keepdim=True) + (1 - sigma) * mean
    # One reciprocal a position instead of one division a channel: forward and backward take half the time.
    return responses * torch.where(divisor > 0, divisor, 1).reciprocal()


def adaptive_threshold(responses: Images, *, active: float | str = 0.2, strict: bool = False) -> Images:
    """Return the responses that reach the threshold of their channel and image, 0 elsewhere (eq. 3).

    tau is the ceil(active * H * W)-th largest of the H x W responses, or their mean. No gradient passes through tau.

    Args:
        responses: Non-negative.
        active: Share of the positions that stay active, in (0, 1], or `mean`.
        strict: Keep what exceeds the floor((1 - active) * H * W)-th smallest response, as released, instead of what
            reaches tau. Both keep the same positions where no two responses are equal.

    Returns:
        As many values. A channel with fewer positive responses than required keeps these: zeros are never active.
        Responses equal to tau, as over a flat background, are all kept, with `strict` all dropped.

    Raises:
        UsageError: `active` is neither in (0, 1] nor `mean`.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, eq. 3.

    Differences:
        Without `strict`, responses at most 16 rounding errors below tau count as equal to it: the result on a flat
        background depends neither on the scale of the input nor on how a convolution rounds. The released code fails
        on maps of one position; here the one response stays.

    Example:
        >>> responses = torch.arange(10.0).reshape(1, 1, 2, 5)
        >>> adaptive_threshold(responses).flatten().tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 9.0]
    """
    _check_active(active)
    return cast("Tensor", _Threshold.apply(responses, active, strict))


def soft_threshold(responses: Images, *, active: float | str = 0.2, temperature: float = 0.1) -> Images:
    """Return the responses z times the sigmoid of (z - tau) / (temperature tau), tau as in `adaptive_threshold`.

    Where the threshold has a jump, the gradient of this says how much a position would gain or lose. No gradient passes
    through tau, as in `adaptive_threshold`.

    Example:
        >>> responses = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)
        >>> soft_threshold(responses, active=0.5, temperature=0.01).round(decimals=3).flatten().tolist()
        [0.0, 0.0, 1.5, 4.0]
    """
    _check_active(active)
    with torch.no_grad():
        tau = _tau(responses.detach().flatten(2), active, strict=False)[..., None, None]
        width = (temperature * tau.abs()).clamp_min(torch.finfo(tau.dtype).tiny)
    return responses * torch.sigmoid((responses - tau) / width)


class _Threshold(torch.autograd.Function):
    """The threshold; it keeps nothing for the backward pass but what it returns.

    Masks are numbers, not truth values, and a product replaces a selection: a tenth of the time on the CPU.
    """

    @staticmethod
    def forward(ctx: Any, responses: Tensor, active: float | str, strict: bool) -> Tensor:
        """Return the responses that are kept."""
        kept = torch.empty_like(responses)
        length = piece_length(responses)
        for piece, out in zip(responses.split(length), kept.split(length), strict=True):
            tau = _tau(piece.flatten(2), active, strict)[..., None, None]
            (torch.gt if strict else torch.ge)(piece, tau, out=out)
            out.mul_(piece)
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient where a response was kept."""
        (kept,) = ctx.saved_tensors
        with torch.no_grad():
            mask = torch.ne(kept, 0, out=torch.empty_like(kept))
        return gradients[0] * mask, None, None


def _tau(rows: Tensor, active: float | str, strict: bool) -> Tensor:
    """Return the threshold of each row of responses."""
    positions = rows.shape[2]
    if isinstance(active, str):
        tau = rows.mean(2)
    else:
        # The product may miss a whole number by a rounding error: 0.07 * 100 is above 7.
        smaller = positions - max(1, math.ceil(round(active * positions, 9)))
        if strict and not smaller:
            return torch.full_like(rows[..., 0], -math.inf)
        tau = order_statistic(rows, smaller if strict else smaller + 1)
    return tau if strict else tau - SLACK * torch.finfo(tau.dtype).eps * tau.abs()


def _check_sigma(sigma: float) -> None:
    """Refuse a weight outside [0, 1]."""
    if not 0 <= sigma <= 1:
        raise UsageError(f"sigma must lie in [0, 1]; got {sigma}: take 0.1 as in the paper")


def _check_active(active: float | str) -> None:
    """Refuse what is neither a share nor `mean`."""
    if not (active == "mean" if isinstance(active, str) else 0 < active <= 1):
        raise UsageError(f"active must lie in (0, 1] or be 'mean'; got {active!r}: take 0.2 as in the paper")


class WeightNormConv2d(nn.Conv2d):
    """A convolution without bias whose filters have unit l2 norm, whatever the length of its parameters.

    What it returns are projections: conv(x, w / ||w||_2). It starts from PyTorch's default weights.

    Args:
        width_in: Channels of the input.
        width: Number of filters.
        kernel: Side of the filters, odd; the border is padded with zeros so that the map keeps its size.
    """

    def __init__(self, width_in: int, width: int, *, kernel: int = 3) -> None:
        if kernel < 1 or kernel % 2 == 0:
            raise UsageError(f"kernel must be odd and at least 1; got {kernel}: take 3")
        super().__init__(width_in, width, kernel, padding=kernel // 2, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of the overridden method
        """Return the projections (N, width, H, W)."""
        return F.conv2d(input, normalized_weight(self.weight), padding=self.padding)


class HaHBlock(nn.Module):
    """Weight-normalised convolution (`conv`), ReLU, divisive normalisation, adaptive threshold.

    With both of the paper's ingredients its output does not change when its input is scaled.

    Args:
        width_in: Channels of the input.
        width: Number of filters.
        kernel: Side of the filters, odd.
        sigma: See `divisive_normalization`.
        active: See `adaptive_threshold`; None leaves the threshold out.
        normalization: `divisive`, or `batch` for batch normalisation in its place.
        field: See `divisive_normalization`.
        strict: See `adaptive_threshold`.

    Raises:
        UsageError: An argument out of its range.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, section 2.1.

    Example:
        >>> block = HaHBlock(1, 4)
        >>> images = torch.rand(2, 1, 8, 8)
        >>> torch.allclose(block(images), block(100 * images), atol=1e-5)
        True
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        *,
        kernel: int = 3,
        sigma: float = 0.1,
        active: float | Literal["mean"] | None = 0.2,
        normalization: str = "divisive",
        field: str = "mean",
        strict: bool = False,
    ) -> None:
        super().__init__()
        _check_sigma(sigma)
        if active is not None:
            _check_active(active)
        if field not in FIELDS:
            raise unknown("field", field, FIELDS)
        if normalization not in NORMALIZATIONS:
            raise unknown("normalization", normalization, NORMALIZATIONS)
        self.conv = WeightNormConv2d(width_in, width, kernel=kernel)
        self.bn = nn.BatchNorm2d(width) if normalization == "batch" else None
        self.sigma, self.active, self.field, self.strict = sigma, active, field, strict

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H, W)."""
        hidden = self.normalized(inputs)
        if self.active is None:
            return hidden
        return adaptive_threshold(hidden, active=self.active, strict=self.strict)

    def normalized(self, inputs: Tensor) -> Tensor:
        """Return what the threshold is applied to (N, width, H, W)."""
        hidden = F.relu(self.conv(inputs))
        if self.bn is not None:
            return cast("Tensor", self.bn(hidden))
        return divisive_normalization(hidden, sigma=self.sigma, field=self.field)


class SmoothHaHBlock(nn.Module):
    """A HaH block with a sigmoid in place of the jump at its threshold: its gradient says what crosses the threshold.

    Args:
        block: The block, whose weights are shared.
        temperature: Width of the sigmoid relative to the threshold, above 0; towards 0 it becomes the block.

    Raises:
        UsageError: `temperature` is not above 0.
    """

    def __init__(self, block: HaHBlock, temperature: float = 0.1) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise UsageError(f"temperature must be above 0; got {temperature}: 0.1 is usual")
        self.block, self.temperature = block, temperature

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features (N, width, H, W)."""
        hidden = self.block.normalized(inputs)
        if self.block.active is None:
            return hidden
        return soft_threshold(hidden, active=self.block.active, temperature=self.temperature)
