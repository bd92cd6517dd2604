"""What every command loads: models by name, a draw of images, their place; one sentence where they do not fit."""

import math
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    from geomrob.arrays import UsageError
    from geomrob.data.entry import Samples


def libraries() -> None:
    """Import numpy before anything imports torch, so that Ctrl-C ends a command at any time.

    Torch imports numpy from its own code while it starts and drops whatever is raised there: a Ctrl-C in that moment
    would be lost, and numpy with it.
    """
    import_module("numpy")


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


def memory_bytes(memory: float | None) -> int | None:
    """Return a budget in GiB as bytes, None for the default of the device.

    Raises:
        UsageError: It is not a number above 0.
    """
    from geomrob.arrays import UsageError

    if memory is None:
        return None
    if not 0 < memory < math.inf:
        raise UsageError(f"memory must be above 0 GiB; got {memory:g}: leave --memory out for the default")
    return int(memory * 2**30)


def check_threads(threads: int | None) -> None:
    """Refuse a number of CPU threads that cannot be.

    Raises:
        UsageError: It is below 1.
    """
    from geomrob.arrays import UsageError

    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1; got {threads}: leave --threads out for the default")


def check_channels(models: "dict[str, nn.Module]", drawn: "Samples") -> None:
    """Refuse images with other channels than a model of the table is made for.

    A model for colour does not fail on grey images: the mean of each channel is taken off the one there is.

    Raises:
        UsageError: They have.
    """
    from geomrob.models import MODELS

    for name in models:
        if name in MODELS and MODELS[name].shape[0] != drawn.images.shape[1]:
            raise _misfit(name, drawn)


def check_fit(models: "dict[str, nn.Module]", drawn: "Samples", device: "torch.device") -> None:
    """Refuse, before the work, models that do not take these images.

    Raises:
        UsageError: A call with one image fails.
    """
    import torch

    from geomrob.attacks.calls import evaluating, scores

    image = drawn.images[:1].to(device)
    for name, model in models.items():
        with evaluating(model), torch.no_grad():
            try:
                scores(model, image)
            except RuntimeError as error:
                raise _misfit(name, drawn, reason=str(error).splitlines()[0]) from error


def _misfit(name: str, drawn: "Samples", reason: str = "") -> "UsageError":
    """Return the error that says that the images are not for the model."""
    from geomrob.arrays import UsageError
    from geomrob.models import MODELS

    told = "x".join(map(str, drawn.images.shape[1:]))
    if name in MODELS:
        wanted = "x".join(map(str, MODELS[name].shape))
        return UsageError(
            f"data must hold images of {wanted} for {name}; got {told} in {drawn.name}: choose a model for them"
        )
    return UsageError(f"model must take the images of {drawn.name} ({told}); {name} does not ({reason}): choose others")
