"""`hf-hub:ORG/NAME`: classifiers of the Hugging Face hub, of timm or of transformers."""

import json
import re
from pathlib import Path
from typing import Any

from geomrob.errors import UsageError
from geomrob.models.preprocessing import Preprocessing
from geomrob.models.schemes import timm_models
from geomrob.models.schemes.hub import fetching
from geomrob.models.schemes.opened import Opened, Request, isolated, library, reason

FILES = ("*.json", "*.safetensors", "*.bin", "*.index.json")
RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Interpolations by Pillow's number, as preprocessor_config.json has them."""


def open_model(request: Request) -> Opened:
    """Return a classifier of the hub: a network of timm, or of transformers with its preprocessor's normalisation.

    Raises:
        UsageError: A library is missing, the hub cannot be reached, it has no such model, or it is no image classifier.
    """
    hub = library("huggingface_hub", request, "zoo")
    name, _, revision = request.rest.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise UsageError(f"model {request.name} must read hf-hub:ORG/NAME; got {request.rest!r}: name both")
    with isolated(), fetching(request, download=True):
        folder = Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=FILES))
    config = _json(folder / "config.json", request)
    if "architecture" in config:
        timm = library("timm", request, "zoo")
        return timm_models.create(timm, f"local-dir:{folder}", request, {}, pretrained=not request.own_weights)
    if "model_type" in config:
        return _transformers(folder, request)
    raise UsageError(
        f"model {request.name} must be a network of timm or transformers; its config.json names neither architecture "
        "nor model_type: load it in a factory of yours"
    )


def _transformers(folder: Path, request: Request) -> Opened:
    """Return a classifier of transformers from its folder; its outputs are objects with logits."""
    transformers = library("transformers", request, "transformers")
    try:
        with isolated():
            network = transformers.AutoModelForImageClassification.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise UsageError(
            f"model {request.name} must be an image classifier; transformers says {reason(error)}: name another"
        ) from error
    file = folder / "preprocessor_config.json"
    return Opened(network, preprocessor(_json(file, request)) if file.is_file() else Preprocessing())


def preprocessor(config: dict[str, Any]) -> Preprocessing:
    """Return what a preprocessor_config.json of transformers states.

    Example:
        >>> preprocessor({"image_mean": [0.5], "image_std": [0.5], "size": 224, "resample": 3}).sentence
        'images are resized (shorter side 224, bicubic) and cropped to 224x224, normalised with mean 0.5 and std 0.5'
    """
    normalise = config.get("do_normalize", True) and "image_mean" in config and "image_std" in config
    resized = _sides(config.get("size"))
    cropped = _sides(config.get("crop_size")) if config.get("do_center_crop") else None
    size = cropped or resized
    crop = min(size) / min(resized) if size and resized and cropped else 1.0
    if size and config.get("crop_pct"):  # ConvNeXT and its relatives state the share itself
        crop = float(config["crop_pct"]) if min(size) < 384 else 1.0
    number = config.get("resample", 2)
    return Preprocessing(
        mean=tuple(map(float, config["image_mean"])) if normalise else None,
        std=tuple(map(float, config["image_std"])) if normalise else None,
        size=size,
        crop=min(crop, 1.0),
        interpolation=RESAMPLING[number] if number in range(len(RESAMPLING)) else "bilinear",
    )


def _sides(size: Any) -> tuple[int, int] | None:
    """Return height and width of an entry: a number, a pair, or a mapping with height and width or shortest_edge."""
    if isinstance(size, dict):
        edge = size.get("shortest_edge")
        height, width = size.get("height", edge), size.get("width", edge)
        return None if height is None or width is None else (int(height), int(width))
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return int(size[0]), int(size[1])
    return (int(size), int(size)) if isinstance(size, int) else None


def _json(file: Path, request: Request) -> dict[str, Any]:
    """Return the content of a configuration."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"model {request.name} must have a {file.name} in JSON; got {reason(error)}: name another"
        ) from None
    if not isinstance(content, dict):
        raise UsageError(f"model {request.name} must have a {file.name} with entries; got none: name another")
    return content
