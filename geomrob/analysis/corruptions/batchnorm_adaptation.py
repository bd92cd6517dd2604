"""Batch normalisation fitted to the images at hand: statistics from a few corrupted images, without labels."""

import copy
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from geomrob.arrays import Images, ImagesLike, Labels, Logits, check_images
from geomrob.errors import UsageError, unknown
from geomrob.inference import Prepared, evaluating, plain
from geomrob.randomness import checked_indices


@dataclass(frozen=True)
class Adaptation:
    """How many images share their statistics (n), and how many images those of training count for (N)."""

    size: int
    prior: float


ADAPTATIONS: dict[str, Adaptation] = {
    "single": Adaptation(1, 16),
    "partial": Adaptation(8, 16),
    "full": Adaptation(400, 0),
}
"""The three of the thesis, Table 5.4."""


def adapted(model: nn.Module, images: ImagesLike, *, prior: float = 0.0) -> nn.Module:
    """Return a copy of a model whose batch-norm statistics are re-estimated from images, layer after layer.

        z = N / (N + n) z_s + n / (N + n) z_t

    z_s is the mean or variance of training, z_t that of the n images, which have come through the layers before with
    their new statistics. The weights stay. The variance z_t is that which normalises in training (over n, not n - 1).

    Args:
        model: With batch normalisation that keeps running statistics.
        images: The n unlabelled images; all share the statistics and pass at once.
        prior: N, the images that the statistics of training count for; 0 forgets them.

    Returns:
        A new model in eval mode; the one given is left alone.

    Raises:
        UsageError: No such batch normalisation, or a prior that is none.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 5.3.3, eq. 5.7; Schneider
        et al., Improving robustness against common corruptions by covariate shift adaptation, NeurIPS 2020.

    Example:
        >>> norm = nn.BatchNorm2d(1)
        >>> adapted(norm, torch.full((2, 1, 4, 4), 3.0), prior=4).running_mean.item()
        1.0
    """
    found = copy.deepcopy(model).eval()
    mixed: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    with torch.no_grad(), adapting(found, size=len(images), prior=prior, keep=mixed):
        found(images)
    for module, (mean, variance) in mixed.items():
        module.running_mean, module.running_var = mean[0], variance[0]
    return found


@contextmanager
def adapting(
    model: nn.Module, *, size: int, prior: float, keep: dict[nn.Module, tuple[Tensor, Tensor]] | None = None
) -> Generator[None]:
    """Let every batch normalisation take the statistics of eq. 5.7 from each run of `size` images in a call.

    The images of a call must be a whole number of runs. Each run is its own: what else is in the call has no part in
    it. The model is in eval mode inside; hooks and modes are put back afterwards, also after an error.

    Args:
        model: With batch normalisation that keeps running statistics.
        size: n.
        prior: N.
        keep: Is given the mixed mean and variance (runs, channels) of each layer in the last call.

    Raises:
        UsageError: No such batch normalisation, a size below 1, or a prior below 0.

    Example:
        >>> norm, images = nn.BatchNorm2d(1), torch.stack((torch.zeros(1, 2, 2), torch.ones(1, 2, 2)))
        >>> with adapting(norm, size=1, prior=0):
        ...     norm(images).unique().tolist()
        [0.0]
    """
    if size < 1 or not 0 <= prior < float("inf"):
        raise UsageError(f"size must be at least 1 and prior at least 0; got {size}, {prior}: 8 and 16 are usual")
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not layers:
        raise UsageError(
            f"model must have batch normalisation to adapt; got {type(model).__name__} without running statistics: "
            "leave the adaptation out"
        )

    def hook(module: Any, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
        output, statistics = _normalised(module, inputs[0], size, prior)
        if keep is not None:
            keep[module] = statistics
        return output

    handles = [module.register_forward_hook(hook) for module in layers]
    try:
        with evaluating(model):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _normalised(module: Any, features: Tensor, size: int, prior: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the output of a batch normalisation with mixed statistics, and these (runs, channels)."""
    runs = features.reshape(-1, size, features.shape[1], features[0, 0].numel())
    mean, variance = runs.mean((1, 3)), runs.var((1, 3), correction=0)
    share = size / (prior + size)
    mean = torch.lerp(module.running_mean.expand_as(mean), mean, share)
    variance = torch.lerp(module.running_var.expand_as(variance), variance, share)
    scale = (variance + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight
    output = (runs - mean[:, None, :, None]) * scale[:, None, :, None]
    if module.affine:
        output = output + module.bias[:, None]
    return output.reshape(features.shape), (mean, variance)


def adaptive_logits(
    model: nn.Module | Prepared,
    images: ImagesLike,
    how: str = "partial",
    *,
    indices: Labels | None = None,
    seed: int = 0,
    memory: int | None = None,
) -> Logits:
    """Return what a model says of images when each group of them lends it its batch-norm statistics.

    Groups of n images are drawn by `seed` from all that are given, so the images should share a corruption and a
    severity. The last group is filled up with images of other groups, which keep their logits. With `single` every
    image is alone and its logits depend on nothing else. With `partial` and `full` it depends on the set of images, on
    their indices and the seed, not on their order, nor on how many groups share a call.

    Args:
        model: As in `adapting`.
        images: (N, C, H, W) in [0, 1].
        how: A row of `ADAPTATIONS`: `single` (n = 1, N = 16), `partial` (8, 16), `full` (400, 0). Fewer images than n
            are one group of all: then n is their number.
        indices: Position of each image in its source.
        seed: Of the groups.
        memory: Budget in bytes, as in `deepfool`; a group is never divided.

    Raises:
        UsageError: As `adapting`; no images; no such adaptation; outputs that are no scores.

    References:
        As `adapted`; Table 5.4.

    Differences:
        The thesis does not say whether its n images serve for all images of a corruption or for themselves; as in
        Schneider et al., each group serves for itself, so `full` uses all images, 400 at a time.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3))
        >>> adaptive_logits(model, torch.rand(20, 1, 8, 8), "partial").shape
        torch.Size([20, 3])
    """
    if how not in ADAPTATIONS:
        raise unknown("adapt", how, ADAPTATIONS)
    images = check_images(images, name="images")
    return grouped_logits(model, images, how, checked_indices(indices, len(images)), seed=seed, memory=memory)


def grouped_logits(
    model: nn.Module | Prepared, images: Images, how: str, keys: Labels, *, seed: int = 0, memory: int | None = None
) -> Logits:
    """Return `adaptive_logits` of images that are checked already: lazy ones are read once."""
    size, prior = min(ADAPTATIONS[how].size, len(images)), ADAPTATIONS[how].prior
    order = _groups(keys, size, seed)
    network, ready = plain(model), Prepared(model, images, memory=memory, forward_only=True)
    assert isinstance(network, nn.Module)
    if not ready.measured.reading.kind:
        _ = ready.clean  # what the outputs are is settled before the layers are changed
    together = max(1, ready.block // size)
    parts: list[Float[Tensor, "p k"]] = []
    with torch.no_grad(), adapting(network, size=size, prior=prior):
        for groups in order.split(together):
            # Every call has the same shape, because rounding depends on it.
            taken = images[groups.flatten().to(images.device)]
            full = torch.cat((taken, taken[-size:].repeat(together - len(groups), 1, 1, 1)))
            parts.append(ready(full)[: groups.numel()])
    logits = torch.cat(parts)[: len(images)]
    # The images that fill up the last group come last: their logits are known.
    return torch.empty_like(logits).index_copy_(0, order.flatten()[: len(images)].to(logits.device), logits)


def _groups(keys: Labels, size: int, seed: int) -> Tensor:
    """Return the places of the images (groups, size), in an order that belongs to their indices and the seed."""
    ranked = keys.argsort(stable=True)
    drawn = ranked[torch.randperm(len(keys), generator=torch.Generator().manual_seed(seed))]
    short = -len(keys) % size
    return torch.cat((drawn, drawn[:short])).reshape(-1, size)
