"""The trainings of a model, one for each file of weights: how they are called; and the edit of their images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def edit(networks: "Sequence[nn.Module]", transform: str) -> None:
    """Let networks edit their images before anything else; their layers keep their names.

    Raises:
        UsageError: No such edit.
    """
    from geomrob.models.layers.preprocess import Preprocess

    layer = Preprocess(transform)
    for network in networks:
        network.register_forward_pre_hook(lambda _, inputs: (layer(inputs[0]), *inputs[1:]))


def training_names(
    networks: "Mapping[str, Sequence[nn.Module]]", weights: Sequence[Path]
) -> dict[str, tuple[str, ...]]:
    """Return how the networks of each model are called: MODEL, or MODEL@FILE for each of several files of weights.

    FILE is what tells the files apart: the name without its ending, else the part of the path in which they differ,
    else a number.

    Example:
        >>> training_names({"net": [None, None]}, [Path("runs/0/model.safetensors"), Path("runs/1/model.safetensors")])
        {'net': ('net@0', 'net@1')}
    """
    parts = [(*file.parts[:-1], file.name.split(".")[0]) for file in weights]
    for level in range(1, min(map(len, parts), default=0) + 1):
        labels = [part[-level] for part in parts]
        if len(set(labels)) == len(parts):
            break
    else:
        labels = [str(number) for number, _ in enumerate(parts, 1)]
    return {
        name: (name,) if len(group) == 1 else tuple(f"{name}@{label}" for label in labels)
        for name, group in networks.items()
    }


def by_training(
    networks: "Mapping[str, Sequence[nn.Module]]", trainings: Mapping[str, Sequence[str]]
) -> "dict[str, nn.Module]":
    """Return all networks, each by the name of its training."""
    return {
        name: network
        for model, group in networks.items()
        for name, network in zip(trainings[model], group, strict=True)
    }
