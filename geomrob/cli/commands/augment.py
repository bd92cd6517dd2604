"""`geomrob augment`: pictures of augmented images, and data sets augmented beforehand."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from cyclopts import Parameter

from geomrob.cli.answer import Answer
from geomrob.cli.loading import load_samples
from geomrob.cli.options import Data, Output, check_apply
from geomrob.cli.session import libraries, places
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.plot.style import AnyFigure
    from geomrob.results import AugmentationGrid

Shown: TypeAlias = Literal[
    "spectral", "spatial", "color", "prime", "augmix", "autoaugment", "randaugment", "trivialaugment"
]
PRIMITIVES = ("spectral", "spatial", "color")
METHODS = ("prime", "augmix", "autoaugment", "randaugment", "trivialaugment")
APPLY = {
    "smoothness": PRIMITIVES,
    "strength": PRIMITIVES,
    "draws": METHODS,
    "preset": ("prime",),
    "alpha": ("prime",),
}
"""The options that belong to some of what is shown."""

ROWS = 5
"""Most images in a picture of a method."""


@dataclass(frozen=True, kw_only=True)
class Options(Output, Data):
    """Images and a folder: no model, and a picture of each that is shown instead of one.

    Attributes:
        samples: How many images: rows of the pictures of a method, and what is augmented with --copies; default 5, or
            all of a smaller set.
    """

    default_samples: ClassVar[int] = 5
    samples: int | None = None
    figure: Annotated[Path | None, Parameter(parse=False)] = None


def augment(
    *,
    options: Options = Options(),
    show: tuple[Shown, ...] = ("spectral", "spatial", "color", "prime", "augmix"),
    split: Literal["train", "test"] = "test",
    smoothness: tuple[int, ...] = (),
    strength: tuple[float, ...] = (),
    draws: int = 7,
    preset: Literal[
        "cifar", "cifar-fixed", "imagenet", "cifar-released", "cifar-capped", "imagenet-released"
    ] = "cifar",
    alpha: float = 1.0,
    copies: int = 0,
) -> int:
    """Draw what the augmentations do to images: each primitive by smoothness and strength, several draws of a method.

    Writes NAME.png for each of them. With --copies also augmented.npz, the drawn images and so many augmented versions
    of each by the last method that is shown.

    Args:
        show: spectral, spatial, color (one image), prime, augmix, or with kornia autoaugment, randaugment,
            trivialaugment (several images, several draws); repeat it for several.
        split: train or test.
        smoothness: Rows of a primitive, K; repeat it.
        strength: Columns of a primitive, sigma; repeat it.
        draws: Columns of a method.
        preset: Numbers of prime: cifar, cifar-fixed, imagenet, cifar-released, cifar-capped, imagenet-released.
        alpha: Factor of every strength of prime.
        copies: How many augmented versions of each image to write, 0 for none.
    """
    check_apply(augment, "show", show, APPLY, locals())
    libraries()
    from geomrob.analysis.augmentation_grid import augmentation_grid, draws_of
    from geomrob.augment.registry import Augment, enlarged, write_samples
    from geomrob.plot.augmentation_grid import plot_draws, plot_primitive

    methods = [name for name in show if name not in PRIMITIVES]
    if copies and not methods:
        raise UsageError("copies must go with a method; got primitives alone: add --show prime")
    if copies < 0:
        raise UsageError(f"copies must be at least 0; got {copies}: leave --copies out for none")
    recipes = {name: Augment(method=name, preset=preset, strength=alpha) for name in methods}
    out, _ = places("augment", options)
    samples = load_samples(options, split=split)
    first, classes = samples.images[:ROWS], [samples.classes[label] for label in samples.labels[:ROWS].tolist()]
    # All are drawn before the first is written: a refusal leaves nothing behind.
    figures: dict[str, AnyFigure] = {}
    grids: list[AugmentationGrid] = []
    for name in show:
        if name in PRIMITIVES:
            grid = augmentation_grid(first[0], name, smoothness=smoothness, strength=strength, seed=options.seed)
            grids.append(grid)
            figures[name] = plot_primitive(grid)
        else:
            method = f"prime ({preset}, strength {alpha:g})" if name == "prime" else name
            pictures = draws_of(first, recipes[name], draws, seed=options.seed)
            figures[name] = plot_draws(pictures, method=method, classes=classes)
    answer = Answer("augment", out, grids)
    for name, figure in figures.items():
        answer.picture(figure, out / f"{name}.png")
    if copies:
        larger = enlarged(samples, copies, recipes[methods[-1]], seed=options.seed)
        answer.files.append(write_samples(larger, out / "augmented.npz"))
    return answer.finish()
