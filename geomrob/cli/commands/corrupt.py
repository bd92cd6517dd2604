"""`geomrob corrupt`: a data set under the common corruptions, on disk, and a sheet of what they look like."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geomrob.cli import console
from geomrob.cli.answer import Answer
from geomrob.cli.options import Data, Output
from geomrob.cli.session import libraries, load_samples, places
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.data.entry import Samples


def corrupt(
    data: str,
    out: Path,
    /,
    *,
    corruptions: tuple[str, ...] = ("all",),
    data_dir: Path | None = None,
    table: Literal["auto", "cifar", "imagenet"] = "auto",
    images: Literal["jpeg", "png"] = "jpeg",
    samples: int | None = None,
    seed: int = 0,
    show: int = 0,
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Make a data set under the common corruptions, at severities 1 to 5, in the layout of CIFAR-10-C or ImageNet-C.

    A known data set or an .npz file becomes NAME.npy and labels.npy, a folder of images NAME/SEVERITY/class/image. A
    note in the folder says that geomrob made it. A run that was stopped is resumed. Also draws corruptions.png, a sheet
    of one image under all of them. The exit status is 3 where images could not be read.

    Args:
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        out: Folder to write to, a new one.
        corruptions: all (19), benchmark (the 15 of the scores), or a name; repeat it for several.
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        table: Constants for 32 x 32 (cifar) or for 224 x 224 images (imagenet); auto is those for the size.
        images: Format of the images of a folder; jpeg is that of ImageNet-C, png keeps every pixel.
        samples: How many images, drawn; default all.
        seed: Seed of the drawn images and of everything random.
        show: Which image of the draw with that seed is on the sheet, from 0 on.
        figure: Where to draw the sheet instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    libraries()
    from geomrob.analysis.corruptions.errors import chosen_corruptions
    from geomrob.data.corruptions.generate import write_corrupted
    from geomrob.plot.corruption_sheet import plot_corruption_sheet

    names = chosen_corruptions(corruptions)
    if show < 0:
        raise UsageError(f"show must be at least 0; got {show}: count the images from 0 on")
    # As many images are drawn as it takes, because a folder may hold more than memory.
    drawn = load_samples(Data(data=data, data_dir=data_dir, samples=show + 1, seed=seed))
    folder, picture = places("corrupt", Output(out=out, figure=figure, json=json), "corruptions.png")
    options: dict[str, Any] = {"data_dir": data_dir, "samples": samples, "seed": seed}
    with console.progress("corruptions", quiet=json) as progress:
        left_out = write_corrupted(data, out, names=names, table=table, form=images, progress=progress, **options)
    sheet, kinds, caption = _sheet(drawn, show, names, seed, table)
    answer = Answer("corrupt", folder, [], as_json=json)
    answer.picture(plot_corruption_sheet(drawn.images[show], sheet, categories=kinds, caption=caption), picture)
    answer.notes.append(f"{len(names)} corruptions at 5 severities in {out}: {', '.join(names)}")
    if left_out:
        answer.notes.append(f"left out {len(left_out)} unreadable images; the first: {left_out[0]}")
    return answer.finish(complete=not left_out)


def _sheet(
    drawn: "Samples", show: int, names: tuple[str, ...], seed: int, table: Any
) -> tuple[Any, dict[str, str], str]:
    """Return one image under the corruptions, their categories, and where the image is from."""
    import torch

    from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES
    from geomrob.data.corruptions import corrupt as apply

    image = drawn.subset(torch.tensor([show]))
    options: dict[str, Any] = {"seed": seed, "indices": image.indices, "table": table}
    changed = {
        name: torch.cat([apply(image.images, name, severity, **options) for severity in SEVERITIES]) for name in names
    }
    caption = f"Image {int(image.indices[0])} of {image.name}, made by geomrob with seed {seed}."
    return changed, {name: CORRUPTIONS[name].category for name in names}, caption
