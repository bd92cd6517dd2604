"""The facts of one model of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


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
    `about` says in a few words what it is. `command` trains it; `weights` is the file of `geomrob/assets` that came of
    it, `sha256` its digest and `claims` the accuracies of the weights. A row without weights is there to be trained.
    """

    builder: Callable[..., nn.Module]
    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    about: str
    command: str
    reference: str
    weights: str = ""
    sha256: str = ""
    claims: tuple[Claim, ...] = ()
