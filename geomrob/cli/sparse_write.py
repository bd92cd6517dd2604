"""The files of `geomrob sparsefool`: results, a csv, the changed images exactly and as PNG, galleries."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli.sparse_report import IMAGE, named, to_csv
from geomrob.cli.write import slug, write_picture

if TYPE_CHECKING:
    import torch

    from geomrob.results import Sparsity


def write_all(found: "Sequence[Sparsity]", stored: "Sequence[Sparsity]", folder: Path) -> list[Path]:
    """Return the files that now hold the results, the csv, and the changed images; of several models, each by name.

    Args:
        found: What is reported.
        stored: The same as 8 bits hold it (`exported`), for the images: what each file is called is what it does.
        folder: Where to; images of an earlier run are removed.
    """
    from geomrob.files import write_atomic
    from geomrob.results import save
    from geomrob.runs import writable

    files: list[Path] = []
    for one, rounded, end in zip(found, stored, _endings(found), strict=True):
        page = save(one, folder / f"sparsefool{end}.json")
        exact = folder / f"adversarial{end}.npz"
        write_atomic(exact, _packed(one))
        files += [page, page.with_suffix(".npz"), exact, *_write_images(rounded, writable(folder / f"images{end}"))]
    table = folder / "sparsefool.csv"
    write_atomic(table, to_csv(found).encode())
    return [*files, table]


def write_galleries(found: "Sequence[Sparsity]", path: Path) -> list[Path]:
    """Return the pictures of examples from few to many pixels, one a model that was fooled at all.

    Where none was, the picture of an earlier run is removed: it would say something else than the table.
    """
    from geomrob.plot.sparse_gallery import plot_gallery

    files: list[Path] = []
    for one, end in zip(found, _endings(found), strict=True):
        place = path.with_stem(path.stem + end)
        if bool(one.attack.success.any()):
            files.append(write_picture(plot_gallery(one), place))
        else:
            place.unlink(missing_ok=True)
    return files


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
    """Return the changed images as PNG files, named by position in the source, class before and class after.

    Those of an earlier run go first: the folder holds one run, whatever its images are called.
    """
    from geomrob.files import write_atomic

    for old in folder.iterdir():
        if IMAGE.fullmatch(old.name):
            old.unlink()
    files: list[Path] = []
    for i in one.attack.success.nonzero().flatten().tolist():
        classes = [int(label[i]) for label in (one.attack.labels, one.found)]
        before, after = (slug(named(one, label), otherwise=str(label)) for label in classes)
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
