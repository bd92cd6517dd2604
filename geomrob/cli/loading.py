"""Models and images of a command, loaded as its options say; refused in one sentence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from geomrob.cli.options import Data, Inputs
from geomrob.errors import UsageError, note
from geomrob.seeds import check_seed

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples


def load_networks(
    names: Sequence[str],
    weights: Sequence[Path],
    device: "torch.device",
    *,
    inputs: Inputs | None = None,
    outputs: str = "auto",
) -> "dict[str, list[nn.Module]]":
    """Return the networks of each model, all loaded before the first is measured: one for each file of weights.

    Raises:
        UsageError: One cannot be loaded, weights for several models.
    """
    from geomrob.models import load_model

    if weights and len(names) > 1:
        raise UsageError(
            f"weights must go with one model; got {len(names)} models: measure them one by one, or give "
            "each its weights in a function, file.py:function"
        )
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        note(f"model {name} is named {names.count(name)} times: it is measured once")
    given: dict[str, Any] = {}
    if inputs is not None:
        given = {key: _numbers(key, getattr(inputs, key), float) for key in ("mean", "std")}
        given["image_size"] = _numbers("image_size", inputs.image_size, int)
    networks = {
        name: [load_model(name, weights=file, device=device, **given) for file in weights or (None,)]
        for name in dict.fromkeys(names)
    }
    for model in (model for group in networks.values() for model in group):
        if outputs != "auto":
            cast("Any", model).output_kind = outputs
        for text in getattr(model, "notes", ()):
            note(text)
    return networks


def _numbers(name: str, text: str | None, kind: "type[float] | type[int]") -> "list[Any] | None":
    """Return the numbers of an option, None where it is left out; one side of an image stands for both.

    Raises:
        UsageError: Not numbers.
    """
    if text is None:
        return None
    size = name == "image_size"
    try:
        numbers = [kind(part) for part in text.lower().split("x" if size else ",")]
    except ValueError:
        example = "224 or 224x288" if size else "0.485,0.456,0.406"
        option = name.replace("_", "-")
        raise UsageError(f"{name} must be numbers; got {text!r}: write --{option} {example}") from None
    return numbers * 2 if size and len(numbers) == 1 else numbers


def load_samples(
    options: Data,
    transform: str | None = None,
    *,
    split: str = "test",
    models: "Mapping[str, Sequence[nn.Module]] | None" = None,
) -> "Samples":
    """Return the drawn images, edited if there is a transform; all of a set smaller than the default of the command.

    Args:
        options: Which images.
        transform: Edit of the images.
        split: Of the data set.
        models: Those that they are for: images are resized and cropped as their configuration says.

    Raises:
        UsageError: The data set cannot be read, or does not hold as many.
    """
    check_seed(options.seed)
    from geomrob.data import load_data
    from geomrob.models.preprocessing import changed, common_preprocessing

    preprocessing, notes = common_preprocessing({name: group[0] for name, group in (models or {}).items()})
    for text in notes:
        note(text)
    reading: dict[str, Any] = {}
    if preprocessing.size is None and isinstance(options, Inputs) and options.image_size is not None:
        preprocessing = changed(preprocessing, None, None, _numbers("image_size", options.image_size, int))
    if preprocessing.size is not None:
        size, crop = preprocessing.size, preprocessing.crop
        reading = {"image_size": size, "crop": crop, "interpolation": preprocessing.interpolation}
    drawn = load_data(
        options.data,
        split=split,
        data_dir=options.data_dir,
        samples=options.samples,
        at_most=options.default_samples,
        seed=options.seed,
        transform=transform,
        classes=options.classes,
        **reading,
    )
    for text in drawn.notes:
        note(text)
    return drawn


def trained_for(samples: "Samples", least: int = 0, *, alike: bool = True) -> tuple[str, ...]:
    """Return the models of the table with weights, trained for the data set or else for images of its shape.

    Args:
        samples: The images.
        least: How many there must be: then the first so many are returned.
        alike: Whether images of the same shape are enough; the classes are then others.

    Raises:
        UsageError: The table has fewer.
    """
    from geomrob.models import MODELS

    shape = tuple(samples.images.shape[1:])
    fits = {name: entry for name, entry in MODELS.items() if entry.shape == shape and entry.weights}
    trained = [name for name, entry in fits.items() if samples.source in (claim.data for claim in entry.claims)]
    names = tuple(trained or (fits if alike else ()))
    if len(names) < least:
        told = f"{names[0]} alone" if names else "none"
        raise UsageError(f"model must name {least} models for {samples.name}; the table has {told} for it: name yours")
    return names[:least] if least else names
