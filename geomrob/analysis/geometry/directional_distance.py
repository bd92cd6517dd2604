"""The distance to the decision boundary along a given direction."""

import math

import torch
from torch import Tensor

from geomrob.arrays import Distances, ImagesLike, Model, check_images, norms, per_sample
from geomrob.errors import UsageError
from geomrob.inference import Prepared, predicted_classes


def distance_along(
    model: Model,
    inputs: ImagesLike,
    directions: Tensor,
    *,
    farthest: float = 20.0,
    points: int = 200,
    halvings: int = 20,
) -> Distances:
    """Return how far each image can go along its direction before the prediction changes.

    The ray x + t d / ||d||_2, t > 0, is evaluated at `points` points whose distances grow geometrically from
    farthest / 1000 to `farthest`; the first change is closed in on by halving the step. A region of another class that
    is thinner than the step there (3.5 % of the distance with 200 points) can be jumped over.

    Args:
        model: Images (N, C, H, W) to logits (N, K); a module is held in eval mode meanwhile.
        inputs: Images in [0, 1]; the ray may leave the box.
        directions: One an image, of any length above 0.
        farthest: Where the search ends, l2, in [0, 1] pixel units.
        points: At least 2.
        halvings: Of the step in which the prediction changed.

    Returns:
        The l2 distance on the far side of the change; infinity where the prediction is the same up to `farthest`.

    Raises:
        UsageError: Images outside [0, 1], a direction of another shape or without length, a range or points that are
            none.

    References:
        Modas, Robustness and invariance properties of image classifiers (EPFL, 2022), section 4.4.2, Fig. 4.13.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> distance_along(model, images, torch.ones_like(images)).shape
        torch.Size([2])
    """
    inputs = check_images(inputs)
    if directions.shape != inputs.shape or not bool((norms(directions) > 0).all()):
        given = f"{tuple(directions.shape)}, shortest {float(norms(directions).min()):.3g}"
        raise UsageError(f"directions must be as long as inputs and none of them 0; got {given}: drop those images")
    if not (0 < farthest < math.inf and points >= 2 and halvings >= 0):
        given = f"farthest {farthest}, points {points}, halvings {halvings}"
        raise UsageError(
            f"farthest must be above 0, points at least 2, halvings at least 0; got {given}: 20, 200, 20 are usual"
        )
    units = directions / per_sample(norms(directions), directions)
    with Prepared(model, inputs, forward_only=True) as ready:
        ready.check_deterministic()
        clean = ready.predictions

        def changed(distance: Distances) -> Tensor:
            seen = predicted_classes(ready.logits(inputs + per_sample(distance, inputs) * units))
            return (seen != clean) & (seen >= 0) & (clean >= 0)

        low, high = torch.zeros_like(inputs[:, 0, 0, 0]), torch.full_like(inputs[:, 0, 0, 0], math.inf)
        for radius in torch.logspace(math.log10(farthest / 1000), math.log10(farthest), points).tolist():
            open_still = high.isinf()
            if not bool(open_still.any()):
                break
            here = torch.full_like(low, radius)
            hit = changed(here)
            high = torch.where(open_still & hit, here, high)
            low = torch.where(open_still & ~hit, here, low)
        for _ in range(halvings):
            middle = (low + torch.where(high.isinf(), low, high)) / 2
            hit = changed(middle)
            high = torch.where(hit & high.isfinite(), middle, high)
            low = torch.where(~hit & high.isfinite(), middle, low)
    return high
