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
    """How a model is built, what it takes, which weights it ships with and what they are worth.

    `builder` is called with shape, classes, mean and std and returns an untrained model that takes images in [0, 1].
    `weights` is a file of `geomrob/assets`, `sha256` its digest, `command` what made it.
    """

    builder: Callable[..., nn.Module]
    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: str
    sha256: str
    claims: tuple[Claim, ...]
    command: str
    reference: str
