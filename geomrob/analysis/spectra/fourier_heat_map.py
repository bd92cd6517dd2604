"""Fourier heat maps: how often a model is right when its images are moved along one Fourier direction."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from geomrob.arrays import Bounds, ImagesLike, Labels, LabelsLike, Model, as_labels, check_images
from geomrob.errors import UsageError
from geomrob.inference import Prepared, check_finite, checked_classes, predicted_classes
from geomrob.randomness import bits, checked_indices, image_keys
from geomrob.results import HeatMap
from geomrob.runs import Clock, Run, ranges, work
from geomrob.spectral.fourier_directions import fourier_directions, half_plane
from geomrob.spectral.spectra import frequencies, ring_means

Progress = Callable[[int, int], object]


def heat_map(
    model: Model,
    inputs: ImagesLike,
    labels: LabelsLike | None = None,
    *,
    epsilon: float,
    bounds: Bounds | None = None,
    indices: Int64[Tensor, " m"] | None = None,
    seed: int = 0,
    name: str = "model",
    data: str = "images",
    memory: int | None = None,
    progress: Progress | None = None,
    run: Run | None = None,
) -> HeatMap:
    r"""Return the accuracy of a model on x + epsilon s U, for the Fourier direction U of every frequency.

    U is real, of norm one, and its transform is zero but at one pair of opposite frequencies. The sign of each channel
    is drawn for each image and each direction. Opposite frequencies share their U, so half of the plane is evaluated.

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in [0, 1], on the model's device.
        labels: True classes; by default the predicted ones, so that accuracy is the share of kept decisions.
        epsilon: l2 length of the step, all channels together, in [0, 1] pixel units.
        bounds: What the moved images are clipped to, such as (0, 1); None leaves them free, and the step whole.
        indices: Position of each image in its source: the signs of an image follow from seed and index alone.
        seed: Of the signs.
        name, data: How the result calls model and data.
        memory: Budget for activations, 1 GiB by default.
        progress: Called with (directions done, directions in all).
        run: Folder that keeps finished parts, to resume from; the result is the same.

    Raises:
        UsageError: Images outside [0, 1], an epsilon that is negative, labels or indices of another number, a model
            that returns no finite (N, K) logits.

    References:
        Yin, Gontijo Lopes, Shlens, Cubuk and Gilmer, A Fourier perspective on model robustness in computer vision,
        NeurIPS 2019, section 2 and Fig. 3.

    Differences:
        The paper's step has length v in each channel: epsilon = v sqrt(C). It shows the error, this the accuracy. Its
        images are clipped, here only with `bounds`, which shortens steps on dark images by an unknown amount.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> heat_map(model, torch.rand(5, 1, 8, 8), epsilon=0.5).accuracy.shape
        torch.Size([8, 8])
    """
    inputs = check_images(inputs)
    labels = as_labels(labels)
    if not epsilon >= 0:
        raise UsageError(f"epsilon must be a length of at least 0; got {epsilon}: choose the step in [0, 1] units")
    inputs = inputs.detach()
    count = len(inputs)
    keys = checked_indices(indices, count)
    clock = Clock(seed=seed, device=inputs.device)
    shape = inputs.shape[-2:]
    pairs, index = half_plane(shape)
    with Prepared(model, inputs, memory=memory) as ready:
        ready.check_deterministic()
        clean = ready.predictions
        wanted = clean if labels is None else checked_classes("labels", labels, ready.clean)
        parts = work(
            run,
            f"heat map of {name}",
            partial(moved_part, ready, keys, wanted, pairs, epsilon=float(epsilon), bounds=bounds, seed=seed),
            ranges(len(pairs), max(1, EVALUATIONS // count), of="directions"),
            each=count,
            progress=progress,
        )
    right = torch.cat([part["right"] for part in parts])
    accuracy = right[index]
    radial, counts = ring_means(accuracy)
    return HeatMap(
        model=name,
        data=data,
        epsilon=float(epsilon),
        bounded=bounds is not None,
        images=count,
        clean=float((clean == wanted).double().mean()),
        accuracy=accuracy,
        vertical=frequencies(shape[0]),
        horizontal=frequencies(shape[1]),
        radial=radial,
        counts=counts,
        provenance=clock.provenance(forwards=count * (len(pairs) + 1), backwards=0, notes=ready.notes),
    )


EVALUATIONS = 5000
"""Of the model in a part."""


def moved_part(
    ready: Prepared,
    keys: Labels,
    wanted: Labels,
    pairs: Float64[Tensor, "b 2"],
    piece: slice,
    *,
    epsilon: float,
    bounds: Bounds | None,
    seed: int,
) -> dict[str, Tensor]:
    """Return the share of the images that the model is right about after a step along some of the directions.

    Args:
        ready: The model, prepared for the images.
        keys: Position of each image in its source.
        wanted: The class of each image, negative for none.
        pairs: Frequencies of all directions.
        piece: Which directions.
        epsilon, bounds, seed: As in `heat_map`.
    """
    inputs, right = ready.images, list[Tensor]()
    steps = epsilon / inputs.shape[1] ** 0.5 * fourier_directions(inputs.shape[-2:], pairs[piece])
    signs = random_signs(keys, piece, inputs.shape[1], seed)
    with ready:
        for number, step in enumerate(steps):
            moves = (signs[:, number, :, None, None] * step).to(inputs)
            moved = inputs + moves if bounds is None else (inputs + moves).clamp(*bounds)
            logits = ready.logits(moved)
            check_finite(logits)
            right.append((predicted_classes(logits) == wanted)[wanted >= 0].double().mean().cpu())
    return {"right": torch.stack(right)}


def random_signs(indices: Labels, directions: slice, channels: int, seed: int) -> Float64[Tensor, "n b c"]:
    """Return -1 or 1 for each image, direction and channel; those of an image follow from seed and index alone."""
    count = directions.stop - directions.start
    words = bits(image_keys(seed, indices, use="heat map"), count * channels, directions.start * channels)
    return (1.0 - 2 * (words < 0)).double().unflatten(1, (count, channels))
