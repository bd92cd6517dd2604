"""The vocabulary of tensors: what an image batch, a label, a logit, a bound and a model are, and how they are measured.

Everything else in geomrob is written in these terms. Images are float tensors (N, C, H, W) in [0, 1] *before* any
normalisation (a model normalises inside), labels are int64 (N,), logits are float (N, K).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast, overload

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from geomrob.errors import UsageError, note

Images: TypeAlias = Float[Tensor, "n c h w"]
Labels: TypeAlias = Int64[Tensor, " n"]
Logits: TypeAlias = Float[Tensor, "n k"]
ImagesLike: TypeAlias = Tensor | NDArray[np.generic] | Sequence[object]
"""What a caller may give for images or, below, for labels: `as_images` and `as_labels` make tensors of it."""

LabelsLike: TypeAlias = Tensor | NDArray[np.generic] | Sequence[object]
Distances: TypeAlias = Float[Tensor, " n"]
Bounds: TypeAlias = tuple[float | Tensor, float | Tensor]
Model: TypeAlias = Callable[[Tensor], Tensor]

LARGEST = 1e6
"""Lengths and strengths in [0, 1] pixel units lie below it: single precision loses the image in a larger one."""

MOST = 2**31 - 1
"""Largest count that an option may ask for."""

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
    if not is_number(norm) or norm not in (1, 2, math.inf):
        raise UsageError(f"norm must be 1, 2 or inf; got {norm!r}: pass one of these numbers")
    return float(norm)


def is_number(value: object) -> bool:
    """Return whether an option is one number, also of numpy or torch, and not its text."""
    return isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray | Tensor) and value.ndim == 0 and bool(np.isreal(np.asarray(value)))
    )


def check_number(
    name: str, value: float, least: float, advice: str, *, above: bool = False, most: float = LARGEST
) -> float:
    """Return an option that measures something as a float.

    Args:
        name, value: The option and what was given.
        least: Smallest number allowed, or with `above` the largest one that is not.
        advice: What to do instead, the end of the sentence.
        above: Whether `least` itself is refused.
        most: Where numbers begin that are too large.

    Raises:
        UsageError: Out of range, NaN, or no number.
    """
    number = float(min(value, 2 * most)) if is_number(value) else math.nan
    if not (least < number if above else least <= number) or number >= most:
        bound = "above" if above else "at least"
        raise UsageError(f"{name} must be {bound} {least:g} and below {most:g}; got {value!r}: {advice}")
    return number


def check_count(name: str, value: float, least: int, advice: str, unit: str = "", *, most: int = MOST) -> int:
    """Return an option that counts something as an int, also where it came as a float or a number of numpy.

    Args:
        name, value: The option and what was given.
        least: Smallest count allowed.
        advice: What to do instead of a smaller one, the end of the sentence.
        unit: What is counted, with a blank before it.
        most: Largest count allowed, by default that of 32 bits.

    Raises:
        UsageError: A fraction, NaN, infinity or no number; a count under `least` or over `most`.
    """
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        count = None
    if count is None or count != value:
        of = unit.replace(" ", " of ", 1)
        raise UsageError(f"{name} must be a whole number{of}; got {value!r}: give at least {least}, without a fraction")
    if count < least:
        raise UsageError(f"{name} must be at least {least}{unit}; got {count}: {advice}")
    if count > most:
        raise UsageError(f"{name} must be at most {most}{unit}; got {count}: give a smaller one")
    return count


def as_images(images: ImagesLike, *, name: str = "inputs") -> Tensor:
    """Return images given as a tensor, a numpy array or a list of either, as floats of 32 or 64 bits.

    8-bit images are divided by 255, half precision becomes float32; both are noted. No value is checked.

    Raises:
        UsageError: What came is no array of numbers.

    Example:
        >>> as_images([np.zeros((1, 4, 4), np.float32)] * 2).shape
        torch.Size([2, 1, 4, 4])
    """
    tensor = _as_tensor(images, name)
    if tensor.dtype == torch.uint8:
        note(f"{name} are 8-bit images: divided by 255")
        return tensor.float() / 255
    if tensor.dtype in (torch.float16, torch.bfloat16):
        note(f"{name} are {tensor.dtype}: searched in torch.float32")
        return tensor.float()
    return tensor


@overload
def as_labels(labels: LabelsLike, *, name: str = "labels") -> Labels: ...
@overload
def as_labels(labels: LabelsLike | None, *, name: str = "labels") -> Labels | None: ...
def as_labels(labels: LabelsLike | None, *, name: str = "labels") -> Labels | None:
    """Return labels given as a tensor, a numpy array or a list of whole numbers, as int64; None for None.

    Raises:
        UsageError: What came is no array of whole numbers.

    Example:
        >>> as_labels([3, 1]), as_labels(np.array([3, 1], np.uint8))
        (tensor([3, 1]), tensor([3, 1]))
    """
    if labels is None:
        return None
    tensor = _as_tensor(labels, name)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise UsageError(f"{name} must be whole numbers; got {tensor.dtype}: give one for each image")
    return tensor.to(torch.int64)


def check_images(
    inputs: ImagesLike, bounds: Bounds | None = (0.0, 1.0), *, name: str = "inputs", first: int = 0
) -> Tensor:
    """Return the images as `as_images` does; refuse what is no image batch, in one sentence.

    Args:
        inputs: What should be (N, C, H, W) floats; those that are read when they are used, a few at a time.
        bounds: The range each element must lie in; None leaves the range open.
        name: Name of the caller's argument.
        first: Position of the first of them, where they are a part of the caller's images.

    Raises:
        UsageError: Wrong rank or type, no image, NaN or infinity, or a value outside `bounds`.
    """
    images = as_images(inputs, name=name)
    if images.ndim != 4:
        raise UsageError(f"{name} must be shaped (N, C, H, W); got {tuple(images.shape)}: add the missing axes")
    if not images.is_floating_point():
        raise UsageError(f"{name} must be floats in [0, 1]; got {images.dtype}: divide 8-bit images by 255")
    if images.numel() == 0:
        raise UsageError(
            f"{name} must hold at least one image; got shape {tuple(images.shape)}: select at least one image"
        )
    if type(images) is not Tensor and len(images) > CHECKED:
        for number, part in enumerate(images.split(CHECKED)):
            box = None if bounds is None else bounds_of(bounds, slice(number * CHECKED, (number + 1) * CHECKED))
            check_images(part, box, name=name, first=number * CHECKED)
        return images
    read = images[:]
    if not bool(torch.isfinite(read).all()):
        bad = ((~torch.isfinite(read)).flatten(1).any(1).nonzero().flatten() + first).tolist()
        raise UsageError(f"{name} must be finite; got NaN or infinity in images {_few(bad)}: leave these out")
    if bounds is not None:
        _check_bounds(read, bounds, name)
    return images


def check_pair(bounds: object) -> Bounds:
    """Return bounds as a pair of low and high, numbers or tensors.

    Raises:
        UsageError: They are not two numbers, arrays or tensors, or NaN.
    """
    several = isinstance(bounds, Sequence | np.ndarray | Tensor) and not isinstance(bounds, str)
    sides = tuple(cast("Sequence[Any]", bounds)) if several and getattr(bounds, "ndim", 1) else ()
    if len(sides) != 2 or not all(isinstance(side, int | float | np.number | np.ndarray | Tensor) for side in sides):
        raise UsageError(f"bounds must be two numbers or tensors, low and high; got {bounds!r}: (0, 1) is usual")
    if any(bool(torch.as_tensor(side).isnan().any()) for side in sides):
        raise UsageError("bounds must be numbers; got NaN: check how they were computed")
    low, high = (torch.as_tensor(side) if isinstance(side, np.ndarray) else side for side in sides)
    return low, high


def bounds_of(bounds: Bounds, piece: slice) -> Bounds:
    """Return the bounds of some images: tensors with one row an image are cut, all else is shared."""
    low, high = (
        side[piece] if isinstance(side, Tensor) and side.ndim == 4 and len(side) > 1 else side for side in bounds
    )
    return low, high


def check_box(low: Tensor, high: Tensor, images: Images) -> None:
    """Refuse bounds that are no box around images of this shape, whether these are in it or not.

    Raises:
        UsageError: A shape that does not spread to the images, or a low bound above its high one.
    """
    try:
        low, high = low.expand_as(images), high.expand_as(images)
    except RuntimeError:
        raise UsageError(
            f"bounds must be numbers or shaped as the inputs {tuple(images.shape)}; got {tuple(low.shape)} and "
            f"{tuple(high.shape)}: pass one value for all elements or one for each"
        ) from None
    if bool((low > high).any()):
        worst = int((low - high).flatten().argmax())
        raise UsageError(
            f"bounds must have low <= high; got low {float(low.flatten()[worst]):.3g} above high "
            f"{float(high.flatten()[worst]):.3g}: swap them"
        )


def _check_bounds(images: Tensor, bounds: Bounds, name: str) -> None:
    """Refuse images outside the bounds, with the advice that fits them."""
    low, high = (side.to(images) if isinstance(side, Tensor) else side for side in check_pair(bounds))
    check_box(torch.as_tensor(low), torch.as_tensor(high), images)
    if not bool((images < low).any()) and not bool((images > high).any()):
        return
    least, most = float(images.min()), float(images.max())
    wanted, advice = "given", "move the images or the bounds"
    if not isinstance(low, Tensor) and not isinstance(high, Tensor):
        wanted = f"({low:g}, {high:g})"
        advice = "pass images before normalisation, which belongs into the model"
        if least >= 0 and 2 < most <= 65535:
            advice = f"divide {'8-bit values by 255' if most <= 255 else '16-bit values by 65535'}"
    raise UsageError(f"{name} must lie in bounds {wanted}; got [{least:.3g}, {most:.3g}]: {advice}")


def _as_tensor(values: ImagesLike, name: str) -> Tensor:
    """Return a tensor, an array or a list of these as one tensor; arrays of native byte order share their memory."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, (list, tuple)):
        tensors = [one for one in values if isinstance(one, Tensor)]
        if tensors and len(tensors) == len(values) and len({one.shape for one in tensors}) == 1:
            return torch.stack(tensors)
    try:
        array = np.asarray(values)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return torch.from_numpy(np.ascontiguousarray(array) if array.flags.writeable else array.copy())
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(values).__name__
        raise UsageError(
            f"{name} must be a tensor, an array or a list of equal shapes; got {kind}: stack it to one array"
        ) from error


def _few(indices: list[int]) -> str:
    """Return the first indices of a list as text, and how many more there are."""
    shown = ", ".join(str(i) for i in indices[:5])
    return shown if len(indices) <= 5 else f"{shown} and {len(indices) - 5} more"
