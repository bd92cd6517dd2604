"""The inner DeepFool of SparseFool: from a point near the boundary to the boundary, and the normal there."""

import math

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels, Logits, per_sample
from geomrob.attacks.engine.linearize import Linearization, nearest_rivals
from geomrob.attacks.engine.search import Search, rounding
from geomrob.results import Status

SHORT, WHOLE, LEAST_STEP = 2, 50, 1e-4
"""Steps of an inner DeepFool that begins with the last normal, and of one that does not; the least length of a step."""


def to_boundary(
    at: Search, local: Linearization, overshoot: float, nearest: int, steps: int
) -> tuple[Images, Images, Labels, Labels]:
    """Return DeepFool's perturbation from each point without overshoot, the boundary's normal, status, and its class.

    Every point with overshoot is evaluated with a gradient: that of the class reached over the class to leave, which is
    the normal, or where none is reached those of the nearest rivals, which are the next step.
    """
    r, normals, status, lengths = at.zeros(), at.zeros(), local.status.clone(), local.lengths.clone()
    leads = torch.full_like(status, -1)
    near, picked = nearest_rivals(at, local.rivals, lengths, nearest)

    def objective(logits: Logits, pairs: Labels) -> Tensor:
        values, beyond = near(logits, pairs), -at.logit_gap(logits, pairs)
        return torch.cat((torch.where(beyond > 0, beyond, values[:, 0])[:, None], values[:, 1:]), 1)

    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    values, gradients = local.values[live], local.gradients[live]
    for _ in range(steps):
        if not len(live):
            break
        r[live] += _newton(values, gradients)
        logits, values, gradients, total = at.gradients((1 + overshoot) * r[live], live, objective)
        normals[live], leads[live] = gradients[:, 0], _reached(at, logits, live, local.rivals, picked)
        size = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
        beyond = at.logit_gap(logits, live) < 0
        status[live[(size <= rounding(total)).all(1)]] = Status.INVARIANT
        status[live[beyond]] = Status.FOUND
        status[live[~(torch.isfinite(logits).all(1) & torch.isfinite(size).all(1))]] = Status.NON_FINITE
        on = status[live] == Status.STEP_LIMIT
        live, values, gradients = live[on], values[on], gradients[on]
        if at.target is None:
            lengths[live] = lengths[live].scatter(1, picked[live], size[on])
    return r, normals, status, leads


def from_normal(
    at: Search, rivals: Tensor, reach: Tensor, normal: Images, leads: Labels, ahead: Images, nearest: int
) -> Linearization:
    """Return the model linearized at the points by what the last step knows, or anew where that does not do.

    The last normal is taken for the gradient where it is that of the nearest rival: it was taken a step of SparseFool
    away. The logits are those of the points moved `ahead`, by which the normal takes them back.

    Args:
        at: The points; `clean` holds the logits of the points moved ahead.
        rivals, reach: Classes (P, R), and the last known lengths of their gradients.
        normal, leads: The last normal, and the class that it leads to.
        ahead: From the points to those whose logits are known.
        nearest: How many rivals get gradients where the model is linearized anew.
    """
    length = torch.linalg.vector_norm(normal.flatten(1), dim=1)
    leading = rivals == leads[:, None]
    lengths = torch.where(leading, length[:, None], reach)
    if at.target is None:
        lacking = at.clean.gather(1, at.reference[:, None]) - at.clean.gather(1, rivals)
        first = (lacking / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)).argmin(1, keepdim=True)
        value, same = -lacking.gather(1, first).squeeze(1), leading.gather(1, first).squeeze(1)
    else:
        value, same = -at.logit_gap(at.clean, at.pairs), leads == at.target
    value = value - (normal * ahead).flatten(1).sum(1)
    # Beyond the boundary by this estimate, x may be adversarial by itself.
    same &= (value < 0) & torch.isfinite(value) & (length > 0)
    width = min(nearest, rivals.shape[1])
    values, gradients = value[:, None].repeat(1, width), normal[:, None].repeat(1, width, 1, 1, 1)
    status = torch.full_like(at.image, Status.STEP_LIMIT)
    anew = (~same).nonzero().squeeze(1)
    if len(anew):
        target = None if at.target is None else at.target[anew]
        part = Search(at.ready, at.images[anew], reference=at.reference[anew], target=target)
        fresh = linearize_anew(part, rivals[anew], reach[anew], nearest)
        at.spent.add(anew, part.spent.forwards, part.spent.backwards)
        at.clean = at.clean.index_copy(0, anew, part.clean)
        values[anew], gradients[anew] = fresh.values, fresh.gradients
        status[anew], lengths[anew] = fresh.status, fresh.lengths
    return Linearization(rivals, values, gradients, lengths, status)


def linearize_anew(at: Search, rivals: Tensor, reach: Tensor, nearest: int) -> Linearization:
    """Return the model linearized for the rivals that the last known lengths of gradients, `reach`, put nearest."""
    objective, picked = nearest_rivals(at, rivals, reach, nearest)
    logits, values, gradients, total = at.gradients(at.zeros(), at.pairs, objective)
    at.clean = logits
    lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
    status = torch.full_like(at.image, Status.STEP_LIMIT)
    status[(lengths <= rounding(total)).all(1)] = Status.INVARIANT
    status[at.logit_gap(logits, at.pairs) < 0] = Status.FOUND
    status[~(torch.isfinite(logits).all(1) & torch.isfinite(lengths).all(1))] = Status.NON_FINITE
    return Linearization(rivals, values, gradients, reach.scatter(1, picked, lengths), status)


def all_rivals(search: Search, linear: Linearization, candidates: int) -> Linearization:
    """Return the linearization with the rest of the candidates, their gradients taken to be of average length."""
    if search.target is not None:
        return linear
    missing = min(candidates, search.clean.shape[1]) - 1 - linear.rivals.shape[1]
    taken = torch.cat((search.reference[:, None], linear.rivals), 1)
    others = search.clean.scatter(1, taken, -math.inf).topk(missing, 1).indices
    guess = linear.lengths.mean(1, keepdim=True).expand(-1, missing)
    lengths = torch.cat((linear.lengths, guess), 1)
    rivals = torch.cat((linear.rivals, others), 1)
    return Linearization(rivals, linear.values, linear.gradients, lengths, linear.status)


def _reached(at: Search, logits: Logits, pairs: Labels, rivals: Tensor, picked: Tensor) -> Labels:
    """Return the class of the gradient that is the normal: the one reached, or the nearest rival."""
    if at.target is not None:
        return at.target[pairs]
    highest = logits.scatter(1, at.reference[pairs, None], -math.inf).argmax(1)
    nearest = rivals[pairs].gather(1, picked[pairs, :1]).squeeze(1)
    return torch.where(at.logit_gap(logits, pairs) < 0, highest, nearest)


def _newton(values: Tensor, gradients: Tensor) -> Images:
    """Return the step to the nearest of the linearized boundaries, at least `LEAST_STEP` long."""
    lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
    tiny = torch.finfo(lengths.dtype).tiny
    distance, best = torch.where(lengths > 0, values.abs() / lengths.clamp_min(tiny), torch.inf).min(1)
    rows = torch.arange(len(best), device=best.device)
    gradient, length = gradients[rows, best], lengths[rows, best].clamp_min(tiny)
    return torch.where(
        per_sample(torch.isfinite(distance), gradient),
        gradient * per_sample(distance.clamp_min(LEAST_STEP) / length, gradient),
        0,
    )
