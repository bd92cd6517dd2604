"""`geomrob corrupt`: a data set under the common corruptions, on disk, and a sheet of what they look like."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from geomrob.cli import console
from geomrob.cli.answer import Answer
from geomrob.cli.loading import load_samples
from geomrob.cli.options import Data, Output
from geomrob.cli.session import libraries, places
from geomrob.errors import UsageError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options(Output, Data):
    """The shared options; data set and folder are words without a name.

    Attributes:
        samples: How many images, drawn; default all.
    """

    data: Annotated[str, Parameter(parse=False)] = ""
    out: Annotated[Path | None, Parameter(parse=False)] = None
    samples: int | None = None


def corrupt(
    data: str,
    out: Path,
    *,
    options: Options = Options(),
    corruptions: tuple[str, ...] = ("all",),
    table: Literal["auto", "cifar", "imagenet"] = "auto",
    images: Literal["jpeg", "png"] = "jpeg",
    show: int = 0,
) -> int:
    """Make a data set under the common corruptions, at severities 1 to 5, in the layout of CIFAR-10-C or ImageNet-C.

    A known data set or an .npz file becomes NAME.npy and labels.npy, a folder of images NAME/SEVERITY/class/image. A
    note in the folder says that geomrob made it. A run that was stopped is resumed. Also draws corruptions.png, a sheet
    of one image under all of them. The exit status is 3 where images could not be read.

    Args:
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        out: Folder to write to, a new one.
        corruptions: all (19), benchmark (the 15 of the scores), or a name; repeat it for several.
        table: Constants for 32 x 32 (cifar) or for 224 x 224 images (imagenet); auto is those for the size.
        images: Format of the images of a folder; jpeg is that of ImageNet-C, png keeps every pixel.
        show: Which image of the draw with that seed is on the sheet, from 0 on.
    """
    libraries()
    import torch

    from geomrob.analysis.corruptions.errors import chosen_corruptions
    from geomrob.data.arrays.npy_pairs import MANIFEST
    from geomrob.data.corruptions import CORRUPTIONS
    from geomrob.data.corruptions.generate import each_severity, write_corrupted
    from geomrob.data.entry import TooFewError
    from geomrob.files import user_path
    from geomrob.plot.corruption_sheet import plot_corruption_sheet

    names, seed, out = chosen_corruptions(corruptions), options.seed, user_path(out, "out")
    if show < 0:
        raise UsageError(f"show must be at least 0; got {show}: count the images from 0 on")
    # As many images are drawn as it takes, because a folder may hold more than memory.
    try:
        shown = load_samples(replace(options, data=data, samples=show + 1)).subset(torch.tensor([show]))
    except TooFewError as error:
        raise UsageError(f"show must be below {error.available}; got {show}: count the images from 0 on") from error
    folder, picture = places("corrupt", replace(options, out=out), "corruptions.png", hidden=True)
    with console.progress("corruptions") as progress:
        written = write_corrupted(
            data,
            out,
            names=names,
            data_dir=options.data_dir,
            samples=options.samples,
            seed=seed,
            table=table,
            form=images,
            progress=progress,
        )
    sheet = plot_corruption_sheet(
        shown.images[0],
        each_severity(shown, names, seed=seed, table=table),
        categories={name: CORRUPTIONS[name].category for name in names},
        caption=f"Image {int(shown.indices[0])} of {shown.name}, made by geomrob with seed {seed}.",
    )
    answer = Answer("corrupt", folder, [written])
    answer.files += [folder / str(row["path"]) for row in written.records()]
    answer.files += [folder / "labels.npy"] if written.layout == "npy" else []
    answer.files.append(folder / MANIFEST)
    answer.picture(sheet, picture)
    return answer.finish(complete=not written.left_out)
