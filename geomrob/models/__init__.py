"""Models by name: a table of facts, and one function that loads them."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from geomrob.errors import UsageError, unknown
from geomrob.models.architectures.lenet import lenet
from geomrob.models.architectures.resnet import resnet
from geomrob.models.registry.entry import Claim, ModelEntry
from geomrob.models.registry.published import PAPERS, THESIS
from geomrob.models.registry.zoo import ZOO
from geomrob.models.sources import from_factory, load_weights

__all__ = ["MODELS", "Claim", "ModelEntry", "build", "count", "load_model", "move"]

ASSETS = Path(__file__).resolve().parent.parent / "assets"

MODELS: dict[str, ModelEntry] = (
    {
        "fmnist-lenet": ModelEntry(
            builder=lenet,
            shape=(1, 28, 28),
            classes=10,
            mean=(0.2860,),
            std=(0.3530,),
            about="LeNet-5 with ReLU and max-pooling",
            weights="fmnist-lenet.safetensors",
            sha256="ab459196a9f5f66d59984ef9af5428a84456f48cbde87883cf896d7cff6be2f6",
            claims=(Claim("fashion-mnist", "test", 0.9155), Claim("fashion-mnist-1k", "test", 0.919)),
            command="geomrob train fmnist-lenet --seed 0",
            reference="LeCun et al., Gradient-based learning applied to document recognition, 1998.",
        ),
        "fmnist-resnet8": ModelEntry(
            builder=partial(resnet, widths=(16, 32, 64), depths=(1, 1, 1)),
            shape=(1, 28, 28),
            classes=10,
            mean=(0.2860,),
            std=(0.3530,),
            about="ResNet-8, 16 to 64 channels",
            weights="fmnist-resnet8.safetensors",
            sha256="e25be96efc00e32409b2ba989260c9444001fd0850fe235076fdfcda84c2edd6",
            claims=(Claim("fashion-mnist", "test", 0.9260), Claim("fashion-mnist-1k", "test", 0.940)),
            command="geomrob train fmnist-resnet8 --seed 0",
            reference="He et al., Deep residual learning for image recognition, 2016, section 4.2, one block a stage.",
        ),
        "mnist-lenet": ModelEntry(
            builder=lenet,
            shape=(1, 28, 28),
            classes=10,
            mean=(0.1307,),
            std=(0.3081,),
            about="LeNet-5 with ReLU and max-pooling",
            weights="mnist-lenet.safetensors",
            sha256="265c65d43964530b2b35b1e5d15a36b28c3eca426afac31bdacd0b1dce1ba4fd",
            claims=(Claim("mnist", "test", 0.9932),),
            command="geomrob train mnist-lenet --seed 0",
            reference="LeCun et al., Gradient-based learning applied to document recognition, 1998.",
        ),
        "cifar10-resnet20": ModelEntry(
            builder=partial(resnet, widths=(16, 32, 64), depths=(3, 3, 3)),
            shape=(3, 32, 32),
            classes=10,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2430, 0.2610),
            about="ResNet-20, 16 to 64 channels",
            weights="cifar10-resnet20.safetensors",
            sha256="2d59d5772e6c6542c3adf0f58b3a34f2848ee4c5277d3fe4f3304643e7d19da5",
            claims=(Claim("cifar10", "test", 0.8828),),
            command="geomrob train cifar10-resnet20 --seed 0",
            reference="He et al., Deep residual learning for image recognition, 2016, section 4.2, with 1x1 shortcuts.",
        ),
    }
    | ZOO
    | THESIS
    | PAPERS
)


def load_model(name: str, *, weights: str | Path | None = None, device: str | torch.device = "cpu") -> nn.Module:
    """Return a model that takes images in [0, 1] and gives logits, in eval mode, gradients off for its parameters.

    Args:
        name: A row of `MODELS`, or `package.module:factory`: a function of your own code that is imported and called
            without arguments and returns a `torch.nn.Module` with the normalisation inside.
        weights: A `.safetensors`, `.pt` or `.pth` file to use instead of the row's own weights, or for the factory's
            model; None takes the row's own, or the factory's model as it is.
        device: Where the model shall live, `cpu` or `cuda`.

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
        UsageError: PyTorch knows no such device here.
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
