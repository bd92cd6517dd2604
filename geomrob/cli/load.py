"""What every command loads: models by name, a draw of images, their place; one sentence where they do not fit."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.data.entry import Samples


def networks(names: Sequence[str], weights: Path | None, device: "torch.device") -> "dict[str, nn.Module]":
    """Return the models by name, all loaded before the first is measured.

    Raises:
        UsageError: One cannot be loaded, or there are weights and several models.
    """
    from geomrob.arrays import UsageError
    from geomrob.models import load

    if weights is not None and len(names) > 1:
        raise UsageError(f"weights must go with one model; got {len(names)} models: measure them one by one")
    return {name: load(name, weights=weights, device=device) for name in names}


def images(data: str, data_dir: Path | None, samples: int, seed: int) -> "Samples":
    """Return the drawn images; files that were left out are told on stderr.

    Raises:
        UsageError: The data set cannot be read, or does not hold as many.
    """
    from geomrob.data import load

    drawn = load(data, data_dir=data_dir, samples=samples, seed=seed)
    if drawn.skipped:
        sys.stderr.write(f"note: left out {len(drawn.skipped)} files of {data}; the first: {drawn.skipped[0]}\n")
    return drawn


def check_fit(models: "dict[str, nn.Module]", drawn: "Samples", device: "torch.device") -> None:
    """Refuse, before the work, models that do not take these images.

    Raises:
        UsageError: A model of the table is made for images of another shape, or a call with one image fails.
    """
    import torch

    from geomrob.arrays import UsageError
    from geomrob.attacks.calls import evaluating, scores
    from geomrob.models import MODELS

    shape = tuple(drawn.images.shape[1:])
    told = "x".join(map(str, shape))
    for name, model in models.items():
        if name in MODELS and MODELS[name].shape != shape:
            wanted = "x".join(map(str, MODELS[name].shape))
            raise UsageError(
                f"data must hold images of {wanted} for {name}; got {told} in {drawn.name}: choose a model for them"
            )
        try:
            with evaluating(model), torch.no_grad():
                scores(model, drawn.images[:1].to(device))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"model must take the images of {drawn.name} ({told}); {name} does not ({reason}): choose others"
            ) from error
