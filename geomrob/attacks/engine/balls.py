"""Balls of the l1, l2 and l-infinity norm around an image: their steepest directions, and projections onto them.

Perturbations are coefficients of a band; norms other than l2 are those of their pixels.
"""

import math

import torch
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, norms, per_sample
from geomrob.attacks.engine.search import Search
from geomrob.spectral.frames import Coefficients

HALVINGS = 30
"""Of the interval in which the threshold of a projection onto an l1 ball lies."""


def lengths(search: Search, coefficients: Coefficients, pairs: Labels, norm: float) -> Distances:
    """Return the l_p norms of the perturbations S c of these pairs."""
    if norm == 2 or search.whole:
        return norms(coefficients, norm)
    return norms(search.frame.synthesise(coefficients, search.band[pairs]), norm)


def steepest(search: Search, gradient: Coefficients, pairs: Labels, norm: float) -> tuple[Coefficients, Tensor]:
    """Return the direction of unit l_p norm along which the linearized value grows fastest, and how fast.

    In a subspace, for p other than 2, the whole-space direction is projected: feasible and of unit norm, not optimal.
    """
    if norm == 2:
        length = norms(gradient)
        return gradient / per_sample(length.clamp_min(torch.finfo(length.dtype).tiny), gradient), length
    pixels = search.frame.synthesise(gradient, search.band[pairs]).flatten(1)
    if norm == math.inf:
        shape = pixels.sign()
    else:
        shape = torch.zeros_like(pixels).scatter(1, pixels.abs().argmax(1, keepdim=True), 1.0) * pixels.sign()
    image = shape.reshape(-1, *search.images.shape[1:])
    direction = search.frame.analyse(image, search.band[pairs])
    cost = norms(search.frame.synthesise(direction, search.band[pairs]), norm)
    direction = direction / per_sample(cost.clamp_min(torch.finfo(cost.dtype).tiny), direction)
    return direction, (gradient * direction).flatten(1).sum(1)


def spread(search: Search, gradient: Coefficients, pairs: Labels, norm: float, power: float) -> Coefficients:
    """Return sign(g) |g|^power, for g the gradient in pixels, as a direction of unit l_p norm in the band.

    Power 0 is the sign of the gradient, 1 the gradient; a larger one moves fewer pixels.
    """
    pixels = search.frame.synthesise(gradient, search.band[pairs])
    tiny = torch.finfo(pixels.dtype).tiny
    relative = pixels.abs() / per_sample(norms(pixels, math.inf).clamp_min(tiny), pixels)
    shape = search.frame.analyse(pixels.sign() * relative**power, search.band[pairs])
    return shape / per_sample(lengths(search, shape, pairs, norm).clamp_min(tiny), shape)


def onto_ball(
    search: Search, coefficients: Coefficients, radius: Distances, pairs: Labels, norm: float
) -> Coefficients:
    """Return the perturbations projected into the l_p ball of that radius and into the bounds.

    For l2 they are scaled onto the sphere, then moved into the bounds. For l1 and l-infinity it is the Euclidean
    projection; in a subspace that of the ball alone, back into the subspace, scaled into the ball, and into the bounds.
    """
    tiny = torch.finfo(radius.dtype).tiny
    if norm == 2:
        return search.fit(coefficients * per_sample(radius / norms(coefficients).clamp_min(tiny), coefficients), pairs)
    moved, room = search.frame.synthesise(coefficients, search.band[pairs]), None
    if search.whole and search.bounds is not None:
        low, high = search.room(pairs)
        room = torch.where(moved > 0, high, -low).clamp_min(0)
    c = search.frame.analyse(into_ball(moved, norm, radius, room), search.band[pairs])
    if search.whole:
        return c
    return search.fit(c * per_sample(radius / lengths(search, c, pairs, norm).clamp_min(tiny), c), pairs)


def into_ball(moved: Images, norm: float, radius: Distances, room: Images | None = None) -> Images:
    """Return the nearest points (in l2) of the ball of each image, and of a box around the image if there is one.

    Args:
        moved: Perturbations (N, C, H, W).
        norm: 1, 2 or infinity; 2 without a box.
        radius: Of each ball, (N,).
        room: How far each element can go in its direction, at least 0.

    Example:
        >>> into_ball(torch.tensor([[[[3.0, 1.0]]]]), 1, torch.tensor([2.5])).round(decimals=6).tolist()
        [[[[2.25, 0.25]]]]
    """
    if norm == 2:
        length = norms(moved).clamp_min(torch.finfo(moved.dtype).tiny)
        return moved * per_sample((radius / length).clamp(max=1), moved)
    size = moved.abs()
    most = size if room is None else torch.minimum(size, room)
    if norm == math.inf:
        return moved.sign() * torch.minimum(most, per_sample(radius, moved))
    outside = (most.flatten(1).sum(1) > radius).nonzero().squeeze(1)
    if len(outside):
        # What is outside loses one length in every element, in which it is at most as long as there is room.
        size, limit = size[outside], math.inf if room is None else room[outside]
        low, high = torch.zeros_like(radius[outside]), norms(size, math.inf)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            left = (size - per_sample(middle, size)).clamp_min(0).clamp(max=limit)
            over = left.flatten(1).sum(1) > radius[outside]
            low, high = torch.where(over, middle, low), torch.where(over, high, middle)
        left = (size - per_sample(high, size)).clamp_min(0).clamp(max=limit)
        # Exact where the same elements lose that length: what is missing in the sum is shared by them.
        free = ((left > 0) & (left < limit)).flatten(1).sum(1).clamp_min(1)
        high = high - (radius[outside] - left.flatten(1).sum(1)).clamp_min(0) / free
        most = most.index_copy(0, outside, (size - per_sample(high, size)).clamp_min(0).clamp(max=limit))
    return moved.sign() * most
