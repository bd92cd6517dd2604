"""A whole data set under corruptions, on disk in the layout of the distributed ones."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from geomrob import __version__
from geomrob.data import DATASETS, load_data
from geomrob.data.class_names import CLASSES_FILE
from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES, chosen_table, corrupt
from geomrob.data.corruptions.precomputed import MANIFEST, read_manifest
from geomrob.data.entry import Samples, sample_positions
from geomrob.data.folder_layout import Listing, list_folder
from geomrob.data.image_files import BROKEN
from geomrob.errors import UsageError, unknown
from geomrob.files import user_path, write_atomic
from geomrob.results import CorruptedSet

Progress = Callable[[int, int], None]
# Images of a folder that are held at once, and images of an array that are made 8-bit at once.
AT_ONCE = 64
BLOCK = 1024


def write_corrupted(
    data: str | Path,
    out: Path,
    *,
    names: Sequence[str] = tuple(CORRUPTIONS),
    data_dir: str | Path | None = None,
    samples: int | None = None,
    seed: int = 0,
    table: str = "auto",
    form: Literal["jpeg", "png"] = "jpeg",
    progress: Progress = lambda _done, _total: None,
) -> CorruptedSet:
    """Write a data set under corruptions at all five severities; return what is on disk and what was left out.

    A known data set or an `.npz` file becomes `NAME.npy`, (5 N, H, W, C) bytes, severity after severity, and
    `labels.npy`, the labels five times (the layout of CIFAR-10-C). A folder of images becomes
    `NAME/SEVERITY/class/image` (the layout of ImageNet-C), and the names of the classes `NAME/SEVERITY/classes.txt`. A
    note in the folder says that geomrob made it, and how. Corruptions that are already there with the same settings
    are kept, so that a stopped run is resumed. Every class has its folder and its name, also where no image of it was
    drawn, so that reading the set numbers the classes alike.

    Args:
        data, data_dir, samples: As in `load_data`.
        out: Where to write; a new folder, or one that was begun with the same settings.
        names: Rows of `CORRUPTIONS`.
        seed: Of the draw and of everything random.
        table: As in `corrupt`.
        form: Of the images of a folder: JPEG of quality 85, as ImageNet-C, or PNG without loss.
        progress: Is called with how many corruptions are done.

    Raises:
        UsageError: As `load` and `corrupt`; or `out` holds something else.
    """
    for name in names:
        if name not in CORRUPTIONS:
            raise unknown("corruption", name, CORRUPTIONS)
    folder = str(data) not in DATASETS and user_path(data, "data").is_dir()
    settings = {"data": str(data), "samples": samples, "seed": seed, "table": table}
    # What cannot be read is reported before anything is written.
    clean = None if folder else load_data(data, data_dir=data_dir, samples=samples, seed=seed)
    if clean is None:
        count = len(sample_positions(len(list_folder(Path(data).expanduser(), "test").files), samples, seed))
    else:
        count = len(clean)
        chosen_table(table, *clean.images.shape[-2:])
    layout = form if folder else "npy"
    note = _begin(out, {**settings, "form": layout})
    for done, name in enumerate(names):
        progress(done, len(names))
        if name in note["finished"]:
            continue
        if clean is None:
            note["left_out"] += _write_folder(Path(data).expanduser(), out, name, samples, seed, table, form)
        else:
            note["classes"] = clean.classes
            _write_labels(clean.labels, len(clean.classes), out)
            _write_arrays(clean.images, clean.indices, out, name, seed, table)
        note["finished"].append(name)
        note["left_out"] = list(dict.fromkeys(note["left_out"]))
        write_atomic(out / MANIFEST, json.dumps(note, indent=1).encode())
    progress(len(names), len(names))
    left_out = tuple(note["left_out"])
    return CorruptedSet(
        data=str(data),
        folder=str(out),
        layout=layout,
        table=table,
        seed=seed,
        images=count - len(left_out),
        corruptions=tuple(names),
        left_out=left_out,
    )


def each_severity(image: Samples, names: Sequence[str], *, seed: int = 0, table: str = "auto") -> dict[str, Tensor]:
    """Return one image under each corruption (5, C, H, W), from the least severity on.

    Args:
        image: The image alone, with its index in the source.
        names: Rows of `CORRUPTIONS`.
        seed, table: As in `corrupt`.

    Raises:
        UsageError: As `corrupt`.
    """
    return {
        name: torch.cat(
            [corrupt(image.images, name, one, seed=seed, indices=image.indices, table=table) for one in SEVERITIES]
        )
        for name in names
    }


def _begin(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the note of a set, which is begun or resumed."""
    # A note alone is what a run leaves that was refused before its first image; the lock of a run is hidden.
    if out.is_dir() and any(path.name != MANIFEST and path.name[0] != "." for path in out.iterdir()):
        note = read_manifest(out)
        if note is None:
            raise UsageError(
                f"out must be a new folder; got {out} with other files in it: name an empty or a new folder"
            )
        changed = [name for name, value in settings.items() if note.get(name) != value]
        if changed:
            raise UsageError(
                f"out must be made with the same {', '.join(changed)}; got {out} with "
                f"{note.get(changed[0])!r}, not {settings[changed[0]]!r}: repeat those settings or write elsewhere"
            )
        return {"left_out": [], **note}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"out must be a folder to write to; got {error.strerror}: name a folder you may write to"
        ) from error
    note = {"made_by": f"geomrob {__version__}", **settings, "finished": [], "left_out": []}
    write_atomic(out / MANIFEST, json.dumps(note, indent=1).encode())
    return note


def _write_labels(labels: Tensor, classes: int, out: Path) -> None:
    """Write the labels five times, in bytes where they fit."""
    file = io.BytesIO()
    np.save(file, np.tile(labels.numpy(), 5).astype(np.uint8 if classes <= 256 else np.int64))
    write_atomic(out / "labels.npy", file.getvalue())


def _write_arrays(images: Tensor, indices: Tensor, out: Path, name: str, seed: int, table: str) -> None:
    """Write one corruption as an array; it gets its name when it is whole."""
    count, channels, height, width = images.shape
    part = out / f".{name}.npy.part"
    array = np.lib.format.open_memmap(part, "w+", np.uint8, (5 * count, height, width, channels))
    for start in range(0, count, BLOCK):
        chosen = slice(start, start + BLOCK)
        pixels = (images[chosen] * 255).round().to(torch.uint8)
        for severity in SEVERITIES:
            changed = corrupt(pixels, name, severity, seed=seed, indices=indices[chosen], table=table)
            first = (severity - 1) * count + start
            array[first : first + len(pixels)] = changed.movedim(1, -1).numpy()
    array.flush()
    part.replace(out / f"{name}.npy")


def _write_folder(
    data: Path,
    out: Path,
    name: str,
    samples: int | None,
    seed: int,
    table: str,
    form: str,
) -> list[str]:
    """Write one corruption as images in folders and return the files that could not be read."""
    listing = list_folder(data, "test")
    left_out: list[str] = []
    names = _names(listing.files, form)
    drawn = sample_positions(len(names), samples, seed).tolist()
    for positions, pixels in _blocks(listing, drawn, left_out):
        for severity in SEVERITIES:
            changed = corrupt(pixels, name, severity, seed=seed, indices=torch.tensor(positions), table=table)
            for position, image in zip(positions, changed.movedim(1, -1).numpy(), strict=True):
                target = out / name / str(severity) / listing.files[position].parent.name / names[position]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_encoded(image[..., 0] if listing.channels == 1 else image, form))
    for severity in SEVERITIES:
        for one in listing.classes:
            (out / name / str(severity) / one).mkdir(parents=True, exist_ok=True)
        (out / name / str(severity) / CLASSES_FILE).write_text("".join(f"{one}\n" for one in listing.classes))
    return left_out


def _names(files: Sequence[Path], form: str) -> list[str]:
    """Return the file name of each image: ImageNet-C keeps names; another format changes the suffix.

    Where that gives two images of a class one name (1.bmp and 1.png), the suffix is appended to their whole names.
    """
    kept = (".jpg", ".jpeg") if form == "jpeg" else (".png",)
    names = [file.name if file.suffix.lower() in kept else f"{file.stem}.{form}" for file in files]
    taken = Counter((file.parent, name) for file, name in zip(files, names, strict=True))
    return [
        name if taken[file.parent, name] == 1 else f"{file.name}.{form}"
        for file, name in zip(files, names, strict=True)
    ]


def _blocks(
    listing: Listing, drawn: Sequence[int], left_out: list[str]
) -> Iterator[tuple[list[int], UInt8[Tensor, "n c h w"]]]:
    """Yield positions and images of files, 8 bits each, as many at once as fit; unreadable ones are left out."""
    size: tuple[int, ...] | None = None
    for start in range(0, len(drawn), AT_ONCE):
        positions: list[int] = []
        images: list[Tensor] = []
        for position in drawn[start : start + AT_ONCE]:
            file = listing.files[position]
            try:
                image = listing.read(position)
            except UsageError:
                raise
            except BROKEN as error:
                left_out.append(f"{file.parent.name}/{file.name}: {error}")
                continue
            size = size or image.shape
            if image.shape != size:
                raise UsageError(f"images must all have one size; got another in {file.name}: resize them first")
            positions.append(position)
            images.append(torch.from_numpy(np.round(image * 255).astype(np.uint8)))
        if images:
            yield positions, torch.stack(images)


def _encoded(image: np.ndarray, form: str) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    options: dict[str, Any] = {"quality": 85, "optimize": True} if form == "jpeg" else {}
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()
