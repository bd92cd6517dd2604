"""The Hebbian/anti-Hebbian cost of a layer: strong projections are rewarded, the others punished."""

import math
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Images
from geomrob.errors import UsageError
from geomrob.models.layers.order_statistics import order_statistic, piece_length

# Up to this rank a sorted list of whole maps is faster than one a position.
FEW_RANKS = 7


def hebbian_cost(projections: Images, *, share: float = 0.1, balance: float = 0.1) -> Float[Tensor, ""]:
    """Return the Hebbian/anti-Hebbian cost of one layer, which training maximises (eq. 4).

    With y = ReLU(projection) sorted over the N channels of a position, it is the mean of the K = ceil(share * N)
    largest minus `balance` times the mean of the other N - K, averaged over positions and images.

    Args:
        projections: What the weight-normalised convolution returns, before the ReLU.
        share: Share of the channels that are rewarded, in (0, 1].
        balance: Weight of the others, at least 0.

    Returns:
        One number; `hebbian_gradient` is its derivative.

    Raises:
        UsageError: `share` or `balance` out of range.

    References:
        Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, eq. 4.

    Example:
        >>> projections = torch.tensor([4.0, 1.0, -2.0]).reshape(1, 3, 1, 1)
        >>> round(hebbian_cost(projections).item(), 6)
        3.95
    """
    return cast("Tensor", _Cost.apply(projections, share, balance))


def hebbian_gradient(projections: Images, *, share: float = 0.1, balance: float = 0.1) -> Images:
    """Return the derivative of `hebbian_cost` by each projection.

    It is 1 / K for the K largest of a position, -balance / (N - K) for the others and 0 where the ReLU is, over the
    number of positions of all images. Channels that tie for the K-th rank share alike. The cost is linear in between:
    it equals the sum of projections times derivatives.

    Args:
        projections: As for `hebbian_cost`; so are `share` and `balance`.

    Raises:
        UsageError: `share` or `balance` out of range.

    Example:
        >>> gradient = hebbian_gradient(torch.tensor([4.0, 1.0, -2.0]).reshape(1, 3, 1, 1))
        >>> [round(value, 6) for value in gradient.flatten().tolist()]
        [1.0, -0.05, 0.0]
    """
    if not (0 < share <= 1 and balance >= 0):
        given = f"share {share}, balance {balance}"
        raise UsageError(
            f"share must lie in (0, 1] and balance be at least 0; got {given}: the paper takes 0.1 and 0.1"
        )
    projections = projections.detach()
    gradient = torch.empty_like(projections)
    length = piece_length(projections)
    positions = projections.numel() // projections.shape[1]
    for piece, out in zip(projections.split(length), gradient.split(length), strict=True):
        _fill(out, piece, share, balance, positions)
    return gradient


class _Cost(torch.autograd.Function):
    """The cost, with its derivative computed in the forward pass: cheaper than a graph of sorting and summing."""

    @staticmethod
    def forward(ctx: Any, projections: Tensor, share: float, balance: float) -> Tensor:
        """Return the cost."""
        derivative = hebbian_gradient(projections, share=share, balance=balance)
        ctx.save_for_backward(derivative)
        return torch.dot(projections.flatten(), derivative.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the derivative, scaled."""
        (derivative,) = ctx.saved_tensors
        return derivative * gradients[0], None, None


def _fill(out: Tensor, projections: Tensor, share: float, balance: float, positions: int) -> None:
    """Write the derivatives of a piece of the batch."""
    channels = projections.shape[1]
    # The product may miss a whole number by a rounding error: 0.07 * 100 is above 7.
    top = math.ceil(round(share * channels, 9))
    reward, penalty = 1 / (top * positions), -balance / (max(channels - top, 1) * positions)
    # Nothing is rewarded where the ReLU is 0, though it be among the K largest.
    least = _largest_channels(projections, top).clamp_min(torch.finfo(projections.dtype).tiny)
    # Masks of numbers, not of truth values: a tenth of the time on the CPU.
    chosen = torch.ge(projections, least, out=torch.empty_like(projections))
    torch.gt(projections, 0, out=out)
    out.mul_(penalty).add_(chosen, alpha=reward - penalty)
    count = chosen.sum(1, keepdim=True)
    if bool((count > top).any()):
        tied = torch.eq(projections, least, out=chosen)
        excess = (count - top).clamp_min(0) / tied.sum(1, keepdim=True).clamp_min(1)
        out.sub_(tied * excess, alpha=reward - penalty)


def _largest_channels(projections: Tensor, rank: int) -> Tensor:
    """Return the `rank`-th largest channel (N, 1, H, W) of each position."""
    if projections.device.type != "cpu" or rank > FEW_RANKS:
        rows = projections.movedim(1, 3)
        return order_statistic(rows, rows.shape[-1] - rank + 1)[:, None]
    # A sorted list a position, all positions at once: each channel sinks to its rank.
    leaders: list[Tensor] = []
    for channel in projections.contiguous().unbind(1):
        sinking = channel
        for index, leader in enumerate(leaders):
            leaders[index] = torch.maximum(leader, sinking)
            sinking = torch.minimum(leader, sinking)
        if len(leaders) < rank:
            leaders.append(sinking)
    return leaders[-1][:, None]
