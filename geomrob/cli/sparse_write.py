"""The files of `geomrob sparsefool`: results, a csv, the changed images exactly and as PNG, galleries."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli.sparse_report import named, to_csv
from geomrob.cli.write import slug, write_picture

if TYPE_CHECKING:
    import torch

    from geomrob.results import Sparsity


def write_all(found: "Sequence[Sparsity]", folder: Path) -> list[Path]:
    """Return the files that now hold the results, the csv, and the changed images; of several models, each by name."""
    from geomrob.files import write_atomic
    from geomrob.results import save
    from geomrob.runs import writable

    files: list[Path] = []
    for one, end in zip(found, _endings(found), strict=True):
        page = save(one, folder / f"sparsefool{end}.json")
        exact = folder / f"adversarial{end}.npz"
        write_atomic(exact, _packed(one))
        files += [page, page.with_suffix(".npz"), exact, *_write_images(one, writable(folder / f"images{end}"))]
    table = folder / "sparsefool.csv"
    write_atomic(table, to_csv(found).encode())
    return [*files, table]


def write_galleries(found: "Sequence[Sparsity]", path: Path) -> list[Path]:
    """Return the pictures of examples from few to many pixels, one a model that was fooled at all."""
    from geomrob.plot.gallery import plot_gallery

    fooled = [(one, end) for one, end in zip(found, _endings(found), strict=True) if bool(one.attack.success.any())]
    return [write_picture(plot_gallery(one), path.with_stem(path.stem + end)) for one, end in fooled]


def _endings(found: "Sequence[Sparsity]") -> list[str]:
    """Return what tells the files of several models apart."""
    return [""] if len(found) == 1 else [f"-{slug(one.model)}" for one in found]


def _packed(one: "Sparsity") -> bytes:
    """Return the images that were fooled as an npz file that `--data` takes: x, y (true labels), classes, and more."""
    import numpy as np

    kept = one.attack.success
    arrays = {
        "x": one.attack.perturbed[kept],
        "clean": one.attack.inputs[kept],
        "y": one.labels[kept],
        "before": one.attack.labels[kept],
        "after": one.found[kept],
        "indices": one.indices[kept],
    }
    buffer = io.BytesIO()
    named_arrays = {name: value.numpy() for name, value in arrays.items()}
    if one.classes:
        named_arrays["classes"] = np.asarray(one.classes)
    np.savez_compressed(buffer, allow_pickle=False, **named_arrays)
    return buffer.getvalue()


def _write_images(one: "Sparsity", folder: Path) -> list[Path]:
    """Return the changed images as 8-bit PNG files, named by position in the source, class before and class after."""
    from geomrob.files import write_atomic

    files: list[Path] = []
    for i in one.attack.success.nonzero().flatten().tolist():
        before, after = (slug(named(one, int(label[i]))) for label in (one.attack.labels, one.found))
        path = folder / f"{int(one.indices[i]):05d}-{before}-to-{after}.png"
        write_atomic(path, _png(one.attack.perturbed[i]))
        files.append(path)
    return files


def _png(image: "torch.Tensor") -> bytes:
    """Return an image (C, H, W) in [0, 1], grey or RGB, as the bytes of an 8-bit PNG file."""
    import torch
    from PIL import Image

    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = levels[0] if len(levels) == 1 else levels.movedim(0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(buffer, format="png")
    return buffer.getvalue()
