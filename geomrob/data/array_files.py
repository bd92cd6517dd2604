"""Images that a user brings in a file of arrays: `.npz` with `x` and `y`."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from geomrob.data.entry import Samples, check_labels, sample_positions, to_images
from geomrob.errors import UsageError


def read_npz(path: Path, split: str, samples: int | None, seed: int) -> Samples:
    """Return the images `x` and labels `y` of an `.npz` file; `classes` in it, if any, names the labels.

    `x` is uint8, or float in [0, 1], shaped (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels.

    Raises:
        UsageError: Not such a file, NaN, values outside [0, 1], labels that do not fit, too many samples.
    """
    if split != "test":
        raise UsageError(f"split must be test for {path}; got {split!r}: keep each split in a file of its own")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("x", "y", "classes") if key in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} must be a readable .npz file of plain arrays; got {error}: write it again") from None
    if "x" not in arrays or "y" not in arrays:
        raise UsageError(f"{path} must hold x (images) and y (labels); got {sorted(arrays) or 'neither'}: add them")
    images, labels = _channels_first(arrays["x"], path), arrays["y"]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"y of {path} must be integers (N,); got {labels.dtype} {labels.shape}: store class numbers")
    labels = labels.astype(np.int64)
    names = arrays.get("classes", np.arange(int(labels.max(initial=0)) + 1))
    classes = tuple(str(name) for name in names.tolist())
    check_labels(labels, len(images), classes, str(path))
    chosen = sample_positions(len(labels), samples, seed)
    drawn = to_images(images[chosen.numpy()])
    return Samples(drawn, torch.from_numpy(labels)[chosen], classes, chosen, str(path))


def _channels_first(x: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    """Return `x` as (N, C, H, W) after checking its type, its range and its axes."""
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise UsageError(f"x of {path} must be uint8 or float in [0, 1]; got {x.dtype}: convert it")
    if x.dtype != np.uint8 and x.size:
        bad = int((~np.isfinite(x)).reshape(len(x), -1).any(1).sum())
        if bad:
            raise UsageError(f"x of {path} must be finite; got NaN or infinity in {bad} images: leave these out")
        low, high = float(x.min()), float(x.max())
        if low < 0 or high > 1:
            raise UsageError(f"x of {path} must lie in [0, 1]; got [{low:.3g}, {high:.3g}]: divide 8-bit values by 255")
    if x.ndim == 3:
        return x[:, None]
    first, last = (x.ndim == 4 and x.shape[axis] in (1, 3) for axis in (1, 3))
    if first == last:
        shape = f"{x.shape}, where the channels {'could be either' if first else 'are neither'}"
        raise UsageError(
            f"x of {path} must be (N, H, W), (N, H, W, C) or (N, C, H, W); got {shape}: move the 1 or 3 channels last"
        )
    return x if first else x.transpose(0, 3, 1, 2)
