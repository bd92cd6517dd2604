"""Models by name: the functions that build and load a row of `MODELS`, a network of a library, or code of your own."""

import copy
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from geomrob.arrays import Model
from geomrob.errors import UsageError, note, unknown
from geomrob.models.layers.normalize import Normalize
from geomrob.models.preprocessing import Preprocessing, changed, normalized
from geomrob.models.registry import MODELS
from geomrob.models.schemes.factory import is_path, open_file, open_module
from geomrob.models.schemes.opened import Opened, Request
from geomrob.models.schemes.table import CODE, SCHEMES
from geomrob.models.schemes.timm_models import own_preprocessing
from geomrob.models.weights import load_weights
from geomrob.randomness import seeded

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def load_model(
    model: str | Path | nn.Module | Model,
    *,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    image_size: int | Sequence[int] | None = None,
    seed: int = 0,
) -> nn.Module:
    """Return a model that takes images in [0, 1] and gives logits, in eval mode, gradients off for its parameters.

    Args:
        model: A row of `MODELS`; a name of one of `SCHEMES` (timm:NAME, torchvision:NAME, hf-hub:ORG/NAME,
            robustbench:DATASET/THREAT/NAME, onnx:FILE); `package.module:factory` or `path/to/file.py:factory`, a
            function of your own code that is imported and called and returns a `torch.nn.Module`, with arguments
            `?key=value&key=value` if it takes some; or a module, of which a copy is prepared.
        weights: A file of weights to use instead of the model's own, see `geomrob.models.weights.load_weights`; None
            uses its own, or the factory's model as it is.
        device: Device of the model, `cpu` or `cuda`.
        mean: What a first layer subtracts, one value a channel, instead of the mean of the model's own configuration;
            only for networks that do not normalise their images themselves.
        std: What that layer divides by.
        image_size: Side of the images, or height and width, instead of the model's own.
        seed: Of what a factory of yours draws from the global generators, such as initial weights.

    Returns:
        The model, a fresh one on each call. `model.preprocessing` says how images are to be read, `model.notes` what
        was decided, each also reported as a `geomrob.errors.Note`.

    Raises:
        UsageError: Unknown name, a factory that fails, weights that are missing, damaged or of another model, a row
            that has none and none given, a library that is missing, no such device.

    Example:
        >>> model = load_model("fmnist-lenet")
        >>> model(torch.zeros(1, 1, 28, 28)).shape, model.training
        (torch.Size([1, 10]), False)
    """
    model = str(model) if isinstance(model, Path) else model
    name = model if isinstance(model, str) else type(model).__name__
    size = changed(Preprocessing(), mean, std, image_size).size
    opened = _opened(model, Request(name, "", weights is not None, size, seed))
    network = opened.network
    file = opened.weights if weights is None else weights
    sha256 = MODELS[name].sha256 if weights is None and name in MODELS else None
    notes = [*opened.notes]
    if file is not None:
        notes += load_weights(network, file, sha256=sha256, rename=opened.rename)
    check_values(network, name)
    preprocessing = changed(opened.preprocessing, mean, std, image_size)
    if mean is not None and any(isinstance(layer, Normalize) for layer in network.modules()):
        raise UsageError(f"mean and std must be left out for {name}, which normalises its images itself: drop them")
    if preprocessing.sentence:
        given = [key for key, value in (("size", image_size), ("normalisation", mean)) if value is not None]
        whose = f"{' and '.join(given)} as given" if given else "by its own configuration"
        notes.append(f"{name}: {preprocessing.sentence}; {whose}")
    for text in notes:
        note(text)
    ready = move(normalized(network, preprocessing), device).eval()
    for parameter in ready.parameters():  # scripted modules have no requires_grad_ of their own
        parameter.requires_grad_(False)
    vars(ready).update(preprocessing=preprocessing, notes=tuple(notes))
    return ready


def _opened(model: str | nn.Module | Model, request: Request) -> Opened:
    """Return the network of a name or of a module, before weights and normalisation."""
    if isinstance(model, nn.Module):
        return _of_module(model)
    if not isinstance(model, str):
        raise _no_name(model)
    scheme, colon, rest = model.partition(":")
    if model in MODELS:
        return _of_table(model, request)
    if colon and scheme in SCHEMES:
        if not rest.strip():
            raise UsageError(f"model must read {SCHEMES[scheme].form}; got {model!r}: add what follows the colon")
        return SCHEMES[scheme].open(replace(request, rest=rest))
    if is_path(model):
        return _with_own(open_file(request))
    if not colon:
        raise unknown("model", model, MODELS)
    if re.fullmatch(r"[\w-]+", scheme) and not _importable(scheme):
        raise _no_scheme(scheme, model)
    return _with_own(open_module(request))


def _of_table(name: str, request: Request) -> Opened:
    """Return the network of a row, and its weights."""
    entry = MODELS[name]
    if not request.own_weights and not entry.weights:
        raise UsageError(
            f"weights must be given for {name}, which ships with none; got no file: train it with "
            f"`{entry.command}` and name its model.safetensors"
        )
    return Opened(build(name, seed=0), weights=ASSETS / entry.weights if entry.weights else None)


def _of_module(module: nn.Module) -> Opened:
    """Return a copy of a module of the user, whose own stays in its mode and keeps its gradients."""
    inner: Any = module.module if isinstance(module, nn.DataParallel) else module
    try:
        return _with_own(Opened(_copied(inner)))
    except Exception as error:
        raise UsageError(
            f"model must be a module that can be copied; got {type(error).__name__} for {type(inner).__name__}: pass "
            "it to the measuring functions as it is"
        ) from error


def _copied(module: nn.Module) -> nn.Module:
    """Return a copy of a module; of a scripted one by its file, since its own copies have no leaves."""
    if not isinstance(module, torch.jit.ScriptModule):
        return copy.deepcopy(module)
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def _with_own(opened: Opened) -> Opened:
    """Return what was opened with the preprocessing that its network carries, as those of timm and of here do."""
    before = getattr(opened.network, "preprocessing", None)
    if isinstance(before, Preprocessing):
        return replace(opened, preprocessing=replace(before, mean=None, std=None))
    return replace(opened, preprocessing=own_preprocessing(opened.network) or Preprocessing())


def _importable(name: str) -> bool:
    """Return whether a module of that name can be found, in the current folder too; nothing is imported."""
    try:
        return Path(name).is_dir() or Path(f"{name}.py").is_file() or find_spec(name) is not None
    except (ImportError, ValueError, OSError):
        return False


def _no_name(model: object) -> UsageError:
    """Return the error for an object that is neither a name nor a module, with the advice that fits."""
    kind, advice = f"a {type(model).__name__}", "pass functions to the measuring functions as they are"
    if isinstance(model, type):
        kind, advice = f"the class {model.__name__}", "call it"
    elif not callable(model):
        advice = "build the network and load these weights into it" if isinstance(model, Mapping) else "pass one"
    return UsageError(f"model must be a name or a torch.nn.Module; got {kind}: {advice}")


def _no_scheme(scheme: str, name: str) -> UsageError:
    """Return the error for the beginning of a name that is neither a scheme nor a module: the nearest schemes first."""
    near = difflib.get_close_matches(scheme.lower(), SCHEMES, n=len(SCHEMES), cutoff=0.0)
    forms = [SCHEMES[key].form.partition("?")[0].rstrip("[") for key in near]
    return UsageError(
        f"model must be a row of `geomrob models`, {', '.join(forms)}, {' or '.join(CODE)}; got {name!r} (No module "
        f"named {scheme!r}): {_advice(scheme, near)}"
    )


def _advice(scheme: str, near: Sequence[str]) -> str:
    """Return what to do about an unknown scheme."""
    if scheme.lower() in ("http", "https", "ftp", "s3", "gs", "file"):
        return "download it yourself and name the file"
    if difflib.SequenceMatcher(None, scheme.lower(), near[0]).ratio() >= 0.5:
        return f"did you mean {near[0]}:?"
    return "choose one of these"


def check_values(network: nn.Module, name: str) -> None:
    """Refuse a network whose parameters have no values yet.

    Raises:
        UsageError: Some lie on the meta device, or wait for a first call (torch's lazy modules).
    """
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    meta = [key for key, tensor in tensors.items() if not nn.parameter.is_lazy(tensor) and tensor.is_meta]
    lazy = [key for key, tensor in tensors.items() if nn.parameter.is_lazy(tensor)]
    if meta:
        raise UsageError(f"model {name} must hold values; got {meta[0]} on the meta device: build it on the CPU")
    if lazy:
        raise UsageError(f"model {name} must have its shapes; got {lazy[0]} of a lazy layer: call it once on images")


def move(model: nn.Module, device: str | torch.device) -> nn.Module:
    """Return the model on `device`.

    Raises:
        UsageError: PyTorch has no such device here.
    """
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise UsageError(f"device must be one that PyTorch can use; got {str(device)!r} ({reason}): try cpu") from None


def build(name: str, *, seed: int) -> nn.Module:
    """Return an untrained model of the table on the CPU, its parameters drawn by `seed`; the global generator is kept.

    Raises:
        UsageError: No such row.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    entry = MODELS[name]
    with seeded(seed):
        return entry.builder(shape=entry.shape, classes=entry.classes, mean=entry.mean, std=entry.std)
