"""The adversarial images that a model is trained on."""

import contextlib
from collections.abc import Generator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from geomrob.training.recipe import Adversarial


def adversarial_images(
    model: nn.Module, images: Tensor, labels: Tensor, how: Adversarial, generator: torch.Generator
) -> Tensor:
    """Return images of the ball around each image that raise its cross-entropy, by projected gradient steps.

    x <- P(x + step * u) with u the gradient over its l2 norm, or its sign; P projects on the ball, then on [0, 1].

    Args:
        model: Takes images in [0, 1]; its mode, its gradients and its running statistics are as before afterwards.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) true classes.
        how: Radius, norm, steps.
        generator: On the CPU, for the random start.

    Returns:
        The images, detached. An image whose gradient is zero stays where it is.

    References:
        Madry et al., Towards deep learning models resistant to adversarial attacks, 2018.

    Differences:
        From `geomrob.pgd`, the measurement: no search for the best of all steps, no restarts, no verification: the last
        iterate is the training image, as in the paper.

    Example:
        >>> from geomrob.models import build
        >>> clean = torch.rand(2, 1, 28, 28)
        >>> how = Adversarial(norm="linf", epsilon=0.1, steps=2)
        >>> model = build("fmnist-lenet", seed=0)
        >>> adversarial = adversarial_images(model, clean, torch.tensor([0, 1]), how, torch.Generator())
        >>> bool(((adversarial - clean).abs() <= 0.1 + 1e-6).all())
        True
    """
    length = how.step or 2.5 * how.epsilon / how.steps
    moved = images.detach()
    if how.random_start:
        moved = (moved + _random(images, how, generator)).clamp(0, 1)
    with _statistics(model, how.statistics):
        for _ in range(how.steps):
            moved = moved.detach().requires_grad_(True)
            loss = F.cross_entropy(model(moved), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            step = gradient.sign() if how.norm == "linf" else gradient / _length(gradient).clamp_min(1e-12)
            moved = (images + _project(moved.detach() + length * step - images, how)).clamp(0, 1)
    return moved.detach()


def _length(tensor: Tensor) -> Tensor:
    """Return the l2 norm of each image, (N, 1, 1, 1)."""
    return tensor.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)


def _project(perturbation: Tensor, how: Adversarial) -> Tensor:
    """Return the nearest point of the ball."""
    if how.norm == "linf":
        return perturbation.clamp(-how.epsilon, how.epsilon)
    return perturbation * (how.epsilon / _length(perturbation).clamp_min(1e-12)).clamp_max(1)


def _random(images: Tensor, how: Adversarial, generator: torch.Generator) -> Tensor:
    """Return a uniformly distributed point of each image's ball."""
    uniform = torch.rand(images.shape, generator=generator)
    if how.norm == "linf":
        return (how.epsilon * (2 * uniform - 1)).to(images)
    direction = torch.randn(images.shape, generator=generator)
    radius = how.epsilon * uniform.flatten(1)[:, :1] ** (1 / images[0].numel())
    return (direction / _length(direction) * radius.reshape(-1, 1, 1, 1)).to(images)


@contextlib.contextmanager
def _statistics(model: nn.Module, which: str) -> Generator[None]:
    """Let batch normalisation use running statistics or those of the batch; modes and statistics are restored."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    modes = {module: module.training for module in model.modules()}
    kept = [[buffer.clone() for buffer in layer.buffers()] for layer in layers]
    model.train(which == "train")
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for layer, buffers in zip(layers, kept, strict=True):
                for buffer, before in zip(layer.buffers(), buffers, strict=True):
                    buffer.copy_(before)
