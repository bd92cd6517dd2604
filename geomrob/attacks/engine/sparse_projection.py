"""The linear problem inside SparseFool: fewest changes that put a point of a box on a hyperplane, in closed form."""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Bounds, Images, check_box, check_images, check_pair
from geomrob.attacks.engine.ordering import descending
from geomrob.errors import UsageError

Points: TypeAlias = Float[Tensor, "n *shape"]

CACHE = 1 << 19
"""Bytes of points that are moved at a time on a CPU: what is computed of them stays in its cache."""


def to_hyperplane(
    points: Points, normals: Points, through: Points, low: Points, high: Points, *, slack: float = 1e-3
) -> tuple[Points, Bool[Tensor, " n"]]:
    r"""Return the points moved onto their hyperplane along as few coordinates as the box allows, and whether it does.

    For each x this solves min ||d||_1 subject to n . (x + d - b) = 0 and low <= x + d <= high. The coordinates are
    taken by decreasing |n_j|, each moved along s sign(n_j), s = -sign(n . (x - b)), until its bound or the plane stops
    it. With need = |n . (x - b)|, room_j what the box leaves coordinate j, and G the running sum of |n_j| room_j,
    the first k = #{G < need} coordinates go to their bound and coordinate k moves by (need + slack - G_{k-1}) / |n_k|:
    one sort, one running sum and one gather for the whole batch.

    Args:
        points: Where to start (N, ...), inside the box.
        normals: Normals n of the hyperplanes, any length; coordinates where one is zero are never moved.
        through: A point b of each hyperplane.
        low: Lowest value of each element.
        high: Highest value of each element.
        slack: How far beyond the hyperplane to aim, in units of n . x, so that rounding cannot stop short of it.

    Returns:
        The points moved, and False where no point of the box lies on the plane: every coordinate with a part in the
        normal is then at its bound. A point on the plane already is not moved.

    References:
        Modas, Moosavi-Dezfooli, Frossard, "SparseFool", CVPR 2019, Algorithm 1.

    Differences:
        Algorithm 1 moves one coordinate at a time; the result is the same. It steps along sign(n_j) whatever side x is
        on, which runs to the bounds if x lies beyond the plane; here the side decides. The released code has the same
        slack and a least step of 1e-4, which only matters where |n_j| is above 10.

    Example:
        >>> x, n, b = torch.zeros(1, 3), torch.tensor([[3.0, 2.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.0]])
        >>> to_hyperplane(x, n, b, x - 1, x + 1, slack=0.0)
        (tensor([[1., 1., 0.]]), tensor([True]))
    """
    each = 8 * max(1, points[:1].numel())
    size = max(1, len(points) if points.is_cuda else CACHE // each)
    pieces = [
        _move(points[at], normals[at], through[at], low[at], high[at], slack)
        for at in (slice(start, start + size) for start in range(0, max(1, len(points)), size))
    ]
    return torch.cat([moved for moved, _ in pieces]), torch.cat([feasible for _, feasible in pieces])


def _move(
    points: Points, normals: Points, through: Points, low: Points, high: Points, slack: float
) -> tuple[Points, Bool[Tensor, " n"]]:
    """Return what `to_hyperplane` returns, in one piece."""
    x, n, lower, upper = (part.flatten(1).double() for part in (points, normals, low, high))
    offset = _total(n * (x - through.flatten(1).double()))
    need = offset.abs()
    direction = -offset.sign()[:, None] * n.sign()
    room = torch.where(direction > 0, upper - x, torch.where(direction < 0, x - lower, 0)).clamp_min(0)
    order = descending(normals.flatten(1).abs())[1]
    weight = n.abs().gather(1, order)
    gained = (weight * room.gather(1, order)).cumsum(1)
    full = (gained < need[:, None]).sum(1, keepdim=True)
    feasible = full.squeeze(1) < x.shape[1]
    last = full.clamp_max(x.shape[1] - 1)
    before = torch.where(full > 0, gained.gather(1, (full - 1).clamp_min(0)), 0)
    share = (need[:, None] + slack - before) / weight.gather(1, last).clamp_min(torch.finfo(x.dtype).tiny)
    rank = torch.arange(x.shape[1], device=x.device)
    length = torch.where(rank < full, torch.inf, torch.where(rank == full, share, 0))
    step = torch.zeros_like(x).scatter(1, order, length)
    moved = x + direction * torch.minimum(step, room)
    moved = torch.where((need > 0)[:, None], moved, x)
    # Back in single precision an element at its bound may land one rounding outside.
    return torch.minimum(torch.maximum(moved.to(points.dtype).view_as(points), low), high), feasible


def box_around(inputs: Images, bounds: Bounds, radius: float | Tensor | None) -> tuple[Images, Images]:
    """Return the lowest and highest image allowed: the bounds, cut to `radius` around the inputs.

    Args:
        inputs: Images (N, C, H, W).
        bounds: Lowest and highest value, numbers or tensors that broadcast to the images.
        radius: Largest change of an element, above 0; None for no limit but the bounds.

    Raises:
        UsageError: Bounds that are NaN, inverted, or leave an image outside; a radius that is not above 0.
    """
    bounds = check_pair(bounds)
    low, high = (torch.as_tensor(side, dtype=inputs.dtype, device=inputs.device) for side in bounds)
    check_box(low, high, inputs)
    low, high = low.expand_as(inputs), high.expand_as(inputs)
    if not isinstance(bounds[0], Tensor) and not isinstance(bounds[1], Tensor):
        check_images(inputs, bounds)
    outside = ((inputs < low) | (inputs > high)).flatten(1).any(1).nonzero().flatten().tolist()
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        raise UsageError(f"bounds must contain the inputs; got a box that misses image {outside[0]}{more}: widen it")
    if radius is None:
        return low, high
    around = torch.as_tensor(radius, dtype=inputs.dtype, device=inputs.device)
    if not bool((around > 0).all()):
        raise UsageError(f"radius must be above 0; got {float(around.min()):.3g}: leave it out for no limit")
    return torch.maximum(low, inputs - around), torch.minimum(high, inputs + around)


def _total(values: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Return the sum of each row, added from left to right, so that it does not depend on the batch."""
    return values.cumsum(1)[:, -1]
