"""The options that commands share, each documented once; cyclopts flattens them into the signature of a command.

A command that needs other defaults subclasses `Common` and names them again.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from cyclopts import Parameter

from geomrob.errors import UsageError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Models:
    """Which models.

    Attributes:
        model: Name of a model; timm:NAME, torchvision:NAME, hf-hub:ORG/NAME, robustbench:DATASET/THREAT/NAME,
            onnx:FILE; or package.module:factory or file.py:factory, with ?key=value for its arguments, which runs that
            code. Repeat it to compare models.
        weights: File of weights of that model, or index or folder of its shards; repeat it for several trainings
            (seeds): standard errors are over them.
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
class Inputs:
    """How images become the input of the models, where their own configuration does not say so or is not wanted.

    Attributes:
        mean: What is subtracted, one value a channel with commas between, in [0, 1] pixel units.
        std: What it is divided by, likewise.
        image_size: Side of the images, or HEIGHTxWIDTH.
    """

    mean: str | None = None
    std: str | None = None
    image_size: str | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where it runs.

    Attributes:
        device: auto, cpu or cuda.
        threads: CPU threads; default 1 for a small model, where more only wait for each other, otherwise all cores.
        memory: Memory budget of one batch in GiB; the default follows the device.
        outputs: What the models return: logits, probabilities (their logarithm is taken), or auto to recognise them.
    """

    device: str = "auto"
    threads: int | None = None
    memory: float | None = None
    outputs: Literal["auto", "logits", "probabilities"] = "auto"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a command is set up, and how it shows what it has.

    Attributes:
        config: File of options, a line `name = value` each (TOML); what stands on the command line goes before it.
        format: Of the tables on stdout: for people, csv with every column, markdown, latex (booktabs), or one JSON
            object.
        json: Short for --format json.
        quiet: Write nothing to stderr but errors.
    """

    config: Path | None = None
    format: Literal["table", "csv", "markdown", "latex", "json"] = "table"
    json: bool = False
    quiet: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output(Shown):
    """What is written where.

    Attributes:
        out: Folder to write to; default geomrob-COMMAND.
        figure: Where to draw the picture instead, .png, .pdf or .svg.
        overwrite: Start again where the folder holds a run, which is resumed otherwise, or refused if it is another.
        shard: i/n: compute every n-th part, from the i-th on; `geomrob merge` joins the folders of all n.
        allow_missing: End with status 0 instead of 3 where not all was found.
        engine: What computes the parts: this process, or workers of Ray (extra ray).
        address: Of a Ray cluster, or auto; by default Ray is started on this machine.
        workers: How many workers of Ray; by default as many as there is room for.
        gpus_per_worker: GPUs of a worker of Ray, or the share of one.
        tensorboard: Folder of a TensorBoard log of the rows and pictures (extra tensorboard).
    """

    out: Path | None = None
    figure: Path | None = None
    overwrite: bool = False
    shard: str | None = None
    allow_missing: bool = False
    engine: Literal["process", "ray"] = "process"
    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float = 0
    tensorboard: Path | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Edit:
    """What is done to the images first.

    Attributes:
        transform: Edit of the images before the model: flip, gray, lowpass:SIZE, highpass:SIZE, bandstop:START:STOP;
            several with +.
    """

    transform: str | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Settings(Output, Compute, Edit, Inputs, Data):
    """Everything but the models."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common(Settings, Models):
    """Everything that a measuring command needs."""


WRITING = tuple(field.name for field in fields(Output))
"""What says only where results go and how they are made."""

NEUTRAL = (*WRITING, "device", "threads", "memory")
"""What a run may be resumed with another value of; where device or memory move last digits, its parts say so."""


def check_apply(
    command: Callable[..., int],
    option: str,
    chosen: Sequence[str],
    apply: Mapping[str, Sequence[str]],
    values: Mapping[str, Any],
) -> None:
    """Refuse an option that has no meaning for what was chosen.

    Args:
        command: The function of the command; its defaults count as not given.
        option: Name of the option that chooses.
        chosen: Its values.
        apply: With which of these values each option has a meaning.
        values: Those of the options; others are passed over.

    Raises:
        UsageError: One that is not at its default.
    """
    parameters = inspect.signature(command).parameters
    for name, kinds in apply.items():
        default = parameters[name].default if name in parameters else None
        if values[name] != default and not set(kinds) & set(chosen):
            raise UsageError(
                f"{name} must go with --{option} {' or '.join(kinds)}; got it with --{option} {' and '.join(chosen)}: "
                f"leave --{name} out"
            )
