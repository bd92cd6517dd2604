"""Tiles: rectangles of the table bands x images, each searched at once within a budget of memory."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geomrob.arrays import Images, Labels, Model, norms
from geomrob.attacks import ATTACKS
from geomrob.attacks.linear import linearise
from geomrob.attacks.refine import HAIR, refine, verified
from geomrob.attacks.search import Search
from geomrob.results import Status
from geomrob.spectral.frames import Frame

CANDIDATES = 10
"""Classes that can lie behind the boundary, the predicted one included: the released framework's number."""


@dataclass(frozen=True)
class Tile:
    """How many images and bands are searched together."""

    images: int
    bands: int


def tile_size(frame: Frame, inputs: Images, memory: int, norm: float = 2) -> Tile:
    """Return the largest tile whose search state fits into half the memory, at most 4,096 pairs."""
    size, pixels = inputs.element_size(), inputs[0].numel()
    # Norms other than 2 are measured in pixels, so that a pair needs a few images beside its coefficients.
    pair = size * (math.prod(frame.shape) * (16 + CANDIDATES) + (0 if norm == 2 else 8 * pixels))
    image = pixels * size * (3 + CANDIDATES)
    bands = max(1, min(len(frame), (memory // 2 - image) // pair))
    return Tile(images=max(1, min(4096 // bands, memory // 2 // (image + bands * pair))), bands=bands)


def measure(
    model: Model,
    inputs: Images,
    predicted: Labels,
    frame: Frame,
    *,
    method: str,
    norm: float,
    tolerance: float,
    block: int,
    width: int,
    options: dict[str, float],
) -> dict[str, Tensor]:
    """Return what `MarginCurve` keeps of every (band, image) pair of some images, on the CPU.

    Args:
        model, inputs, method, norm, tolerance, options: As in `margin_curve`.
        predicted: The class of each image; its forward evaluation is counted here.
        frame: Coordinates of all bands.
        block: Samples per call of the model.
        width: How many bands are searched at a time.
    """
    columns: list[tuple[Tensor, ...]] = []
    arguments = options if norm == 2 else {**options, "norm": norm}
    for first in range(0, len(frame), width):
        bands = torch.arange(first, min(len(frame), first + width), device=inputs.device)
        image = torch.arange(len(inputs), device=inputs.device).repeat_interleave(len(bands))
        search = Search(
            model, inputs, frame, image=image, band=bands.repeat(len(inputs)), reference=predicted[image], block=block
        )
        search.forwards += 1 / len(frame)
        found = ATTACKS[method].search(search, linearise(search, CANDIDATES), **arguments)
        found = refine(search, found, tolerance=tolerance)
        coefficients, crossed, logits = verified(search, found, (0.0, HAIR))
        moved = coefficients if norm == 2 else search.points(coefficients, search.pairs) - inputs[image]
        distance = torch.where(crossed, norms(moved, norm), math.inf)
        status = torch.where(found.success & ~crossed, int(Status.STEP_LIMIT), found.status)
        target = torch.where(crossed, logits.argmax(1), -1)
        rows = (distance, status, target, search.forwards, search.backwards)
        columns.append(tuple(row.cpu().reshape(len(inputs), len(bands)).T for row in rows))
    joined = [torch.cat(part) for part in zip(*columns, strict=True)]
    return dict(zip(("distances", "status", "targets", "forwards", "backwards"), joined, strict=True))
