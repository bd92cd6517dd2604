"""`robustbench:DATASET/THREAT/NAME`: checkpoints of robustbench from a folder, without its package."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geomrob.errors import UsageError, unknown
from geomrob.files import user_path
from geomrob.models.architectures.resnet import resnet
from geomrob.models.architectures.wide_resnet import wide_resnet
from geomrob.models.preprocessing import Preprocessing
from geomrob.models.schemes.arguments import parse_arguments
from geomrob.models.schemes.opened import Opened, Request, isolated, library
from geomrob.models.schemes.robustbench_rows import CLASSES, ROWS, Row

FOLDER = "models"
"""Where robustbench stores checkpoints, below the current folder."""

# How robustbench names the parts of its networks, and how they are named here.
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "wide": (
        (r"^bn1\.", "bn."),
        (r"^conv1\.", "stem."),
        (r"^block(\d)\.layer\.", r"stages.\1-."),
        (r"\.convShortcut\.", ".shortcut."),
    ),
    "silu": (
        (r"^init_conv\.", "stem."),
        (r"^batchnorm\.", "bn."),
        (r"^logits\.", "fc."),
        (r"^layer\.(\d)\.block\.", r"stages.\1."),
        (r"\.batchnorm_0\.", ".bn1."),
        (r"\.batchnorm_1\.", ".bn2."),
        (r"\.conv_0\.", ".conv1."),
        (r"\.conv_1\.", ".conv2."),
    ),
    "resnet": (
        (r"^bn1\.", "bn."),
        (r"^conv1\.", "stem."),
        (r"^linear\.", "fc."),
        (r"^layer(\d)\.", r"stages.\1-."),
    ),
    "torchvision": (),
}
# Parts that robustbench's own networks hold and never call, or that other tools left beside the weights.
UNUSED = re.compile(r"^(sub_block1|normalize|normalizer)\.|^(mean|std)$")
NORMALISATION = {"mu": "mean", "sigma": "std"}


def open_model(request: Request) -> Opened:
    """Return a network of robustbench with the weights of models/DATASET/THREAT/NAME.pt, or of ?folder=.

    Differences:
        The checkpoint is never downloaded. Normalisation is the first layer; in robustbench it is a line of `forward`.

    Raises:
        UsageError: No such data set, threat or name, a network that is not known here, no such file, or a file of
            another network.
    """
    text, _, arguments = request.rest.partition("?")
    values = parse_arguments(arguments)
    if extra := [key for key in values if key != "folder"]:
        raise unknown("argument of robustbench", extra[0], ["folder"])
    parts = text.split("/")
    if len(parts) != 3 or not all(parts):
        raise UsageError(
            f"model {request.name} must read robustbench:DATASET/THREAT/NAME; got {len(parts)} parts: "
            "cifar10/Linf/Carmon2019Unlabeled is one"
        )
    dataset, threat, name = parts
    row = _row(dataset, threat, name, request)
    network, names = _built(row, CLASSES[dataset], request)
    size = (224, 224) if dataset == "imagenet" else (32, 32)
    preprocessing = Preprocessing(size=size, crop=224 / 256 if dataset == "imagenet" else 1.0)
    if row.family == "torchvision":
        preprocessing = Preprocessing(*row.normalisation, size, preprocessing.crop)
    folder = user_path(values.get("folder", FOLDER), "folder")
    path = folder / dataset / threat / f"{name}.pt"
    if not request.own_weights and not path.is_file():
        raise UsageError(
            f"model {request.name} must have its checkpoint in robustbench's layout; got no file {path}: put it there, "
            f"or add ?folder= with the folder that holds {dataset}/"
        )
    return Opened(network, preprocessing, weights=path, rename=lambda state: renamed(state, names))


def _row(dataset: str, threat: str, name: str, request: Request) -> Row:
    """Return the facts of a name of robustbench."""
    if dataset not in CLASSES:
        raise unknown("data set of robustbench", dataset, CLASSES)
    threats = [key.partition("/")[2] for key in ROWS if key.startswith(f"{dataset}/")]
    if threat not in threats:
        raise unknown(f"threat model of robustbench:{dataset}", threat, threats)
    rows = ROWS[f"{dataset}/{threat}"]
    if name not in rows:
        raise UsageError(
            f"model {request.name} must be one of the {len(rows)} whose network is known here (Wide ResNets and "
            f"ResNets); {unknown('name', name, rows)}, or give robustbench's own model by package.module:factory"
        )
    return rows[name]


def _built(row: Row, classes: int, request: Request) -> tuple[nn.Module, tuple[tuple[str, str], ...]]:
    """Return the network of a row and how its parts are renamed."""
    facts: dict[str, Any] = {"classes": classes, "mean": row.normalisation[0], "std": row.normalisation[1]}
    names = NAMES[row.family]
    with isolated():
        if row.family == "torchvision":
            return library("torchvision.models", request, "zoo").get_model(row.name, weights=None), names
        if row.family == "resnet":
            return resnet(depths=row.size, bottleneck=sum(row.size) > 8, **facts), names
        kind = {"activation": "silu", "padding": "after"} if row.family == "silu" else {}
        return wide_resnet(depth=row.size[0], widen=row.size[1], **kind, **facts), names


def renamed(state: Mapping[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """Return a state dict of robustbench under the names of the networks here.

    Args:
        state: Of a checkpoint; prefixes that wrappers left are taken off, parts that robustbench never calls dropped.
        names: Patterns and what they become; a number before a minus sign counts from 1 there and from 0 here.
    """
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        short = re.sub(r"^(module\.|model\.|_orig_mod\.)+", "", key)
        if UNUSED.search(short):
            continue
        if short in NORMALISATION:
            result[f"norm.{NORMALISATION[short]}"] = value.reshape(1, -1, 1, 1).to(torch.float32)
            continue
        for pattern, replacement in names:
            short = re.sub(pattern, replacement, short)
        result[re.sub(r"(\d)-", lambda match: str(int(match[1]) - 1), short)] = value
    return result
