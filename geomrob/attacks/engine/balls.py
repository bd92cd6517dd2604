"""Balls of the l1, l2 and l-infinity norm around an image: their steepest directions, and projections onto them.

Perturbations are coefficients of a band; norms other than l2 are those of their pixels.
"""

import math

import torch
from torch import Tensor

from geomrob.arrays import Distances, Labels, norms, per_sample
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
    moved = search.frame.synthesise(coefficients, search.band[pairs])
    room = torch.full_like(moved, math.inf)
    if search.whole and search.bounds is not None:
        low, high = search.room(pairs)
        room = torch.where(moved > 0, high, -low).clamp_min(0).expand_as(moved)
    length = moved.abs()
    if norm == math.inf:
        length = torch.minimum(torch.minimum(length, room), per_sample(radius, moved))
    else:
        length = _onto_l1(length.flatten(1), room.flatten(1), radius).reshape(moved.shape)
    c = search.frame.analyse(moved.sign() * length, search.band[pairs])
    if search.whole:
        return c
    return search.fit(c * per_sample(radius / lengths(search, c, pairs, norm).clamp_min(tiny), c), pairs)


def _onto_l1(length: Tensor, room: Tensor, radius: Distances) -> Tensor:
    """Return the lengths (n, d) less a threshold, between 0 and the room for each, so that they sum to the radius."""
    low, high = torch.zeros_like(radius), length.amax(1)
    outside = torch.minimum(length, room).sum(1) > radius
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = torch.minimum((length - middle[:, None]).clamp_min(0), room).sum(1) > radius
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    threshold = torch.where(outside, high, 0)
    return torch.minimum((length - threshold[:, None]).clamp_min(0), room)
