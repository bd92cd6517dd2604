"""Quantization: what is left of an attack when its images are stored with 8 bits a channel."""

from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from geomrob.arrays import Bounds, Images, Labels, Model
from geomrob.attacks.engine.sparse_projection import box_around
from geomrob.errors import UsageError
from geomrob.inference import is_adversarial
from geomrob.results import AttackResult, Status

LEVELS = 255
"""Steps from black to white."""

SLACK = 1e-4
"""Part of a level that counts as rounding: 10 / 255 above an image is ten levels, whatever the rounding."""


def eight_bit(
    model: Model,
    result: AttackResult,
    *,
    targets: Labels | None = None,
    bounds: Bounds = (0.0, 1.0),
    radius: float | Tensor | None = None,
    memory: int | None = None,
) -> AttackResult:
    """Return the result as a file of 8 bits a channel would hold it: rounded to multiples of 1/255, evaluated again.

    Each element goes to the nearest level k / 255. Where that is no longer adversarial, the changed elements go to the
    next level away from the original instead, and the model is evaluated once more. No level outside the box is used,
    so that an element may go less far than the nearest level says.

    Args:
        model: Images (N, C, H, W) to logits (N, K).
        result: Of any attack on that model; elements outside the box are brought to its sides.
        targets: Classes that count as success. None: any class but `result.labels`, also after a targeted attack.
        bounds, radius: The box around `result.inputs`, as in `sparsefool`.
        memory: Bytes for activations; 1 GiB by default.

    Returns:
        Inputs and perturbed images on levels k / 255, equal to what is read back from the file. Where they are no
        longer adversarial, `success` is False and `status` STEP_LIMIT; what had failed before stays as it was. The
        evaluations that this takes (one or two for each success) are added to `forwards`.

    Raises:
        UsageError: Bounds that are NaN, inverted or leave an image outside; a radius that is not above 0; targets that
            are no classes of the model.

    Differences:
        The box is that of `result.inputs`. If those are no 8-bit images, a side may lie between two levels, and an
        input on its nearest level, unchanged, up to half a level outside.

    Example:
        >>> from geomrob.attacks.minimal.sparsefool import sparsefool
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> result = eight_bit(model, sparsefool(model, torch.full((4, 1, 4, 4), 0.2)))
        >>> bool(((result.perturbed * 255).round() / 255 == result.perturbed).all())
        True
    """
    low, high = box_around(result.inputs, bounds, radius)
    clean = (result.inputs.double() * LEVELS).round()
    # An element that is not changed stays on its level, also where the box holds none.
    lowest = torch.minimum((low.double() * LEVELS - SLACK).ceil(), clean)
    highest = torch.maximum((high.double() * LEVELS + SLACK).floor(), clean)
    levels = result.perturbed.double() * LEVELS
    away = torch.where(result.perturbed > result.inputs, (levels - SLACK).ceil(), (levels + SLACK).floor())
    away = torch.where(result.perturbed == result.inputs, clean, away).clamp(lowest, highest)
    nearest = levels.round().clamp(lowest, highest)

    def stored(levels: Tensor) -> Images:
        return levels.to(result.inputs.dtype) / LEVELS

    perturbed, kept, forwards = stored(nearest), result.success.clone(), result.forwards.clone()
    tried = kept.nonzero().squeeze(1)
    kept[tried] = is_adversarial(
        model, perturbed[tried], result.labels[tried], _some(targets, tried, len(kept)), memory=memory
    )
    forwards[tried.to(forwards.device)] += 1
    lost = tried[~kept[tried]]
    second = stored(away[lost])
    kept[lost] = is_adversarial(model, second, result.labels[lost], _some(targets, lost, len(kept)), memory=memory)
    forwards[lost.to(forwards.device)] += 1
    perturbed[lost] = torch.where(kept[lost, None, None, None], second, perturbed[lost])
    status = torch.where(result.success & ~kept, int(Status.STEP_LIMIT), result.status)
    return replace(result, inputs=stored(clean), perturbed=perturbed, success=kept, status=status, forwards=forwards)


def _some(targets: Labels | None, rows: Int64[Tensor, " some"], count: int) -> Int64[Tensor, " some"] | None:
    """Return the targets of some of `count` images."""
    if targets is not None and tuple(targets.shape) != (count,):
        raise UsageError(f"targets must be shaped ({count},); got {tuple(targets.shape)}: give one for each image")
    return None if targets is None else targets.to(rows.device)[rows]
