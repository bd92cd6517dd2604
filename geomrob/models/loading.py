"""Models by name: the functions that build and load a row of `MODELS`, or code of your own."""

import importlib
import sys
from pathlib import Path

import torch
from torch import nn

from geomrob.errors import UsageError, unknown
from geomrob.models.registry import MODELS
from geomrob.models.weights import load_weights

ASSETS = Path(__file__).resolve().parent.parent / "assets"


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


def from_factory(name: str) -> nn.Module:
    """Return what `package.module:factory` builds when called without arguments. This imports and runs that code.

    The current folder is searched first, as `python -m` does.

    Raises:
        UsageError: No such module or factory, the factory fails, or what it returns is no `torch.nn.Module`.
    """
    module_name, _, factory_name = name.partition(":")
    if not module_name or not factory_name:
        raise UsageError(f"model must read package.module:factory; got {name!r}: name both sides of the colon")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    # The factory is the user's own code: whatever it raises is reported as the reason.
    try:
        model = getattr(importlib.import_module(module_name), factory_name)()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"model {name!r} must be importable and build; got {reason}: try it in Python first"
        ) from error
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        raise UsageError(f"model {name!r} must return a torch.nn.Module; got {kind}: return the model itself")
    return model


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
