"""`timm:NAME[.TAG]`: networks of timm, and the preprocessing that timm's own configuration states."""

import difflib
from typing import Any

from torch import nn

from geomrob.errors import UsageError, unknown
from geomrob.models.preprocessing import Preprocessing
from geomrob.models.schemes.arguments import guessed, parse_arguments
from geomrob.models.schemes.hub import fetching
from geomrob.models.schemes.opened import Opened, Request, isolated, library, reason


def open_model(request: Request) -> Opened:
    """Return a network of timm: with a tag its pretrained weights, else random ones of seed 0.

    Raises:
        UsageError: timm is missing, it has no such name or tag, an argument that the network does not take, or the
            weights cannot be fetched.
    """
    timm = library("timm", request, "zoo")
    text, _, arguments = request.rest.partition("?")
    values = guessed(parse_arguments(arguments))
    name, dot, tag = text.partition(".")
    if ":" in text or "/" in text:
        raise UsageError(f"model {request.name} must name a network of timm; got {text!r}: write hf-hub:ORG/NAME")
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() has the names"
        raise UsageError(f"model {request.name} must name a network of timm; got {name!r}: {hint}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
    if dot and tag not in tags:
        raise (
            unknown(f"tag of timm:{name}", tag, tags)
            if tags
            else UsageError(
                f"tag must be left out for timm:{name}, which has no pretrained weights; got {tag!r}: write timm:{name}"
            )
        )
    pretrained = bool(tag) and not request.own_weights
    return create(timm, text, request, values, pretrained=pretrained)


def create(timm: Any, text: str, request: Request, values: dict[str, Any], *, pretrained: bool) -> Opened:
    """Return a network that `timm.create_model` makes of a name, with its preprocessing."""
    config = timm.get_pretrained_cfg(text) if ":" not in text else None
    if request.size is not None and config is not None and config.fixed_input_size:
        values = {"img_size": request.size} | values
    try:
        with isolated(), fetching(request, download=pretrained):
            network = timm.create_model(text, pretrained=pretrained, **values)
    except UsageError:
        raise
    except Exception as error:
        given = ", ".join(values)
        advice = f"check the arguments {given}" if given else "try timm.create_model in Python first"
        raise UsageError(f"model {request.name} must build; timm says {reason(error)}: {advice}") from error
    notes = () if pretrained or request.own_weights else (random_weights(request.name),)
    return Opened(network, own_preprocessing(network) or Preprocessing(), notes)


def random_weights(name: str) -> str:
    """Return the note on a network without trained weights."""
    return f"{name} has random weights (seed 0), since its name asks for no trained ones"


def own_preprocessing(network: nn.Module) -> Preprocessing | None:
    """Return the preprocessing that a network of timm carries as `pretrained_cfg`; None for any other network."""
    config: Any = getattr(network, "pretrained_cfg", None)
    if not isinstance(config, dict) or "mean" not in config or "std" not in config:
        return None
    patches: Any = getattr(network, "patch_embed", None)
    # A transformer that was built for another size takes that one.
    size = getattr(patches, "img_size", None) or (config.get("input_size") or ())[-2:]
    return Preprocessing(
        mean=tuple(map(float, config["mean"])),
        std=tuple(map(float, config["std"])),
        size=(int(size[0]), int(size[1])) if size else None,
        crop=float(config.get("crop_pct") or 1.0),
        interpolation=str(config.get("interpolation") or "bilinear"),
    )
