"""A recipe: every number of one training, read from a small TOML file."""

import dataclasses
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geomrob.arrays import UsageError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

FOLDER = Path(__file__).resolve().parent / "recipes"
SCHEDULES = ("triangular", "one-cycle", "constant")


@dataclass(frozen=True)
class Options:
    """How a model is trained. The defaults are those of the margin measurements (see References).

    Args:
        held_out: Images that only choose the best epoch and are never trained on; 0 keeps the last epoch.
        epochs: Passes over the training images, at least 1.
        batch: Images a step, at least 1.
        max_rate: Largest learning rate.
        schedule: `triangular` rises linearly from 0 to `max_rate` at the share `peak` of all steps and falls linearly
            to 0; `one-cycle` rises and falls along half cosines; `constant` stays.
        peak: Where the schedule is highest, share of all steps in (0, 1).
        momentum: Of SGD, in [0, 1).
        weight_decay: Added to the gradient, times the parameter.
        clip: Largest l2 norm of the whole gradient; 0 does not clip.
        crop: Augmentation: pixels of black padding on each side before a random crop; 0 for none.
        flip: Augmentation: mirror each image left to right with probability 1/2.
        channels_last: Memory layout; faster for convolutions with many channels.

    Raises:
        UsageError: A value of the wrong type or out of its range.

    References:
        Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020: SGD with momentum 0.9, weight decay
        5e-4, triangular rate 0 - 0.21 - 0 with the peak at 40 %, batches of 128, gradient norm 0.5, no augmentation.
    """

    held_out: int = 0
    epochs: int = 30
    batch: int = 128
    max_rate: float = 0.21
    schedule: str = "triangular"
    peak: float = 0.4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float = 0.5
    crop: int = 0
    flip: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, in one sentence."""
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        for name, low in {"held_out": 0, "epochs": 1, "batch": 1, "clip": 0, "crop": 0, "weight_decay": 0}.items():
            if not getattr(self, name) >= low:
                raise UsageError(f"{name} of a recipe must be at least {low}; got {getattr(self, name)}: raise it")
        if not (0 < self.peak < 1 and 0 <= self.momentum < 1 and 0 < self.max_rate < math.inf):
            found = f"peak {self.peak}, momentum {self.momentum}, max_rate {self.max_rate}"
            raise UsageError(
                f"peak must lie in (0, 1), momentum in [0, 1), max_rate above 0; got {found}: correct them"
            )


@dataclass(frozen=True)
class Recipe:
    """What is trained on what, and how.

    Args:
        model: A row of `MODELS`.
        data: A row of `DATASETS`, or a path that `geomrob.data.load` takes.
        split: Which split of it is trained on.
        samples: How many images are drawn from it, 0 for all.
        options: How.
    """

    model: str
    data: str
    split: str = "train"
    samples: int = 0
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        """Refuse what is no recipe, in one sentence."""
        if self.samples < 0:
            raise UsageError(f"samples of a recipe must be at least 0; got {self.samples}: raise it")


def _check_type(entry: "dataclasses.Field[Any]", value: object) -> None:
    """Refuse a value that is not of the type of its field; an int is a float, a bool is no number."""
    if type(value) is not entry.type and not (entry.type is float and type(value) is int):
        wanted = getattr(entry.type, "__name__", str(entry.type))
        raise UsageError(f"{entry.name} of a recipe must be of type {wanted}; got {value!r}: correct the recipe")


def read_recipe(name: str | Path) -> Recipe:
    """Return a recipe of geomrob by its name, or the one in a `.toml` file.

    Raises:
        UsageError: Unknown name, missing or malformed file, unknown or unfit entry.

    Example:
        >>> read_recipe("fmnist-lenet").options.max_rate
        0.21
    """
    path = Path(name)
    if path.suffix != ".toml":
        names = sorted(file.stem for file in FOLDER.glob("*.toml"))
        if str(name) not in names:
            raise unknown("recipe", str(name), names)
        path = FOLDER / f"{name}.toml"
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"recipe must be a readable TOML file; got {error} from {path}: correct it") from None
    how = {entry.name: entry for entry in dataclasses.fields(Options)}
    what = {entry.name: entry for entry in dataclasses.fields(Recipe) if entry.name != "options"}
    known = what | how
    for key, value in content.items():
        if key not in known:
            raise unknown("entry of a recipe", key, known)
        _check_type(known[key], value)
    for key in ("model", "data"):
        if key not in content:
            raise UsageError(f"recipe must name its {key}; got none in {path}: add a line {key} = ...")
    options = Options(**{key: value for key, value in content.items() if key in how})
    return Recipe(**{key: value for key, value in content.items() if key in what}, options=options)
