"""`geomrob corrupt`: a data set under the common corruptions, on disk, and a sheet of what they look like."""

import json as json_words
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from geomrob.cli import console, load, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geomrob.data.entry import Samples

Constants: TypeAlias = Literal["auto", "cifar", "imagenet"]


def corrupt(
    data: str,
    out: Path,
    /,
    *,
    corruptions: tuple[str, ...] = ("all",),
    data_dir: Path | None = None,
    table: Constants = "auto",
    images: Literal["jpeg", "png"] = "jpeg",
    samples: int | None = None,
    seed: int = 0,
    show: int = 0,
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Make a data set under the common corruptions, at severities 1 to 5, in the layout of CIFAR-10-C or ImageNet-C.

    A known data set or an .npz file becomes NAME.npy and labels.npy, a folder of images NAME/SEVERITY/class/image. A
    note in the folder says that geomrob made it. A run that was stopped goes on. Also draws corruptions.png, a sheet of
    one image under all of them. The exit status is 3 where images could not be read.

    Args:
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        out: Folder to write to, a new one.
        corruptions: all (19), benchmark (the 15 of the scores), or a name; repeat it for several.
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        table: Constants for 32 x 32 (cifar) or for 224 x 224 images (imagenet); auto is those for the size.
        images: Format of the images of a folder; jpeg is that of ImageNet-C, png keeps every pixel.
        samples: How many images, drawn; default all.
        seed: Of the drawn images and of everything random.
        show: Which image of the draw with that seed is on the sheet, from 0 on.
        figure: Where to draw the sheet instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.data.corruptions.generate import write_corrupted

    names = load.corruptions(corruptions)
    image = _shown(data, data_dir, seed, show)
    picture = write.check_picture(figure or out / "corruptions.png")
    how: dict[str, Any] = {"data_dir": data_dir, "samples": samples, "seed": seed}
    with console.progress("corruptions", quiet=json) as progress:
        left_out = write_corrupted(data, out, names=names, table=table, form=images, progress=progress, **how)
    write.write_picture(_sheet(image, names, seed, table), picture)
    _tell(out, picture, names, left_out, as_json=json)
    return 3 if left_out else 0


def _shown(data: str, data_dir: Path | None, seed: int, show: int) -> "Samples":
    """Return the image of the sheet: as many are drawn as it takes, because a folder may hold more than memory."""
    import torch

    from geomrob.errors import UsageError

    if show < 0:
        raise UsageError(f"show must be at least 0; got {show}: count the images from 0 on")
    return load.images(data, data_dir, show + 1, seed).subset(torch.tensor([show]))


def _sheet(image: "Samples", names: tuple[str, ...], seed: int, table: Constants) -> "Figure":
    """Return the picture of one image under the corruptions."""
    import torch

    from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES
    from geomrob.data.corruptions import corrupt as apply
    from geomrob.plot.corruption_sheet import plot_corruption_sheet

    how: dict[str, Any] = {"seed": seed, "indices": image.indices, "table": table}
    changed = {
        name: torch.cat([apply(image.images, name, severity, **how) for severity in SEVERITIES]) for name in names
    }
    kinds = {name: CORRUPTIONS[name].category for name in names}
    told = f"Image {int(image.indices[0])} of {image.name}, made by geomrob with seed {seed}."
    return plot_corruption_sheet(image.images[0], changed, categories=kinds, told=told)


def _tell(out: Path, picture: Path, names: tuple[str, ...], left_out: tuple[str, ...], *, as_json: bool) -> None:
    """Say what was written."""
    if as_json:
        answer = {"out": str(out), "corruptions": names, "left_out": left_out, "figure": str(picture)}
        console.say(json_words.dumps(answer, indent=1))
        return
    console.say(f"{len(names)} corruptions at 5 severities in {out}, sheet in {picture}")
    if left_out:
        console.say(f"left out {len(left_out)} unreadable images; the first: {left_out[0]}")
