"""The decision regions of a model on a plane through the image space."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import ImagesLike, LabelsLike, Model, as_images, as_labels, norms
from geomrob.errors import UsageError
from geomrob.inference import Prepared, predicted_classes
from geomrob.results import CrossSection
from geomrob.runs import Clock

STRAIGHT = 1e-6
"""Share of the second direction that must be left without the first."""


def cross_section(
    model: Model,
    origin: Float[Tensor, "c h w"],
    directions: Float[Tensor, "2 c h w"],
    *,
    inputs: ImagesLike | None = None,
    labels: LabelsLike | None = None,
    limits: tuple[float, float, float, float] | None = None,
    resolution: int = 201,
    batch: int = 1024,
    axes: tuple[str, str] = ("first direction", "second direction"),
    classes: Sequence[str] | None = None,
    name: str = "model",
    data: str = "images",
) -> CrossSection:
    """Return the class of each place origin + a d_1 + b d_2 of a plane, and images projected on the plane.

    The directions are made orthonormal, the second without its part along the first, so that a and b are l2 distances.

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        origin: Where a = b = 0: an image, the mean of several, or zero.
        directions: Two, of any length above 0, not parallel; horizontal and vertical in a picture.
        inputs: Images to project, of any range; their distance from the plane is kept too.
        labels: Their true classes; needed with `inputs`.
        limits: Lowest and highest a, lowest and highest b; by default a tenth beyond the projected images.
        resolution: Places along each side, at least 2.
        batch: Places a call of the model takes.
        axes, classes, name, data: How the result calls the directions, the classes, the model and the data.

    Raises:
        UsageError: Parallel directions, or one without length; neither limits nor images; images without labels; limits
            or a resolution that are none; a model that returns no (N, K) logits.

    References:
        Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Fig. 4.9.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
        >>> section = cross_section(model, torch.zeros(1, 2, 2), torch.eye(4)[:2].reshape(2, 1, 2, 2),
        ...                         limits=(-1, 1, -1, 1), resolution=5)
        >>> section.regions.shape, section.horizontal.tolist()
        (torch.Size([5, 5]), [-1.0, -0.5, 0.0, 0.5, 1.0])
    """
    units = _orthonormal(directions)
    if (inputs is None) != (labels is None):
        raise UsageError("labels must come with inputs; got one without the other: give both or neither")
    images = origin.new_zeros(0, *origin.shape) if inputs is None else as_images(inputs).detach()
    offsets = (images - origin).flatten(1)
    points = offsets @ units.flatten(1).T
    away = norms(offsets - points @ units.flatten(1))
    left, right, low, high = _limits(points) if limits is None else limits
    if not (left < right and low < high and resolution >= 2 and math.isfinite(right - left + high - low)):
        given = f"{left:g} ... {right:g}, {low:g} ... {high:g}, resolution {resolution}"
        raise UsageError(f"limits must rise and resolution be at least 2; got {given}: give left < right, low < high")
    clock = Clock(seed=0, device=origin.device)
    horizontal = torch.linspace(left, right, resolution, dtype=origin.dtype, device=origin.device)
    vertical = torch.linspace(low, high, resolution, dtype=origin.dtype, device=origin.device)
    grid = torch.cartesian_prod(vertical, horizontal).flip(1)
    regions, width = list[Tensor](), 0
    with Prepared(model, origin[None], forward_only=True, block=min(batch, len(grid))) as ready:
        for part in grid.split(batch):
            moved = (part @ units.flatten(1)).reshape(-1, *origin.shape)
            logits = ready.logits(origin + moved)
            regions.append(predicted_classes(logits))
            width = logits.shape[1]
    names = tuple(classes) if classes is not None else tuple(map(str, range(width)))
    return CrossSection(
        model=name,
        data=data,
        axes=axes,
        classes=names,
        horizontal=horizontal.cpu(),
        vertical=vertical.cpu(),
        regions=torch.cat(regions).reshape(resolution, resolution).cpu(),
        points=points.cpu(),
        labels=torch.zeros(0, dtype=torch.int64) if labels is None else as_labels(labels).cpu(),
        away=away.cpu(),
        provenance=clock.provenance(forwards=len(grid), backwards=0, notes=ready.notes),
    )


def _orthonormal(directions: Tensor) -> Tensor:
    """Return the directions at length 1, the second without what it shares with the first."""
    first, second = directions.flatten(1)
    lengths = norms(directions)
    if bool((lengths > 0).all() and torch.isfinite(lengths).all()):
        first, second = first / lengths[0], second / lengths[1]
        rest = second - (first @ second) * first
        if float(rest.norm()) > STRAIGHT:
            return torch.stack((first, rest / rest.norm())).reshape(directions.shape)
    raise UsageError("directions must be two of length above 0 that are not parallel; got others: choose another pair")


def _limits(points: Tensor) -> tuple[float, float, float, float]:
    """Return the range of the points and a tenth more on each side; 1 where all are in one place."""
    if not len(points):
        raise UsageError("limits must be given without inputs; got neither: say how far the plane reaches")
    low, high = points.min(0).values, points.max(0).values
    room = torch.where(high > low, (high - low) / 10, 1)
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return left, right, bottom, top
