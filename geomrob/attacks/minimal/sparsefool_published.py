"""SparseFool as published: Algorithm 2 with the constants and the choices of the released code, batched."""

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels, Logits, per_sample
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.attacks.engine.sparse_projection import box_around, to_hyperplane
from geomrob.results import Status

INNER = 0.02
"""Overshoot of the inner DeepFool."""

INNER_STEPS, LEAST_STEP = 50, 1e-4
"""Most steps of the inner DeepFool, and the least length of one."""


def published_search(
    search: Search, *, lam: float = 3.0, steps: int = 50, overshoot: float = 0.02, candidates: int = 10
) -> SearchResult:
    """Return where the published SparseFool ends for the pairs of a search in the whole space and a box.

    All rivals among the candidates get gradients in every step of DeepFool, which starts afresh from x, leaves the
    class predicted there, takes its gradients without overshoot and tests the overshot point; the normal is taken
    before the overshoot.

    Args:
        search: The pairs, one an image, with bounds and their clean logits.
        lam, steps, overshoot, candidates: As in `sparsefool`.

    Differences:
        The linear problem is solved in closed form, and the side of the plane decides the direction.
    """
    assert search.bounds is not None, "SparseFool moves pixels inside a box"
    clean = search.images
    low, high = box_around(clean, search.bounds, None)
    x, tried, taken = clean.clone(), search.zeros(), torch.zeros_like(search.image)
    status = torch.full_like(search.image, Status.STEP_LIMIT)
    status[search.logit_gap(search.clean, search.pairs) < 0] = Status.FOUND
    status[~torch.isfinite(search.clean).all(1)] = Status.NON_FINITE
    live = (status == Status.STEP_LIMIT).nonzero().squeeze(1)
    for _ in range(steps):
        if not len(live):
            break
        r, normals, reached = _deepfool(search, x, live, candidates)
        live, r, normals = live[reached], r[reached], normals[reached]
        if not len(live):
            break
        x[live], feasible = to_hyperplane(x[live], normals, x[live] + lam * r, low[live], high[live])
        taken[live] += 1
        beyond = clean[live] + (1 + overshoot) * (x[live] - clean[live])
        tried[live] = beyond.clamp(low[live], high[live]) - clean[live]
        adversarial = search.is_adversarial(tried[live], live)
        status[live] = torch.where(feasible, int(Status.STEP_LIMIT), int(Status.INFEASIBLE))
        status[live[adversarial]] = Status.FOUND
        live = live[~adversarial]
    return SearchResult(tried, status, taken)


def _deepfool(search: Search, x: Images, live: Labels, candidates: int) -> tuple[Images, Images, Tensor]:
    """Return DeepFool's perturbations of these pairs without overshoot, the unit normals there, and if it ended."""
    at = Search(search.ready, x[live], reference=search.reference[live])
    order = at.logits(at.zeros(), at.pairs).argsort(dim=1, descending=True, stable=True)[:, :candidates]
    own, rivals = order[:, 0], order[:, 1:]
    r, normals = at.zeros(), at.zeros()
    reached, on = torch.zeros_like(own, dtype=torch.bool), at.pairs

    def towards_rivals(logits: Logits, pairs: Labels) -> Tensor:
        return logits.gather(1, rivals[pairs]) - logits.gather(1, own[pairs, None])

    for _ in range(INNER_STEPS):
        if not len(on):
            break
        _, values, gradients, _ = at.gradients(r[on], on, towards_rivals)
        lengths = torch.linalg.vector_norm(gradients.flatten(2), dim=2)
        distance, nearest = (values.abs() / lengths).nan_to_num(torch.inf).min(1)
        rows = torch.arange(len(on), device=on.device)
        gradient, length = gradients[rows, nearest], lengths[rows, nearest]
        usable = torch.isfinite(distance) & (length > 0)
        step = gradient * per_sample(distance.clamp_min(LEAST_STEP) / length, gradient)
        on = on[usable]
        r[on] += step[usable]
        if not len(on):
            break
        logits = at.logits((1 + INNER) * r[on], on)
        there = logits.argmax(1)
        crossed = there != own[on]
        if bool(crossed.any()):
            pairs, classes = on[crossed], torch.zeros_like(own)
            classes[pairs] = there[crossed]

            def towards_class(logits: Logits, pairs: Labels, classes: Labels = classes) -> Tensor:
                return logits.gather(1, classes[pairs, None]) - logits.gather(1, own[pairs, None])

            normal = at.gradients(r[pairs], pairs, towards_class)[2][:, 0]
            length = torch.linalg.vector_norm(normal.flatten(1), dim=1)
            normals[pairs] = normal / per_sample(length.clamp_min(torch.finfo(length.dtype).tiny), normal)
            reached[pairs] = torch.isfinite(length) & (length > 0)
        on = on[~crossed]
    search.spent.add(live, at.spent.forwards, at.spent.backwards)
    return r, normals, reached
