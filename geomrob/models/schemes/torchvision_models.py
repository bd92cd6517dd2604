"""`torchvision:NAME[@WEIGHTS]`: classifiers of torchvision, and the preprocessing of their weights."""

import difflib
from typing import Any

from geomrob.errors import UsageError, unknown
from geomrob.models.preprocessing import Preprocessing
from geomrob.models.schemes.arguments import guessed, parse_arguments
from geomrob.models.schemes.hub import fetching
from geomrob.models.schemes.opened import Opened, Request, isolated, library, reason
from geomrob.models.schemes.timm_models import random_weights


def open_model(request: Request) -> Opened:
    """Return a classifier of torchvision: with @WEIGHTS those weights, else random ones of seed 0.

    Raises:
        UsageError: torchvision is missing, it has no such name or weights, an argument that the network does not take,
            or the weights cannot be fetched.
    """
    models = library("torchvision.models", request, "zoo")
    text, _, arguments = request.rest.partition("?")
    values = guessed(parse_arguments(arguments))
    name, at, tag = text.partition("@")
    names = models.list_models(module=models)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "torchvision.models.list_models() has the names"
        raise UsageError(f"model {request.name} must name a classifier of torchvision; got {name!r}: {hint}")
    kinds = models.get_model_weights(name)
    if at and tag not in kinds.__members__:
        raise unknown(f"weights of torchvision:{name}", tag, kinds.__members__)
    chosen = kinds[tag] if at else None
    fetched = None if request.own_weights else chosen
    if fetched is not None and "num_classes" in values:
        classes = len(fetched.meta["categories"])
        raise UsageError(f"num_classes must be left out with @{tag}, which has {classes}; got both: drop one")
    try:
        with isolated(), fetching(request, download=False):
            network = models.get_model(name, weights=fetched, **values)
    except UsageError:
        raise
    except Exception as error:
        advice = f"check the arguments {', '.join(values)}" if values else "check the connection, or leave @WEIGHTS out"
        raise UsageError(f"model {request.name} must build; torchvision says {reason(error)}: {advice}") from error
    notes = () if fetched is not None or request.own_weights else (random_weights(request.name),)
    transforms: Any = (chosen or kinds.DEFAULT).transforms()
    return Opened(network, _preprocessing(transforms), notes)


def _preprocessing(transforms: Any) -> Preprocessing:
    """Return the preprocessing that the transforms of torchvision's weights state."""
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    return Preprocessing(
        mean=tuple(map(float, transforms.mean)),
        std=tuple(map(float, transforms.std)),
        size=(crop, crop),
        crop=crop / resize,
        interpolation=str(transforms.interpolation.value),
    )
