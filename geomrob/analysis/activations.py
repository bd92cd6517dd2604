"""What hooks see of a model's layers, reduced at once to a few numbers an image: sparsity, activity, noise."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import UsageError, unknown

SIDES = ("input", "output")

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass
class Watch:
    """What the hooks have seen: the layers in the order of their calls, and a few numbers an image for each."""

    at: str
    rows: int = 0
    batch: int = 2
    repeat: int = 0
    about: dict[str, tuple[str, int, int]] = field(default_factory=dict[str, tuple[str, int, int]])
    called: list[str] = field(default_factory=list[str])
    now: dict[str, list[Tensor]] = field(default_factory=dict[str, list[Tensor]])
    kept: dict[str, list[Tensor]] = field(default_factory=dict[str, list[Tensor]])

    def see(self, name: str, module: nn.Module, value: object) -> None:
        """Reduce the activations of one call: the first half of the batch is clean, the second noisy."""
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2 or len(value) % self.batch:
            return
        count = self.called.count(name) + 1
        self.called.append(name)
        key = name if count == 1 else f"{name}#{count}"
        places = _places(module, value, self.batch)
        # The whole padded halves: rounding of a sum depends on the shape that it is taken over.
        clean, noisy = places.chunk(2)
        change = (noisy.double() - clean.double()).flatten(1).square().sum(1)
        if not self.repeat:
            self.about[key] = (type(module).__name__, places.shape[1], places.shape[2])
            self.now[key] = [*sparsity_of(clean), clean.double().flatten(1).square().sum(1)]
        self.now[key].append(change)

    def keep(self) -> None:
        """Keep what was seen of a block of images whose passes are all done."""
        for key, numbers in self.now.items():
            self.kept.setdefault(key, []).append(torch.stack(numbers)[:, : self.rows].cpu())
        self.now = {}

    def check(self, names: Sequence[str] | None) -> None:
        """Refuse modules that were named and never called, and a model that called none."""
        missing = [name for name in names or () if name not in self.kept]
        if missing or not self.kept:
            told = ", ".join(missing) or "none of them"
            raise UsageError(
                f"names must be modules that the forward pass calls on float tensors; got {told}, which it does not: "
                "choose others"
            )

    def fields(self) -> dict[str, Any]:
        """Return the fields of `Layers` that are rows of layers."""
        numbers = torch.stack([torch.cat(parts, 1) for parts in self.kept.values()])
        kinds, channels, locations = zip(*(self.about[key] for key in self.kept), strict=True)
        return {
            "names": tuple(self.kept),
            "kinds": kinds,
            "channels": torch.tensor(channels),
            "locations": torch.tensor(locations),
            "sparsity": numbers[:, 0],
            "silent": numbers[:, 1].long(),
            "active": numbers[:, 2],
            "signal": numbers[:, 3],
            "noise": numbers[:, 4:],
        }


@contextmanager
def watching(chosen: dict[str, nn.Module], watch: Watch) -> Generator[None]:
    """Hold hooks on the modules; none is left, also after an error."""
    handles: list[torch.utils.hooks.RemovableHandle] = []

    def hook(name: str) -> Callable[..., None]:
        def before(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            watch.see(name, module, next(iter((*args, *kwargs.values())), None))

        def after(module: nn.Module, _args: tuple[object, ...], output: object) -> None:
            watch.see(name, module, output)

        return before if watch.at == "input" else after

    try:
        for name, module in chosen.items():
            if watch.at == "input":
                handles.append(module.register_forward_pre_hook(hook(name), with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(hook(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _places(module: nn.Module, value: Tensor, batch: int) -> Float[Tensor, "n c s"]:
    """Return activations as channels at places: the channel axis is the second of a map, else the last.

    Windows of an image that a model stacks along the batch are places of that image.
    """
    second = isinstance(module, _CONVOLUTIONS) or (value.ndim == 4 and not isinstance(module, nn.Linear))
    channels = value.movedim(1 if second else -1, 1).flatten(2) if value.ndim > 2 else value[:, :, None]
    return channels.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2)


def sparsity_of(places: Float[Tensor, "n c s"]) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each image the mean normalised Hoyer ratio, the number of silent places, the share that is active."""
    channels = places.shape[1]
    one = torch.linalg.vector_norm(places, 1, dim=1, dtype=torch.float64)
    two = torch.linalg.vector_norm(places, 2, dim=1, dtype=torch.float64)
    silent = two == 0
    span = math.sqrt(channels) - 1 if channels > 1 else math.nan
    ratio = ((one / two - 1) / span).clamp(0, 1)
    mean = torch.where(silent, 0, ratio).sum(1) / (~silent).sum(1)
    return mean, silent.sum(1).double(), (places != 0).flatten(1).double().mean(1)


def chosen_modules(model: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Module]:
    """Return the modules to measure, by name."""
    every = {name: module for name, module in model.named_modules() if name}
    if names is None:
        chosen = {name: module for name, module in every.items() if _weighted(module)}
        # A model that is one layer has no name of its own.
        return chosen or {"": model}
    for name in names:
        if name not in every:
            raise unknown("names", name, every)
    return {name: every[name] for name in names}


def _weighted(module: nn.Module) -> bool:
    """Return whether a module is a convolution or a linear layer, or holds a weight as they do."""
    if isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
        return True
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.ndim > 1 and not isinstance(module, (nn.LayerNorm, nn.Embedding))
