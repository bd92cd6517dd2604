"""What each layer of a model does: how sparse its activations are, and how much of a noise in the image reaches it."""

import json
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomrob.arrays import LARGEST, Images, ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.errors import UsageError, unknown
from geomrob.inference import (
    Prepared,
    check_finite,
    check_first_call,
    checked_classes,
    out_of_memory,
    plain,
    predicted_classes,
    scores,
)
from geomrob.randomness import checked_indices, normal, sample
from geomrob.results import Layers
from geomrob.runs import Clock, Run, ranges, work

SIDES = ("input", "output")

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass
class Watch:
    """What the hooks see: the layers in the order of their calls, and a few numbers an image for each."""

    at: str
    batch: int = 2
    repeat: int = 0
    about: dict[str, tuple[str, int, int]] = field(default_factory=dict[str, tuple[str, int, int]])
    called: list[str] = field(default_factory=list[str])
    now: dict[str, list[Tensor]] = field(default_factory=dict[str, list[Tensor]])

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

    def numbers(self, names: Sequence[str] | None) -> Float[Tensor, "n l q"]:
        """Return the numbers of a block of images whose passes are all done, an image a row.

        Raises:
            UsageError: Modules that were named and never called, or a model that called none.
        """
        missing = [name for name in names or () if name not in self.now]
        if missing or not self.now:
            told = ", ".join(missing) or "none of them"
            raise UsageError(
                f"layer names must be those of modules that the forward pass calls on float tensors; got {told}, "
                "which it does not: choose others"
            )
        return torch.stack([torch.stack(numbers, 1) for numbers in self.now.values()], 1)


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
            raise unknown("layer", name, every)
    return {name: every[name] for name in names}


def _weighted(module: nn.Module) -> bool:
    """Return whether a module is a convolution or a linear layer, or holds a weight as they do."""
    if isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
        return True
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.ndim > 1 and not isinstance(module, (nn.LayerNorm, nn.Embedding))


Progress = Callable[[int, int], object]


def layers(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    names: Sequence[str] | None = None,
    at: str = "input",
    sigma: float = 0.1,
    clamp: bool = False,
    repeats: int = 1,
    name: str = "model",
    data: str = "images",
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> Layers:
    r"""Return sparsity, active share and signal-to-noise ratio of the activations at each layer.

    At each position of a layer the C channels a give the Hoyer ratio ||a||_1 / ||a||_2, between 1 (one channel active)
    and sqrt(C) (all equally active), brought to [0, 1]; lower is sparser. Noise w ~ N(0, sigma^2) in the image changes
    the activations f to f(x + w); the signal-to-noise ratio of the layer is

        SNR = 10 log10 mean_x(||f(x)||^2 / ||f(x + w) - f(x)||^2) dB.

    Clean and noisy images pass together and are reduced to a few numbers inside hooks, which are gone afterwards.

    Args:
        model: A module from images in [0, 1] to logits; held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device.
        labels: True classes, for the accuracy only; the predicted ones by default.
        names: Modules to measure, as `named_modules` calls them; by default all with a weight matrix or kernel
            (convolutions, linear layers and what replaces them).
        at: `input` of those modules (for a convolution or linear layer: what the block before it hands on), or their
            `output` (for Fig. 2 of the paper: name the blocks).
        sigma: Standard deviation of the noise, in [0, 1] pixel units.
        clamp: Whether noisy images are cut to [0, 1], as in the released code.
        repeats: Draws of noise an image.
        name, data: How the result calls model and data.
        indices: Position of each image in its source; its noise depends on it, on `seed` and on nothing else.
        seed: Of the noise; the draws are those of `noise`.
        memory: Budget in bytes for activations, 1 GiB by default.
        progress: Called with (images done, images in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Returns:
        One row a layer. In an input (N, C, H, W) of a convolution C are the channels; of a linear layer it is the last
        axis, so that a flattened map counts as one place of many channels. Images whose activations are not finite
        have NaN there.

    Raises:
        UsageError: A model that is no module, images outside [0, 1], an unknown module name or one that the forward
            pass does not call, `at` that is neither, a strength that is none, labels or indices of another number.

    References:
        Cekic et al., Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022, Figs. 2, 3, eq. 6; Hoyer,
        Non-negative matrix factorization with sparseness constraints, JMLR 2004.

    Differences:
        Hoyer's measure is (sqrt(C) - l1/l2) / (sqrt(C) - 1), one minus this one. Places where all channels are zero
        have no ratio: they are counted and left out. The paper does not say whether noisy images are cut to [0, 1]
        (`clamp`); its code does, and adds 1e-9 to the norm of the difference (`Layers.snr_db`).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        >>> found = layers(model, torch.rand(5, 1, 8, 8), sigma=0.05)
        >>> found.names, found.channels.tolist(), found.snr_db().shape
        (('0', '3'), [1, 144], torch.Size([2]))
    """
    inputs, labels = check_images(inputs), as_labels(labels)
    network = _checked(plain(model), at, sigma, repeats)
    chosen_modules(network, names)
    keys, clock = checked_indices(indices, len(inputs)), Clock(seed=seed, device=inputs.device)
    ready = Prepared(model, inputs.detach(), memory=memory, forward_only=True)
    with ready, torch.no_grad():
        _check_batches(ready)
        check_first_call(ready)
    how: dict[str, Any] = {"at": at, "sigma": sigma, "clamp": clamp, "repeats": repeats, "seed": seed}
    parts = work(
        run,
        f"layers of {name}",
        partial(seen_part, ready, keys, names=None if names is None else list(names), **how),
        ranges(len(inputs), max(LEAST, ready.block)),
        each=1,
        progress=progress,
    )
    clean = ready.read(torch.cat([part["outputs"] for part in parts]).to(inputs.device))
    check_finite(clean)
    predicted = predicted_classes(clean)
    truth = predicted if labels is None else checked_classes("labels", labels, clean)
    return Layers(
        model=name,
        data=data,
        at=at,
        sigma=float(sigma),
        clamped=clamp,
        **_joined(parts),
        predictions=predicted.cpu(),
        labels=truth.cpu(),
        indices=keys,
        provenance=clock.provenance(forwards=2 * repeats * len(inputs), backwards=0, notes=ready.notes),
    )


LEAST = 64
"""Images of a part: a whole number of blocks, so that none is padded that was not."""


def seen_part(
    ready: Prepared,
    keys: Labels,
    piece: slice,
    *,
    names: Sequence[str] | None,
    at: str,
    sigma: float,
    clamp: bool,
    repeats: int,
    seed: int,
) -> dict[str, Tensor]:
    """Return what the model returns for some of the images, and the numbers of its layers (n, layers, 4 + repeats).

    Args:
        ready: The model, prepared for all images.
        keys: Position of each of all images in its source.
        piece: Which images.
        names, at, sigma, clamp, repeats, seed: As in `layers`.
    """
    watch, model, block = Watch(at), plain(ready), ready.block

    def passes(images: Images, rows: Labels) -> tuple[Tensor, ...]:
        # Each pass has one shape: clean images, then noisy ones.
        watch.batch, watch.now, outputs = 2 * len(images), {}, images.new_empty(0, 0)
        for repeat in range(repeats):
            noisy = images + sigma * sample(normal, "noise gaussian", seed + repeat, rows, images)
            noisy = noisy.clamp(0, 1) if clamp else noisy
            watch.repeat, watch.called = repeat, []
            outputs = scores(model, torch.cat((images, noisy)))[: len(images)]
        return outputs, watch.numbers(names)

    with ready, torch.no_grad(), watching(chosen_modules(cast("nn.Module", model), names), watch):
        # Block by block, since images may be read as they are used.
        rows = torch.arange(piece.start, piece.stop).split(block)
        blocks = [ready.in_blocks(passes, ready.images[row[0] : row[-1] + 1], keys[row]) for row in rows]
    outputs, numbers = (torch.cat(each) for each in zip(*blocks, strict=True))
    return {"outputs": outputs.cpu(), "numbers": numbers.cpu(), "about": _as_bytes(json.dumps(watch.about))}


def _as_bytes(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def _joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Any]:
    """Return the fields of `Layers` that are rows of layers.

    Raises:
        UsageError: The model calls other layers for other images.
    """
    first = parts[0]["about"]
    if not all(torch.equal(part["about"], first) for part in parts):
        raise UsageError("model must call the same layers for every image; got others for some: name those to measure")
    about: dict[str, tuple[str, int, int]] = json.loads(bytes(first.tolist()))
    kinds, channels, locations = zip(*about.values(), strict=True)
    numbers = torch.cat([part["numbers"] for part in parts]).permute(1, 2, 0).contiguous()
    return {
        "names": tuple(about),
        "kinds": kinds,
        "channels": torch.tensor(channels),
        "locations": torch.tensor(locations),
        "sparsity": numbers[:, 0],
        "silent": numbers[:, 1].long(),
        "active": numbers[:, 2],
        "signal": numbers[:, 3],
        "noise": numbers[:, 4:],
    }


def _check_batches(ready: Prepared) -> None:
    """Refuse a model that takes one image only: clean and noisy images pass its layers together."""
    try:
        scores(ready.model, ready.images[:1].repeat(2, 1, 1, 1))
        # What fails from here on is no matter of several images.
        ready.measured.reading.batched = True
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        if out_of_memory(error):
            raise
        scores(ready.model, ready.images[:1])
        reason = str(error).split("\n")[0]
        raise UsageError(f"model must take several images at once here; got {reason!r}: load it so") from error


def _checked(model: object, at: str, sigma: float, repeats: int) -> nn.Module:
    """Return the model, refusing before the work what cannot be measured."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"model must be a torch.nn.Module; got {type(model).__name__}: functions have no layers")
    if at not in SIDES:
        raise unknown("at", at, SIDES)
    if not 0 < sigma < LARGEST:
        raise UsageError(f"sigma must be above 0 and finite, below {LARGEST:g}; got {sigma:g}: 0.1 is usual")
    if not 1 <= repeats <= 1_000_000:
        raise UsageError(f"repeats must be at least 1, at most 1,000,000; got {repeats}: 1 is usual")
    return model
