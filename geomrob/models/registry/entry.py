"""The facts of one model of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import nn

Builder: TypeAlias = "Callable[..., nn.Module]"


@dataclass(frozen=True)
class Claim:
    """A measured accuracy that a test measures again: share of `data` (`split`) classified as labelled."""

    data: str
    split: str
    accuracy: float


@dataclass(frozen=True)
class ModelEntry:
    """How a model is built, what it takes, which weights it ships with and how accurate they are.

    `builder` is called with shape, classes, mean and std and returns an untrained model that takes images in [0, 1].
    `about` says in a few words what it is, `parameters` how many it has, `data` which data set its recipe trains it on.
    `command` trains it; `weights` is the file of `geomrob/assets` that came of it, `sha256` its digest and `claims` the
    accuracies of the weights. A row without weights is there to be trained.
    """

    builder: "Builder"
    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    about: str
    parameters: int
    data: str
    command: str
    reference: str
    weights: str = ""
    sha256: str = ""
    claims: tuple[Claim, ...] = ()


def deferred(home: str) -> "Builder":
    """Return a builder of `geomrob.models` that is imported when it is called, so that the table needs no torch.

    Args:
        home: module:function, the module within `geomrob.models`.

    Example:
        >>> deferred("architectures.lenet:lenet")(shape=(1, 28, 28), classes=3, mean=[0.0], std=[1.0]).fc3.out_features
        3
    """
    module, _, name = home.partition(":")

    def build(*args: Any, **options: Any) -> "nn.Module":
        return getattr(import_module(f"geomrob.models.{module}"), name)(*args, **options)

    return build
