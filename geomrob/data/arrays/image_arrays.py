"""Arrays of images in any layout and number type as float images (N, C, H, W) in [0, 1]; conversions are noted."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geomrob.data.arrays.label_arrays import class_numbers
from geomrob.data.entry import Samples, sample_positions, to_images
from geomrob.data.lazy import AT_ONCE, LazyImages
from geomrob.errors import UsageError

Scale: TypeAlias = Callable[[NDArray[Any]], Tensor]

# Bytes that are looked through at once.
PART = 2**24
# Rounding in an edit of images leaves values this far outside [0, 1].
ROUNDING = 1e-4


@dataclass(frozen=True)
class Rows:
    """An array of which only the rows (entries along its first axis) at given positions are read.

    `take` maps positions (M,) int64 to an array (M, ...) of `dtype` and costs memory for M rows only. Where it reads
    all rows on its way, `direct` returns rows of which each is read alone.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    take: Callable[[NDArray[np.int64]], NDArray[Any]]
    direct: "Callable[[], Rows] | None" = None

    def all(self) -> NDArray[Any]:
        """Return every row."""
        return self.take(np.arange(self.shape[0]))


def rows_of(array: NDArray[Any] | Tensor) -> Rows:
    """Return the rows of an array or tensor in memory; bfloat16 is read as float32, which holds its values exactly."""
    if not isinstance(array, Tensor):
        return Rows(array.shape, array.dtype, lambda positions: np.asarray(array[positions]))
    wide = array.dtype == torch.bfloat16
    try:
        dtype = np.dtype(np.float32) if wide else torch.empty(0, dtype=array.dtype).numpy().dtype
    except (TypeError, RuntimeError):
        dtype = None
    if dtype is None or array.layout != torch.strided or array.is_meta or array.is_quantized:
        kind = f"{array.dtype} {array.layout} on {array.device}"
        raise UsageError(
            f"tensors must be dense numbers that numpy knows; got {kind}: convert with .to_dense().float()"
        )

    def take(positions: NDArray[np.int64]) -> NDArray[Any]:
        part = array.detach()[torch.from_numpy(positions).to(array.device)].cpu()
        return (part.float() if wide else part).numpy()

    return Rows(tuple(array.shape), dtype, take)


def samples_from(
    images: Rows,
    labels: Any,
    classes: Sequence[str] | None,
    source: str,
    samples: int | None,
    seed: int,
    *,
    name: str = "x",
    notes: Sequence[str] = (),
) -> Samples:
    """Return the drawn images and their labels, of which only the labels are read whole.

    Args:
        images: In any layout and type that `pixels` takes.
        labels: In any kind that `class_numbers` takes.
        classes: Names of the classes, if they are known.
        source: What is read: the name of the samples.
        samples, seed: Of the draw.
        name: What the array of images is called.
        notes: What was said before.

    Raises:
        UsageError: Images or labels that cannot be read for certain, too many samples.
    """
    what = f"{name} of {source}"
    if images.dtype.kind in "OV":
        images.take(np.arange(0))
    channels_last(images.shape, what)  # What cannot be read is reported before anything is.
    numbers, names, said = class_numbers(labels, images.shape[0], source, classes)
    chosen = sample_positions(len(numbers), samples, seed)
    tensor, converted = _read(images, chosen.numpy(), what)
    every = (*notes, *said, *converted)
    return Samples(tensor, torch.from_numpy(numbers)[chosen], names, chosen, source, notes=every)


def _read(images: Rows, positions: NDArray[np.int64], what: str) -> tuple[Tensor, tuple[str, ...]]:
    """Return the images at positions as `pixels` does; many are looked through now and read when they are used."""
    if 4 * len(positions) * math.prod(images.shape[1:]) <= AT_ONCE:
        return pixels(channels_first(images.take(positions), what), what)
    rows = images.direct() if images.direct is not None else images
    scale, notes = _scaling(rows.dtype, _parts(rows, positions), what)

    def read(row: int) -> Tensor:
        return scale(channels_first(rows.take(positions[row : row + 1]), what))[0]

    return LazyImages(read, len(positions), read(0).shape), notes


def channels_first(array: NDArray[Any], what: str) -> NDArray[Any]:
    """Return images of any layout as (N, C, H, W).

    Raises:
        UsageError: As `channels_last`.
    """
    last = channels_last(array.shape, what)
    return array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2) if last else array


def channels_last(shape: Sequence[int], what: str) -> bool:
    """Return whether images of `shape` are (N, H, W, C), and not (N, C, H, W) or (N, H, W).

    Raises:
        UsageError: None of these with 1 or 3 channels, or two of them.
    """
    shape = tuple(shape)
    wanted = f"{what} must be (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels; got {shape}"
    if 0 in shape[1:]:
        raise UsageError(f"{wanted}, which holds no pixels: replace it")
    if len(shape) == 2:
        sides = [(channels, round((shape[1] / channels) ** 0.5)) for channels in (1, 3)]
        fit = [f"(-1, {c}, {side}, {side})" for c, side in sides if c * side * side == shape[1] and side > 1]
        raise UsageError(
            f"{wanted}, which is flat or a single image: reshape it{', perhaps to ' + fit[0] if fit else ''}"
        )
    if len(shape) == 3:
        return False
    if len(shape) != 4:
        raise UsageError(f"{wanted}: {'keep one slice of each volume' if len(shape) == 5 else 'add the missing axes'}")
    first, last = (shape[axis] in (1, 3) for axis in (1, 3))
    if first and last:
        raise UsageError(
            f"{wanted}, where the channels could be either: {shape[1]} of {shape[2]}x{shape[3]} pixels (N, C, H, W) or "
            f"{shape[3]} of {shape[1]}x{shape[2]} (N, H, W, C): pass geomrob.Samples, whose images are (N, C, H, W)"
        )
    if not first and not last:
        advice = {2: "keep the grey values without their alpha", 4: "leave the alpha channel out, as in x[..., :3]"}
        hint = advice.get(min(shape[1], shape[3]), "keep 1 or 3 channels")
        raise UsageError(f"{wanted}, where the channels are neither: {hint}")
    return last


def pixels(array: NDArray[Any], what: str) -> tuple[Tensor, tuple[str, ...]]:
    """Return images (N, C, H, W) of any number type as float32 in [0, 1], and notes of what was converted.

    Bytes are divided by 255, 16-bit integers by 65,535, wider integers that hold bytes by 255; floats must lie in
    [0, 1].

    Raises:
        UsageError: No numbers, NaN or infinity, a range that is not known for certain.

    Example:
        >>> pixels(np.full((1, 1, 1, 2), 65535, np.uint16), "x of mine")
        (tensor([[[[1., 1.]]]]), ('x of mine is uint16: divided by 65535',))
    """
    scale, notes = _scaling(array.dtype, _parts(rows_of(array), np.arange(len(array))), what)
    if array.dtype == np.uint8 and array.max() == 1:
        notes = (f"{what} is uint8 of 0 and 1, divided by 255 and so nearly black: save masks as bool",)
    return scale(array), notes


def _scaling(dtype: np.dtype[Any], parts: Iterable[NDArray[Any]], what: str) -> tuple[Scale, tuple[str, ...]]:
    """Return what turns images of a type into floats in [0, 1], and notes of it; `parts` are looked through once."""
    if dtype == np.uint8:
        return to_images, ()
    if dtype.kind == "b":
        return to_images, (f"{what} is true and false: taken as 1 and 0",)
    if dtype.kind not in "iuf":
        raise UsageError(f"{what} must be numbers in [0, 1] or bytes; got {dtype}: convert it")
    lows, highs, bad = [], [], 0
    for part in parts:
        finite = np.isfinite(part)
        bad += int((~finite).reshape(len(part), -1).any(1).sum())
        lows.append(part.min(where=finite, initial=np.inf if dtype.kind == "f" else np.iinfo(dtype).max))
        highs.append(part.max(where=finite, initial=-np.inf if dtype.kind == "f" else np.iinfo(dtype).min))
    if bad:
        raise UsageError(f"{what} must be finite; got NaN or infinity in {bad} images: leave these out")
    if dtype.kind == "f":
        return _floats(float(min(lows)), float(max(highs)), what)
    return _integers(dtype, int(min(lows)), int(max(highs)), what)


def _integers(dtype: np.dtype[Any], low: int, high: int, what: str) -> tuple[Scale, tuple[str, ...]]:
    """Return the scaling of integers other than bytes in [low, high], by what is white."""
    sixteen = dtype.itemsize == 2 and dtype.kind == "u"
    if low < 0 or (high > 255 and not sixteen):
        advice = "add 128 and save them as uint8" if dtype.itemsize == 1 else "divide by the value of white"
        raise UsageError(f"{what} must be bytes or floats in [0, 1]; got {dtype} in [{low}, {high}]: {advice}")
    if high <= 1:
        kind = f"{dtype} of 0 and 1"
        raise UsageError(f"{what} must be bytes or floats in [0, 1]; got {kind}: save floats, or masks as bool")
    if dtype.itemsize == 1:
        raise UsageError(f"{what} must be bytes or floats in [0, 1]; got int8, which ends at 127: save it as uint8")
    white = 65535 if high > 255 else 255
    said = f"{what} is {dtype}: divided by {white}" + ("" if white > 255 else ", as no value is above 255")

    def scale(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy((array.astype(np.float64) / white).astype(np.float32))

    return scale, (said,)


def _floats(low: float, high: float, what: str) -> tuple[Scale, tuple[str, ...]]:
    """Return the scaling of floats in [low, high], which must be [0, 1] but for rounding."""
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise UsageError(f"{what} must lie in [0, 1]; got [{low:.3g}, {high:.3g}]: {_advice(low, high)}")
    if low >= 0 and high <= 1:
        return to_images, ()
    said = f"{what} leaves [0, 1] by rounding ([{low:.6g}, {high:.6g}]): clipped"
    return (lambda array: to_images(array).clamp_(0, 1)), (said,)


def _advice(low: float, high: float) -> str:
    """Return what to do with floats in [low, high]."""
    if low >= 0 and high > 20:
        return "they look like 8-bit values, divide them by 255" if high <= 255 else "divide by the value of white"
    if low >= 0:
        return "clip them, divide by the value of white, or undo their normalisation (x * std + mean)"
    if high <= 1 and low >= -1 and high - low > 1:
        return "they look scaled to [-1, 1], pass (x + 1) / 2, or x * std + mean if they were normalised otherwise"
    if high <= 10 and low >= -10:
        return "they look normalised, pass x * std + mean: the model normalises them itself"
    return "pass pixels before any normalisation"


def _parts(rows: Rows, positions: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """Yield the rows at positions in parts, so that what is computed of them stays small."""
    step = max(1, PART // max(1, math.prod(rows.shape[1:]) * rows.dtype.itemsize))
    for start in range(0, len(positions), step):
        yield rows.take(positions[start : start + step])
