"""Models by name: the table `MODELS`, and the functions that build and load a row of it."""

from pathlib import Path

import torch
from torch import nn

from geomrob.errors import UsageError, unknown
from geomrob.models.registry.embedded import EMBEDDED
from geomrob.models.registry.entry import Claim, ModelEntry
from geomrob.models.registry.published import PUBLISHED
from geomrob.models.registry.zoo import ZOO
from geomrob.models.sources import from_factory, load_weights

__all__ = ["MODELS", "Claim", "ModelEntry", "build", "count", "load_model", "move"]

ASSETS = Path(__file__).resolve().parent.parent / "assets"

MODELS: dict[str, ModelEntry] = EMBEDDED | ZOO | PUBLISHED


def load_model(name: str, *, weights: str | Path | None = None, device: str | torch.device = "cpu") -> nn.Module:
    """Return a model that takes images in [0, 1] and gives logits, in eval mode, gradients off for its parameters.

    Args:
        name: A row of `MODELS`, or `package.module:factory`: a function of your own code that is imported and called
            without arguments and returns a `torch.nn.Module` with the normalisation inside.
        weights: A `.safetensors`, `.pt` or `.pth` file to use instead of the row's own weights, or for the factory's
            model; None uses the row's own, or the factory's model as it is.
        device: Device of the model, `cpu` or `cuda`.

    Returns:
        The model. It is a fresh one on each call.

    Raises:
        UsageError: Unknown name, a factory that fails, weights that are missing, damaged or of another model, a row
            that has none and none given, no such device.

    Example:
        >>> model = load_model("fmnist-lenet")
        >>> model(torch.zeros(1, 1, 28, 28)).shape, model.training
        (torch.Size([1, 10]), False)
    """
    if weights is None and name in MODELS and not MODELS[name].weights:
        raise UsageError(
            f"weights must be given for {name}, which ships with none; got no file: train it with "
            f"`{MODELS[name].command}` and name its model.safetensors"
        )
    model = from_factory(name) if ":" in name else build(name, seed=0)
    if weights is not None:
        load_weights(model, weights)
    elif name in MODELS:
        load_weights(model, ASSETS / MODELS[name].weights, sha256=MODELS[name].sha256)
    return move(model, device).eval().requires_grad_(False)


def move(model: nn.Module, device: str | torch.device) -> nn.Module:
    """Return the model on `device`.

    Raises:
        UsageError: PyTorch has no such device here.
    """
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise UsageError(f"device must be one that PyTorch can use; got {str(device)!r} ({reason}): try cpu") from None


def build(name: str, *, seed: int) -> nn.Module:
    """Return an untrained model of the table on the CPU, its parameters drawn by `seed`; the global generator is kept.

    Raises:
        UsageError: No such row.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    entry = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return entry.builder(shape=entry.shape, classes=entry.classes, mean=entry.mean, std=entry.std)


def count(name: str) -> int:
    """Return the number of parameters of a model of the table, without drawing or storing them.

    Raises:
        UsageError: No such row.

    Example:
        >>> count("cifar10-resnet18")
        11173962
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(name, seed=0).parameters())
