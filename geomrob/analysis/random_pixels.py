"""How many random pixels do as well: the baseline that a sparse attack has to beat."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.errors import UsageError
from geomrob.inference import Prepared, is_adversarial
from geomrob.randomness import checked_indices, image_generator
from geomrob.results import AttackResult

PIECE = 1024
"""Images whose noise is held at a time."""


def random_pixels(
    model: Model,
    inputs: ImagesLike,
    counts: Sequence[int] | Int64[Tensor, " c"],
    *,
    labels: LabelsLike,
    seed: int = 0,
    indices: Labels | None = None,
    repeats: int = 5,
    memory: int | None = None,
) -> Float[Tensor, " r"]:
    """Return the fooling rates of images in which random elements of each channel are set to 0 or 1.

    In spite of the name that it goes by, the baseline draws *elements*: the positions of one channel know nothing of
    those of another, so that in colour it changes up to as many pixels as elements. The draw is keyed by (seed,
    repeat, index): an image gets the same noise in any company.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        inputs: Images in [0, 1].
        counts: How many elements of each channel; an element may be drawn that has its new value already.
        labels: The classes that the model sees in the clean images.
        seed: Of the draws.
        indices: Position of each image in its source.
        repeats: How many independent draws for each image.
        memory: Bytes for activations; 1 GiB by default.

    Returns:
        For each repeat, the share of the images in which the model sees another class than `labels`.

    Raises:
        UsageError: Counts that are not one a channel or more than it has elements, fewer than 1 repeat.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, sec. 3.3.1.

    Example:
        >>> dark = lambda images: torch.stack((0 * images.mean((1, 2, 3)) + 0.1, images.mean((1, 2, 3))), 1)
        >>> black, labels = torch.zeros(8, 1, 4, 4), torch.zeros(8, dtype=torch.int64)
        >>> random_pixels(dark, black, [1], labels=labels, repeats=2).tolist()
        [0.0, 0.0]
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    drawn = [int(number) for number in counts]
    channels, size = inputs.shape[1], inputs.shape[2] * inputs.shape[3]
    if len(drawn) != channels or not all(0 <= number <= size for number in drawn):
        raise UsageError(f"counts must be {channels} numbers from 0 to {size}; got {drawn}: give one for each channel")
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1; got {repeats}: 5 is usual")
    if tuple(labels.shape) != (len(inputs),):
        raise UsageError(f"labels must be shaped ({len(inputs)},); got {tuple(labels.shape)}: give one for each image")
    keys = checked_indices(indices, len(inputs))
    fooled: list[float] = []
    ready = Prepared(model, inputs, memory=memory)
    for repeat in range(repeats):
        hits = 0
        for rows in torch.arange(len(inputs)).split(PIECE):
            generators = [image_generator(f"random pixels {repeat}", seed, key) for key in keys[rows].tolist()]
            noise = np.stack([_noise(generator, drawn, size) for generator in generators])
            values = torch.from_numpy(noise).to(inputs).view(len(rows), *inputs.shape[1:])
            noisy = torch.where(values < 0, inputs[rows], values)
            hits += int(is_adversarial(ready, noisy, labels[rows]).sum())
        fooled.append(hits / len(inputs))
    return torch.tensor(fooled, dtype=torch.float64)


def median_elements(attack: AttackResult) -> Int64[Tensor, " c"]:
    """Return how many elements of each channel are changed in the median fooled image, rounded up."""
    changed = (attack.perturbed != attack.inputs)[attack.success].flatten(2).sum(2).double()
    return changed.quantile(0.5, dim=0).ceil().long().cpu()


def _noise(generator: np.random.Generator, counts: Sequence[int], size: int) -> np.ndarray:
    """Return the new values (C, D) of one image, -1 where it keeps its own."""
    noise = np.full((len(counts), size), -1.0)
    for channel, count in zip(noise, counts, strict=True):
        channel[generator.permutation(size)[:count]] = generator.integers(0, 2, count)
    return noise
