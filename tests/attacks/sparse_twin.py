"""SparseFool one image at a time: the twin of ours, and the algorithm as published.

Both solve the linear problem one coordinate at a time (Algorithm 1), unless another solver is given.
"""

import torch
from torch import Tensor, nn


def linear_solver(x: Tensor, normal: Tensor, through: Tensor, low: Tensor, high: Tensor, slack: float = 1e-3):
    """Return a point (D,) moved to its hyperplane, the largest |n_j| first until it crosses, and whether it did."""
    x, side = x.clone(), torch.sign(normal @ (x - through))
    weight = normal.abs()
    while torch.sign(normal @ (x - through)) == side != 0:
        j = int(weight.argmax())
        if weight[j] == 0:
            return x, False
        length = ((normal @ (x - through)).abs() + slack) / normal[j].abs()
        x[j], weight[j] = (x[j] - side * normal[j].sign() * length).clamp(low[j], high[j]), 0
    return x, True


def sparsefool(
    model: nn.Module,
    image: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    lam=3.0,
    overshoot=0.02,
    rivals=3,
    solver=linear_solver,
):
    """Return the perturbed image (C, H, W) and whether it changes the class of a model; box as tensors.

    This is our algorithm: slopes at the point across the boundary, for few rivals.
    """
    own = int(model(image[None])[0].argmax())
    x = image
    for _ in range(50):
        r, k = _deepfool(model, x, own, rivals)
        if k == own:
            return x, False
        where = (x + 1.1 * r).requires_grad_()
        logits = model(where[None])[0]
        (normal,) = torch.autograd.grad(logits[k] - logits[own], where)
        flat = (part.flatten() for part in (x, normal, x + lam * r, low, high))
        x = solver(*flat)[0].view_as(image)
        tried = (image + (1 + overshoot) * (x - image)).clamp(low, high)
        if int(model(tried[None])[0].argmax()) != own:
            return tried, True
    return tried, False


def _deepfool(model: nn.Module, start: Tensor, own: int, rivals: int, overshoot: float = 0.1):
    """Return DeepFool's perturbation without overshoot, and the class that it reaches with it."""
    total, others = torch.zeros_like(start), []
    for _ in range(50):
        where = (start + (1 + overshoot) * total).requires_grad_()
        logits = model(where[None])[0]
        if int(logits.argmax()) != own:
            return total, int(logits.argmax())
        others = others or [k for k in logits.argsort(descending=True).tolist() if k != own][:rivals]
        steps = []
        for k in others:
            (w,) = torch.autograd.grad(logits[k] - logits[own], where, retain_graph=True)
            distance = float((logits[own] - logits[k]).detach() / w.norm())
            steps.append((distance, max(distance, 1e-4) * w / w.norm()))
        total = total + min(steps, key=lambda step: step[0])[1]
    return total, own


def published(model: nn.Module, image: Tensor, low: Tensor, high: Tensor, *, lam=3.0, overshoot=0.02, rivals=9):
    """Return the perturbed image (C, H, W) and whether it changes the class: Algorithm 2 with the released constants.

    All nine rivals get slopes in every step of DeepFool, which starts afresh from x and tests its overshot point; the
    normal is taken before the overshoot. Only slopes in the image are computed, so the loop is a lean one.
    """
    own, x, tried = _predicted(model, image), image, image
    for _ in range(50):
        r, normal = _published_deepfool(model, x, rivals, overshoot)
        if normal is None:
            return tried, False
        flat = (part.flatten() for part in (x, normal, x + lam * r, low, high))
        x = linear_solver(*flat)[0].view_as(image)
        tried = (image + (1 + overshoot) * (x - image)).clamp(low, high)
        if _predicted(model, tried) != own:
            return tried, True
    return tried, False


def _published_deepfool(model: nn.Module, start: Tensor, rivals: int, overshoot: float):
    """Return DeepFool's perturbation without overshoot, and the unit normal there (None if no class was reached)."""
    with torch.no_grad():
        own, *others = model(start[None])[0].argsort(descending=True).tolist()[: rivals + 1]
    total = torch.zeros_like(start)
    for _ in range(50):
        where = (start + total).requires_grad_()
        logits = model(where[None])[0]
        own_slope, *slopes = [torch.autograd.grad(logits[k], where, retain_graph=True)[0] for k in (own, *others)]
        steps = []
        for k, slope in zip(others, slopes, strict=True):
            w = slope - own_slope
            distance = float((logits[own] - logits[k]).detach().abs() / w.norm())
            steps.append((distance, w))
        distance, w = min(steps, key=lambda step: step[0])
        total = total + max(distance, 1e-4) * w / w.norm()
        reached = _predicted(model, start + (1 + overshoot) * total)
        if reached != own:
            where = (start + total).requires_grad_()
            logits = model(where[None])[0]
            (normal,) = torch.autograd.grad(logits[reached] - logits[own], where)
            return total, normal / normal.norm()
    return total, None


def _predicted(model: nn.Module, image: Tensor) -> int:
    with torch.no_grad():
        return int(model(image[None])[0].argmax())
