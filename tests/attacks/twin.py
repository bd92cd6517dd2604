"""The twin: DeepFool in a subspace as the papers write it, one image and one band at a time, with a dense projector."""

import torch
from torch import Tensor, nn


def deepfool(
    model: nn.Module,
    image: Tensor,
    projector: Tensor,
    *,
    rivals: int = 9,
    overshoot: float = 0.02,
    steps: int = 50,
    minimum_step: float = 1e-4,
) -> tuple[Tensor, bool]:
    """Return the perturbation (C, H, W) of one image (C, H, W), overshoot included, and whether it changes the class.

    Args:
        model: Images to logits.
        image: The image.
        projector: Symmetric (D, D) projector onto the subspace.
        rivals: How many other classes are looked at, the highest of the clean image.
        overshoot: The point tried is x + (1 + overshoot) r, and slopes are taken there.
        steps: Most steps.
        minimum_step: Least length of a step.
    """
    start = model(image[None])[0]
    order = start.argsort(descending=True).tolist()
    own, others = order[0], order[1 : rivals + 1]
    total = torch.zeros(image.numel(), dtype=image.dtype)
    for _ in range(steps):
        where = (image + (1 + overshoot) * total.view_as(image)).requires_grad_()
        logits = model(where[None])[0]
        if int(logits.argmax()) != own:
            break
        (own_slope,) = torch.autograd.grad(logits[own], where, retain_graph=True)
        nearest, step = torch.inf, torch.zeros_like(total)
        for k in others:
            (slope,) = torch.autograd.grad(logits[k], where, retain_graph=True)
            w = projector @ (slope - own_slope).flatten()
            distance = float((logits[k] - logits[own]).detach().abs() / w.norm())
            if distance < nearest:
                nearest, step = distance, max(distance, minimum_step) * w / w.norm()
        total = total + step
    perturbation = (1 + overshoot) * total.view_as(image)
    return perturbation, int(model((image + perturbation)[None])[0].argmax()) != own
