"""`geomrob augment`: pictures of augmented images, and data sets augmented beforehand."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from geomrob.cli import load, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geomrob.analysis.augmentation_grid import Strip
    from geomrob.data.entry import Samples
    from geomrob.training import Augment

Shown: TypeAlias = Literal[
    "spectral", "spatial", "color", "prime", "augmix", "autoaugment", "randaugment", "trivialaugment"
]
Preset: TypeAlias = Literal["cifar", "cifar-fixed", "imagenet", "cifar-released", "cifar-capped", "imagenet-released"]

PRIMITIVES = {"spectral": "random filters", "spatial": "random deformations", "color": "random colour curves"}
UNITS = {
    "spectral": "K is the side of the filter in pixels, sigma the standard deviation of a tap",
    "spatial": "K is the cut frequency, sigma is given as a share of the largest that keeps a typical map one to one",
    "color": "K is the highest frequency of the curve, sigma the standard deviation of a coefficient",
}


def augment(
    *,
    show: tuple[Shown, ...] = ("spectral", "spatial", "color", "prime", "augmix"),
    data: str = "fashion-mnist-1k",
    split: Literal["train", "test"] = "test",
    data_dir: Path | None = None,
    samples: int = 5,
    smoothness: tuple[int, ...] = (),
    strength: tuple[float, ...] = (),
    draws: int = 7,
    preset: Preset = "cifar",
    alpha: float = 1.0,
    copies: int = 0,
    seed: int = 0,
    out: Path = Path("geomrob-augment"),
    json: bool = False,
) -> int:
    """Draw what the augmentations do to images: each primitive by smoothness and strength, several draws of a method.

    Writes NAME.png for each of them. With --copies also augmented.npz, the drawn images and so many augmented versions
    of each by the last method that is shown.

    Args:
        show: spectral, spatial, color (one image), prime, augmix, or with kornia autoaugment, randaugment,
            trivialaugment (several images, several draws); repeat it for several.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        split: train or test.
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        samples: How many images: rows of the pictures of a method, and what is augmented with --copies.
        smoothness: Rows of a primitive, K; repeat it.
        strength: Columns of a primitive, sigma; repeat it.
        draws: Columns of a method.
        preset: Numbers of prime: cifar, cifar-fixed, imagenet, cifar-released, cifar-capped, imagenet-released.
        alpha: Factor of every strength of prime.
        copies: How many augmented versions of each image to write, 0 for none.
        seed: Of the drawn images and of everything random.
        out: Folder to write to.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.augmentation_grid import strip
    from geomrob.augment.registry import Augment
    from geomrob.data import load_data
    from geomrob.runs import writable

    methods = [name for name in show if name not in PRIMITIVES]
    _check(methods, copies, samples)
    recipes = {name: Augment(method=name, preset=preset, strength=alpha) for name in methods}
    writable(out)
    drawn = load_data(data, split=split, data_dir=data_dir, samples=samples, seed=seed)
    # All are drawn before the first is written: a refusal leaves nothing behind.
    figures: dict[str, Figure] = {}
    changes: dict[str, list[list[float]]] = {}
    for name in show:
        if name in PRIMITIVES:
            found = strip(drawn.images[0], name, smoothness=smoothness, strength=strength, seed=seed)
            changes[name] = found.change[:, 1:].tolist()
            figures[name] = _of_strip(found)
        else:
            figures[name] = _of_draws(drawn, recipes[name], draws, seed)
    files = [write.write_picture(figure, out / f"{name}.png") for name, figure in figures.items()]
    if copies:
        files.append(_copies(drawn, recipes[methods[-1]], copies, seed, out))
    _tell(changes, files, as_json=json)
    return 0


ROWS = 5
"""Most images in a picture of a method."""


def _check(methods: list[str], copies: int, samples: int) -> None:
    """Refuse what could only fail after the work."""
    from geomrob.errors import UsageError

    if copies and not methods:
        raise UsageError("copies must go with a method; got primitives alone: add --show prime")
    if copies < 0 or samples < 1:
        raise UsageError(f"copies must be at least 0, samples at least 1; got {copies} and {samples}: raise it")


def _of_strip(found: "Strip") -> "Figure":
    """Return the picture of a primitive."""
    from geomrob.plot.augmentation_grid import plot_augment

    strength = [f"$\\sigma$ = {value:g}" for value in found.strength]
    reading = (
        f"One image under {PRIMITIVES[found.primitive]}. {UNITS[found.primitive]}. A row is one draw, stronger from "
        "left to right; what leaves the range is clipped to black and white. Below each picture, how much its values "
        "changed (root mean square, 1 = from black to white)."
    )
    return plot_augment(
        found.pictures,
        rows=[f"K = {size}" for size in found.smoothness],
        columns=["original", *strength],
        below=found.change,
        title=f"The {found.primitive} primitive of PRIME".replace("color", "colour"),
        reading=reading,
    )


def _of_draws(drawn: "Samples", how: "Augment", count: int, seed: int) -> "Figure":
    """Return the picture of a method."""
    import torch

    from geomrob.analysis.augmentation_grid import draws
    from geomrob.plot.augmentation_grid import plot_augment

    shown = drawn.subset(torch.arange(min(ROWS, len(drawn))))
    rows = [draws(image, how, count, seed=seed + place) for place, image in enumerate(shown.images)]
    told = f"prime ({how.preset}, strength {how.strength:g})" if how.method == "prime" else how.method
    return plot_augment(
        torch.stack(rows),
        rows=[drawn.classes[label] for label in shown.labels.tolist()],
        columns=["original", *(f"draw {number + 1}" for number in range(count))],
        title=f"What training with {told} sees of an image",
        reading="Each row is one image; every draw chooses operations, strengths and mixing weights anew.",
    )


def _copies(drawn: "Samples", how: "Augment", copies: int, seed: int, out: Path) -> Path:
    """Return the file of a set that was augmented beforehand."""
    from geomrob.augment.registry import enlarged, write_samples

    return write_samples(enlarged(drawn, copies, how, seed=seed), out / "augmented.npz")


def _tell(changes: dict[str, list[list[float]]], files: list[Path], *, as_json: bool) -> None:
    """Print the files, and how much each primitive changed the image."""
    import json
    import sys

    told = [str(file) for file in files]
    if as_json:
        sys.stdout.write(json.dumps({"change": changes, "files": told}) + "\n")
        return
    for name, rows in changes.items():
        ends = f"{rows[0][0]:.3f} ... {rows[-1][-1]:.3f}"
        sys.stdout.write(f"{name:10} root mean square change {ends}\n")
    sys.stdout.write("".join(f"wrote {file}\n" for file in told))
