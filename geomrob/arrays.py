"""The vocabulary of tensors: what an image batch, a label, a logit, a bound and a model are, and how they are measured.

Everything else in geomrob is written in these terms. Images are float tensors (N, C, H, W) in [0, 1] *before* any
normalisation (a model normalises inside), labels are int64 (N,), logits are float (N, K).
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.errors import UsageError

Images: TypeAlias = Float[Tensor, "n c h w"]
Labels: TypeAlias = Int64[Tensor, " n"]
Logits: TypeAlias = Float[Tensor, "n k"]
Distances: TypeAlias = Float[Tensor, " n"]
Bounds: TypeAlias = tuple[float | Tensor, float | Tensor]
Model: TypeAlias = Callable[[Tensor], Tensor]

CHECKED = 64
"""How many images are checked together where they are read for it."""


def norms(perturbations: Float[Tensor, "n *shape"], p: float = 2) -> Distances:
    """Return the l_p norm of each perturbation, over all its elements.

    Args:
        perturbations: One perturbation a row, any trailing shape.
        p: Order of the norm: 0 (elements that are not zero), 1, 2, any p > 0, or `math.inf`.

    Example:
        >>> norms(torch.tensor([[3.0, 4.0], [0.0, 2.0]])).tolist()
        [5.0, 2.0]
    """
    return torch.linalg.vector_norm(perturbations.flatten(1), ord=p, dim=1)


def per_sample(values: Float[Tensor, " n"] | Tensor, like: Tensor) -> Tensor:
    """Return `values` (N,) viewed as (N, 1, ..., 1), to multiply a batch shaped as `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def check_norm(norm: float) -> float:
    """Return `norm` if it is one that the attacks can minimise: 1, 2 or infinity."""
    if norm not in (1, 2, math.inf):
        raise UsageError(f"norm must be 1, 2 or inf; got {norm}: pass one of these")
    return float(norm)


def check_images(inputs: Tensor, bounds: Bounds | None = (0.0, 1.0), *, name: str = "inputs", first: int = 0) -> None:
    """Refuse what is no image batch, in one sentence.

    Args:
        inputs: What should be (N, C, H, W) floats; those that are read when they are used, a few at a time.
        bounds: The range each element must lie in; None leaves the range open.
        name: Name of the caller's argument.
        first: Position of the first of them, where they are a part of the caller's images.

    Raises:
        UsageError: Wrong rank or type, no image, NaN or infinity, or a value outside `bounds`.
    """
    if inputs.ndim != 4:
        raise UsageError(f"{name} must be shaped (N, C, H, W); got {tuple(inputs.shape)}: add the missing axes")
    if not inputs.is_floating_point():
        raise UsageError(f"{name} must be floats in [0, 1]; got {inputs.dtype}: divide 8-bit images by 255")
    if inputs.numel() == 0:
        raise UsageError(
            f"{name} must hold at least one image; got shape {tuple(inputs.shape)}: select at least one image"
        )
    if type(inputs) is not Tensor and len(inputs) > CHECKED:
        for number, part in enumerate(inputs.split(CHECKED)):
            check_images(part, bounds, name=name, first=number * CHECKED)
        return
    inputs = inputs[:]
    if not bool(torch.isfinite(inputs).all()):
        bad = ((~torch.isfinite(inputs)).flatten(1).any(1).nonzero().flatten() + first).tolist()
        raise UsageError(f"{name} must be finite; got NaN or infinity in images {_few(bad)}: leave these out")
    if bounds is None:
        return
    low, high = bounds
    if bool((inputs < low).any()) or bool((inputs > high).any()):
        span = f"[{float(inputs.min()):.3g}, {float(inputs.max()):.3g}]"
        wanted = f"({low:g}, {high:g})" if not isinstance(low, Tensor) and not isinstance(high, Tensor) else "given"
        raise UsageError(f"{name} must lie in bounds {wanted}; got {span}: pass images before normalisation")


def _few(indices: list[int]) -> str:
    """Return the first indices of a list as text, and how many more there are."""
    shown = ", ".join(str(i) for i in indices[:5])
    return shown if len(indices) <= 5 else f"{shown} and {len(indices) - 5} more"
