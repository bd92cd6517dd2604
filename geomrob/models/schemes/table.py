"""The table `SCHEMES`: the beginnings of a model's name, what follows each, and who opens it."""

from collections.abc import Callable
from dataclasses import dataclass

from geomrob.models.schemes import huggingface, onnx_file, robustbench, timm_models, torchvision_models
from geomrob.models.schemes.opened import Opened, Request


@dataclass(frozen=True)
class Scheme:
    """One way to name a model.

    Attributes:
        form: How the name reads.
        summary: What it opens, and whether anything is downloaded.
        extra: The extra of geomrob that it needs; empty for none.
        open: Takes the request.
    """

    form: str
    summary: str
    open: Callable[[Request], Opened]
    extra: str = ""


SCHEMES: dict[str, Scheme] = {
    "timm": Scheme(
        form="timm:NAME[.TAG][?num_classes=10]",
        summary="a network of timm, weights random (seed 0); with a tag the pretrained ones, downloaded once",
        open=timm_models.open_model,
        extra="zoo",
    ),
    "torchvision": Scheme(
        form="torchvision:NAME[@WEIGHTS][?num_classes=10]",
        summary="a network of torchvision, weights random (seed 0); with @WEIGHTS those, downloaded once",
        open=torchvision_models.open_model,
        extra="zoo",
    ),
    "hf-hub": Scheme(
        form="hf-hub:ORG/NAME[@REVISION]",
        summary="a classifier of the Hugging Face hub, downloaded once, with its own preprocessing",
        open=huggingface.open_model,
        extra="zoo",
    ),
    "robustbench": Scheme(
        form="robustbench:DATASET/THREAT/NAME[?folder=models]",
        summary="the checkpoint models/DATASET/THREAT/NAME.pt, as robustbench lays it out; nothing is downloaded",
        open=robustbench.open_model,
    ),
    "onnx": Scheme(
        form="onnx:FILE",
        summary="an ONNX file, converted by onnx2torch, if outputs and gradients agree with the file",
        open=onnx_file.open_model,
        extra="onnx",
    ),
}
"""Schemes by name. What has none is a row of `MODELS`, a file of Python or a module: see `geomrob.models.loading`."""

CODE = ("path/to/file.py:factory", "package.module:factory")
"""Forms of the names that run code of the user, both with ?key=value&key=value."""
