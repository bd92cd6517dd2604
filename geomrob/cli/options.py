"""The options that commands share, each documented once; cyclopts flattens them into the signature of a command.

A command that needs other defaults subclasses `Common` and names them again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Models:
    """Which models.

    Attributes:
        model: Name of a model, or package.module:factory, which runs that code; repeat it to compare models.
        weights: Weights of that model, .safetensors or .pt.
    """

    model: tuple[str, ...] = ("fmnist-lenet",)
    weights: tuple[Path, ...] = ()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images.

    Attributes:
        data: Name of a data set, or the path of an image folder (class/image.png) or of a file of arrays (.npz ...).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        classes: Names of the classes of an image folder in the order of their numbers: a file with one a line, or JSON.
        samples: How many images; default 50, or all of a smaller set.
        seed: Seed of the drawn images and of everything random.
    """

    data: str = "fashion-mnist-1k"
    data_dir: Path | None = None
    classes: Path | None = None
    samples: int | None = None
    seed: int = 0
    default_samples: ClassVar[int] = 50


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where it runs.

    Attributes:
        device: auto, cpu or cuda.
        threads: CPU threads; default 1 for a small model, where more only wait for each other, otherwise all cores.
        memory: Memory budget of one batch in GiB; the default follows the device.
    """

    device: str = "auto"
    threads: int | None = None
    memory: float | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """What is written where.

    Attributes:
        out: Folder to write to; default geomrob-COMMAND.
        figure: Where to draw the picture instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """

    out: Path | None = None
    figure: Path | None = None
    json: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Settings(Output, Compute, Data):
    """Everything but the models."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common(Settings, Models):
    """Everything that a measuring command needs."""
