"""Adversarial images of few changed pixels as files: exactly as npz, rounded as 8-bit PNG."""

import io
import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from geomrob.files import write_atomic
from geomrob.results import Sparsity
from geomrob.runs import writable
from geomrob.tables import slug

IMAGE = re.compile(r"\d{5,}-.+-to-.+\.png")
"""What the file of an adversarial image is called."""


def to_npz(found: Sparsity) -> bytes:
    """Return the fooled images as an npz file that `load_data` takes: x, y (true labels), classes, and what was left.

    Args:
        found: What an attack did to some images, exact or rounded.
    """
    kept, result = found.result.success, found.result
    tensors = {
        "x": result.perturbed,
        "clean": result.inputs,
        "y": found.labels,
        "before": result.labels,
        "after": found.found,
        "indices": found.indices,
    }
    arrays = {name: values[kept].numpy() for name, values in tensors.items()}
    if found.classes:
        arrays["classes"] = np.asarray(found.classes)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_png(found: Sparsity, folder: Path) -> list[Path]:
    """Write the images that are still adversarial with 8 bits a channel as PNG files and return their paths.

    They are named by position in the source, class before and class after: 00410-Shirt-to-Bag.png. Those of an earlier
    run go when these are written: the folder then holds one run, whatever its images are called; other files stay.

    Args:
        found: What an attack did to some images.
        folder: Where to; made if it is missing.

    Raises:
        UsageError: The folder cannot be written to.
    """
    earlier = {old for old in writable(folder).iterdir() if IMAGE.fullmatch(old.name)}
    files = {folder / name: content for name, content in png_files(found).items()}
    for path, content in files.items():
        write_atomic(path, content)
    for old in earlier.difference(files):
        old.unlink()
    return list(files)


def png_files(found: Sparsity) -> dict[str, bytes]:
    """Return the images that are still adversarial with 8 bits a channel, as PNG files by the names of `write_png`."""
    result, files = found.stored, dict[str, bytes]()
    before, after = (
        [slug(name, otherwise=str(label)) for name, label in zip(found.names(labels), labels.tolist(), strict=True)]
        for labels in (result.labels, found.stored_found)
    )
    for i in result.success.nonzero().flatten().tolist():
        files[f"{int(found.indices[i]):05d}-{before[i]}-to-{after[i]}.png"] = png(result.perturbed[i])
    return files


def png(image: Float[Tensor, "c h w"]) -> bytes:
    """Return an image in [0, 1], grey or RGB, as the bytes of an 8-bit PNG file."""
    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = levels[0] if len(levels) == 1 else levels.movedim(0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(buffer, format="png")
    return buffer.getvalue()
