"""The pixel-similarity regulariser: features of two images shall be as similar as their pixels say."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from geomrob.arrays import Images
from geomrob.data import DATASETS, load_data
from geomrob.data.entry import Samples
from geomrob.data.folder_layout import SPLITS
from geomrob.data.resize import resize_to
from geomrob.errors import UsageError, unknown
from geomrob.spectral.frequency_filters import transform
from geomrob.training.losses.pair_sampler import PairTargets
from geomrob.training.recipe import Recipe

EDGE = 1e-5
"""How far from -1 and 1 similarities are kept: there arctanh is infinite."""


def similarity_loss(
    similarities: Float[Tensor, " p"], targets: Float[Tensor, " p"], *, scale: str = "paper"
) -> Float[Tensor, ""]:
    """Return how far similarities are from their targets on the scale of arctanh.

    `paper`: sum_p (arctanh S_p - arctanh T_p)^2 (eq. 3), arguments kept `EDGE` away from -1 and 1. `released`: the mean
    over the pairs of (L(S) - L(T))^2 with L(t) = ln(1 + t + e) - ln(1 - t + e) = 2 arctanh t but for e = 1e-5.

    Args:
        similarities, targets: One a pair, in [-1, 1].
        scale: `paper` or `released`.

    References:
        Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eq. 3.

    Differences:
        The released loss is a mean and four times as large a pair: its strength 10 is 40 / pairs on the paper's scale.

    Example:
        >>> round(similarity_loss(torch.tensor([0.5]), torch.tensor([0.0])).item(), 4)
        0.3017
    """
    inside = similarities.clamp(-1, 1)
    if scale == "released":
        return (_released(inside) - _released(targets)).square().mean()
    limit = 1 - EDGE
    return (inside.clamp(-limit, limit).atanh() - targets.clamp(-limit, limit).atanh()).square().sum()


def _released(values: Tensor) -> Tensor:
    """Return L(t), twice the arctanh of values but for `EDGE`."""
    return (1 + values + EDGE).log() - (1 - values + EDGE).log()


def cosine(first: Float[Tensor, "p *features"], second: Float[Tensor, "p *features"]) -> Float[Tensor, " p"]:
    """Return the cosine of the angle between the features of each pair, 0 where one of them is 0 everywhere.

    It is that of `torch.nn.functional.cosine_similarity` on the flattened features at a fifth of its cost: no unit
    vectors are made, and a memory layout with the channels last is kept.
    """
    axes = list(range(1, first.ndim))
    squares = first.square().sum(axes) * second.square().sum(axes)
    return (first * second).sum(axes) * squares.clamp_min(1e-16).rsqrt()


def _rectified(name: str, output: object) -> Tensor:
    """Return the features of a layer after a ReLU, as float32."""
    if not isinstance(output, Tensor) or output.ndim < 2:
        kind = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(f"layers of [similarity] must give features (N, C, ...); got {kind} from {name}: name another")
    return output.relu().float()


def default_layers(model: nn.Module) -> tuple[str, ...]:
    """Return the layers whose features are compared where a recipe names none: the stem and the stages of a ResNet.

    Raises:
        UsageError: The model has no `bn` and `stages`: its layers must be named.
    """
    stages = getattr(model, "stages", None)
    if not isinstance(stages, nn.Sequential) or not hasattr(model, "bn"):
        kind = type(model).__name__
        raise UsageError(
            f"layers of [similarity] must be named for a model that is no ResNet of ours; got {kind}: name some"
        )
    return ("bn", *(f"stages.{index}" for index in range(len(stages))))


class SimilarityTerm(nn.Module):
    """The similarity loss of a batch of pairs, with the weights of the layers and their running means.

    S_ij = sum_l gamma_l S_ij^l, where S_ij^l is the cosine between the features of layer l, the running mean of each
    channel subtracted, and gamma = softmax(logits) is trained with the network (eq. 4).

    Args:
        images: (N, C, H, W) in [0, 1] that the pairs are drawn from.
        layers: Names of modules of the model; a ReLU is applied to what they give.
        target, threshold, second, gray: As in `PairTargets`.
        pairs: Pairs a batch.
        scale: As in `similarity_loss`.
        forwards: `joint` passes the 2 x `pairs` images at once, `separate` the first and the second of the pairs one
            after the other, as released: batch normalisation then sees `pairs` images.
        momentum: Of the running means; they start at 0.

    Raises:
        UsageError: As `PairTargets`; a layer that the model does not have, one without channels.

    References:
        Attias, Pehlevan, Obeid, 2024, eqs. 2-4; Li et al., Learning from brains how to regularize machines, 2019.

    Differences:
        The images are used as they are; the released code shifts and mirrors each of them once, at random.

    Example:
        >>> from geomrob.models import build
        >>> model = build("fmnist-resnet8", seed=0)
        >>> term = SimilarityTerm(torch.rand(8, 1, 28, 28), default_layers(model), pairs=4)
        >>> term(model, torch.Generator().manual_seed(0)).ndim, term.gamma.tolist()
        (0, [0.25, 0.25, 0.25, 0.25])
    """

    def __init__(
        self,
        images: Images,
        layers: Sequence[str],
        *,
        target: str = "threshold",
        threshold: float = 0.8,
        second: float = 0.0,
        gray: bool = False,
        pairs: int = 16,
        scale: str = "paper",
        forwards: str = "joint",
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.targets = PairTargets(images, target, threshold=threshold, second=second, gray=gray)
        self.images = images
        self.layers = tuple(layers)
        self.pairs, self.scale, self.forwards, self.momentum = pairs, scale, forwards, momentum
        self.logits = nn.Parameter(torch.zeros(len(self.layers)))
        for index in range(len(self.layers)):
            self.register_buffer(f"mean{index}", torch.zeros(0))

    @property
    def gamma(self) -> Tensor:
        """The weights of the layers: at least 0, together 1."""
        return self.logits.detach().softmax(0)

    def forward(self, model: nn.Module, generator: torch.Generator) -> Tensor:
        """Return the loss of freshly drawn pairs; in training mode the running means are updated."""
        first, second, targets = self.targets.draw(self.pairs, generator)
        device = self.logits.device
        halves = [self.images[half].to(device) for half in (first, second)]
        if self.forwards == "joint":
            both = [features.chunk(2) for features in self._features(model, torch.cat(halves))]
        else:
            both = list(zip(*(self._features(model, half) for half in halves), strict=True))
        weights = self.logits.softmax(0)
        total = torch.zeros(len(first), device=device)
        for index, (one, other) in enumerate(both):
            mean = self._mean(index, one, other)
            total = total + weights[index] * cosine(one - mean, other - mean)
        return similarity_loss(total, targets.to(device), scale=self.scale)

    def _features(self, model: nn.Module, images: Tensor) -> list[Tensor]:
        """Return what the layers give, rectified, as float32."""
        features: dict[str, Tensor] = {}
        handles = []
        names = {name for name, _ in model.named_modules()}
        try:
            for name in self.layers:
                if name not in names:
                    raise unknown("layer of [similarity]", name, names)

                def keep(_module: nn.Module, _inputs: object, output: object, name: str = name) -> None:
                    features[name] = _rectified(name, output)

                handles.append(model.get_submodule(name).register_forward_hook(keep))
            model(images)
        finally:
            for handle in handles:
                handle.remove()
        unused = [name for name in self.layers if name not in features]
        if unused:
            raise UsageError(f"layers of [similarity] must be passed by the images; got {unused}: name others")
        return [features[name] for name in self.layers]

    def _mean(self, index: int, *halves: Tensor) -> Tensor:
        """Return the running mean of each channel, (1, C, 1, 1), updated by these features in training."""
        mean: Tensor = getattr(self, f"mean{index}")
        if not mean.numel():
            mean = halves[0].new_zeros(halves[0].shape[1])
        if self.training:
            for half in halves:
                axes = [axis for axis in range(half.ndim) if axis != 1]
                mean = self.momentum * mean + (1 - self.momentum) * half.detach().mean(axes)
            setattr(self, f"mean{index}", mean)
        return mean.reshape(1, -1, *[1] * (halves[0].ndim - 2))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Take running means of any length over: they are empty until the first batch has passed."""
        for index in range(len(self.layers)):
            stored = state_dict.get(f"{prefix}mean{index}")
            if stored is not None:
                setattr(self, f"mean{index}", torch.zeros_like(stored, device=self.logits.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def regularization_images(recipe: Recipe, train: Samples, data_dir: str | Path | None = None) -> Samples | None:
    """Return the regularisation images that a recipe names, in the shape of its training images.

    Of a row of the table they are the first of its training split. A folder or a file, whose images may be sorted by
    class, is drawn from with seed 0. The edit of the recipe is applied last.

    Args:
        recipe: Its part `[similarity]` says how many images of which data.
        train: The training images, whose shape is taken.
        data_dir: As in `load_data`.

    Returns:
        The samples; None where the recipe names no data of its own for them, so that the training images serve.

    Raises:
        UsageError: The data cannot be loaded, or cannot be given this shape.

    Example:
        >>> from geomrob.training import read_recipe
        >>> regularization_images(read_recipe("fmnist-similarity"), load_data("fashion-mnist-1k")) is None
        True
    """
    how = recipe.options.similarity
    if how is None or not how.data:
        return None
    if how.data in DATASETS:
        split = "train" if "train" in DATASETS[how.data].splits else "test"
        pool = load_data(how.data, split=split, data_dir=data_dir)
    else:
        split = "train" if any((Path(how.data).expanduser() / name).is_dir() for name in SPLITS["train"]) else "test"
        pool = load_data(how.data, split=split, samples=how.images, seed=0)
    _, channels, height, width = train.images.shape
    images = resize_to(pool.images[: how.images], (channels, height, width))
    if recipe.transform:
        images = transform(recipe.transform)(images)
    count = len(images)
    return Samples(images, pool.labels[:count], pool.classes, pool.indices[:count], pool.name, pool.skipped)


def layer_weights(folder: str | Path) -> dict[str, float]:
    """Return gamma, the weight of each layer in the similarity of features, after the last epoch of a training.

    The weights are at least 0 and add up to 1. A weight near 1 means that the network follows the pixel similarities
    in that layer only; published ones lie in the first half of the network (Tables 2 and 3 of the paper).

    Args:
        folder: What `geomrob train` or `fit(..., out=...)` wrote.

    Returns:
        A weight a layer, in the order in which images pass them.

    Raises:
        UsageError: No training with the similarity part lies there.

    References:
        Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eq. 4, Appendix 7.6.
    """
    path = Path(folder) / "objective.safetensors"
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["geomrob"])
            gamma: list[float] = file.get_tensor("similarity.logits").softmax(0).tolist()
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"folder must hold a training with [similarity]; got {error!r} for {path}: name the --out of one"
        ) from None
    named: list[str] = facts["run"]["options"]["similarity"]["layers"]
    names = named or ["bn", *(f"stages.{index}" for index in range(len(gamma) - 1))]
    return dict(zip(names, gamma, strict=True))
