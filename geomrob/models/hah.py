"""The Hebbian/anti-Hebbian (HaH) block: unit filters, divisive normalisation, one threshold a channel and image."""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import Images, UsageError, unknown

FIELDS = ("mean", "pooled")
NORMALIZATIONS = ("divisive", "batch")
# Selection by NumPy's vectorised partition took a quarter of torch.topk's time on one thread; torch's uses all threads.
FEW_THREADS = 4
# A value this many rounding errors below the threshold counts as equal to it.
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
    """Return each response divided by what its place and the strongest place of its image hold (eq. 2).

    z_k(loc) = y_k(loc) / (sigma * max_loc M + (1 - sigma) * M(loc)), M the mean over the channels: strong channels
    suppress weak ones at the same place, and places without signal stay small. The scale of the input cancels.

    Args:
        responses: Non-negative, as after a ReLU; each image by itself.
        sigma: Weight of the strongest place, in [0, 1].
        field: `mean` for M as above; `pooled` for the mean of 3x3 max-pooled responses.

    Returns:
        As many values, 0 where the divisor is 0, as in an image without any response.

    Raises:
        UsageError: `sigma` outside [0, 1] or an unknown `field`.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian learning in deep networks, 2022, eq. 2.

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
    mean = local.mean(1, keepdim=True)
    divisor = sigma * mean.amax((2, 3), keepdim=True) + (1 - sigma) * mean
    # One reciprocal a place instead of one division a channel: forward and backward take half the time.
    return responses * torch.where(divisor > 0, divisor, 1).reciprocal()


def adaptive_threshold(responses: Images, *, active: float | str = 0.2, strict: bool = False) -> Images:
    """Return the responses that reach the threshold of their channel and image, 0 elsewhere (eq. 3).

    tau is the ceil(active * H * W)-th largest of the H x W responses, or their mean. No gradient passes through tau.

    Args:
        responses: Non-negative.
        active: Share of the places that stay active, in (0, 1], or `mean`.
        strict: Keep what exceeds the floor((1 - active) * H * W)-th smallest response, as released, instead of what
            reaches tau. Both keep the same places where no two responses are equal.

    Returns:
        As many values. A channel with fewer positive responses than asked for keeps these: zeros are never active.
        Responses equal to tau, as over a flat background, are all kept, with `strict` all dropped.

    Raises:
        UsageError: `active` is neither in (0, 1] nor `mean`.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian learning in deep networks, 2022, eq. 3.

    Differences:
        Without `strict`, responses at most 16 rounding errors below tau count as equal to it: the answer on a flat
        background depends neither on the scale of the input nor on how a convolution rounds. The released code fails
        on maps of one place; here the one response stays.

    Example:
        >>> responses = torch.arange(10.0).reshape(1, 1, 2, 5)
        >>> adaptive_threshold(responses).flatten().tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 9.0]
    """
    _check_active(active)
    rows = responses.detach().flatten(2)
    places = rows.shape[2]
    # The product may miss a whole number by a rounding error: 0.07 * 100 is above 7.
    keep = places if isinstance(active, str) else max(1, math.ceil(round(active * places, 9)))
    if isinstance(active, str):
        tau = rows.mean(2)
    elif strict:
        tau = _order_statistic(rows, places - keep) if keep < places else torch.full_like(rows[..., 0], -math.inf)
    else:
        tau = _order_statistic(rows, places - keep + 1)
    tau = tau[..., None, None]
    if strict:
        return torch.where(responses > tau, responses, 0)
    tau = tau * (1 - SLACK * torch.finfo(tau.dtype).eps)
    return torch.where(responses >= tau, responses, 0)


def hebbian_cost(projections: Images, *, share: float = 0.1, balance: float = 0.1) -> Float[Tensor, ""]:
    """Return the Hebbian/anti-Hebbian cost of one layer, which training maximises (eq. 4).

    With y = ReLU(projection) sorted over the N channels of a place, it is the mean of the K = ceil(share * N) largest
    minus `balance` times the mean of the other N - K, averaged over places and images. Its gradient is 1 / K for the
    former, -balance / (N - K) for the latter and 0 where y = 0, over the number of places.

    Args:
        projections: What the weight-normalised convolution returns, before the ReLU.
        share: Share of the channels that are rewarded, in (0, 1].
        balance: Weight of the others, at least 0.

    Returns:
        One number. Channels that tie for the K-th rank share its gradient.

    Raises:
        UsageError: `share` or `balance` out of range.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian learning in deep networks, 2022, eq. 4.

    Example:
        >>> projections = torch.tensor([4.0, 1.0, -2.0]).reshape(1, 3, 1, 1)
        >>> round(hebbian_cost(projections).item(), 6)
        3.95
    """
    if not (0 < share <= 1 and balance >= 0):
        found = f"share {share}, balance {balance}"
        raise UsageError(f"share must lie in (0, 1] and balance be at least 0; got {found}: correct them")
    with torch.no_grad():
        coefficients = _hebbian_coefficients(projections.detach(), share, balance)
    return (projections * coefficients).sum() / (projections.numel() / projections.shape[1])


def _hebbian_coefficients(projections: Tensor, share: float, balance: float) -> Tensor:
    """Return the derivative of the cost of each place by each of its projections."""
    channels = projections.shape[1]
    top = math.ceil(round(share * channels, 9))
    reward, penalty = 1 / top, -balance / max(channels - top, 1)
    rows = projections.movedim(1, 3)
    last = _order_statistic(rows, channels - top + 1)[:, None]
    positive = projections > 0
    coefficients = torch.where(projections >= last, reward, penalty) * positive
    # More than K channels reach the K-th value where some tie for it; it matters only above 0.
    tied = (projections == last) & positive
    if int(tied.sum()) > int((last > 0).sum()):
        above = top - (projections > last).sum(1, keepdim=True)
        level = tied.sum(1, keepdim=True).clamp_min(1)
        coefficients = torch.where(tied, (above * reward + (level - above) * penalty) / level, coefficients)
    return coefficients


def _order_statistic(rows: Tensor, rank: int) -> Tensor:
    """Return the `rank`-th smallest value (from 1) of each row of the last axis."""
    if rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64):
        if torch.get_num_threads() <= FEW_THREADS:
            return torch.from_numpy(np.partition(rows.numpy(), rank - 1, axis=-1)[..., rank - 1].copy())
        return rows.kthvalue(rank, dim=-1).values
    # On CUDA torch.kthvalue is slower than a full sort of long rows.
    return rows.topk(rows.shape[-1] - rank + 1, dim=-1, sorted=False).values.amin(-1)


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
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian learning in deep networks, 2022, section 2.1.

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
        hidden = F.relu(self.conv(inputs))
        if self.bn is not None:
            hidden = self.bn(hidden)
        else:
            hidden = divisive_normalization(hidden, sigma=self.sigma, field=self.field)
        if self.active is None:
            return hidden
        return adaptive_threshold(hidden, active=self.active, strict=self.strict)
