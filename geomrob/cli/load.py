"""What every command loads: models by name, a draw of images, their place; one sentence where they do not fit."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

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
    from geomrob.errors import UsageError
    from geomrob.models import load_model

    if weights is not None and len(names) > 1:
        raise UsageError(f"weights must go with one model; got {len(names)} models: measure them one by one")
    return {name: load_model(name, weights=weights, device=device) for name in names}


def images(data: str, data_dir: Path | None, samples: int, seed: int, transform: str | None = None) -> "Samples":
    """Return the drawn images, edited if there is a transform; files that were left out are told on stderr.

    Raises:
        UsageError: The data set cannot be read, or does not hold as many.
    """
    from geomrob.data import load_data

    drawn = load_data(data, data_dir=data_dir, samples=samples, seed=seed, transform=transform)
    if drawn.skipped:
        sys.stderr.write(f"note: left out {len(drawn.skipped)} files of {data}; the first: {drawn.skipped[0]}\n")
    return drawn


def corruptions(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the corruptions that are meant, each once, in the order of the table.

    Raises:
        UsageError: A name that is none.
    """
    from geomrob.data.corruptions import CORRUPTIONS
    from geomrob.errors import unknown

    groups = {"all": set(CORRUPTIONS), "benchmark": {name for name, one in CORRUPTIONS.items() if one.benchmark}}
    wanted: set[str] = set()
    for one in chosen:
        if one not in groups and one not in CORRUPTIONS:
            raise unknown("corruptions", one, (*groups, *CORRUPTIONS))
        wanted |= groups.get(one, {one})
    return tuple(name for name in CORRUPTIONS if name in wanted)


def boxed(drawn: "Samples", transform: str | None = None) -> bool:
    """Return whether all images must lie in [0, 1]: edited and synthetic ones need not."""
    from geomrob.data import DATASETS

    return transform is None and (drawn.name not in DATASETS or DATASETS[drawn.name].boxed)


def check_fit(models: "dict[str, nn.Module]", drawn: "Samples", device: "torch.device") -> None:
    """Refuse, before the work, models that do not take these images.

    A model for colour does not fail on grey images (the mean of each channel is taken off the one there is), so the
    channels are compared with those of the table.

    Raises:
        UsageError: Other channels than a model of the table is made for, or a call with one image fails.
    """
    from geomrob.analysis import preparation

    preparation.check_fit(models, drawn.images.to(device), drawn.name)


def trained_for(drawn: "Samples") -> tuple[str, ...]:
    """Return the models of the table with weights, trained for the data set or else for images of its shape."""
    from geomrob.models import MODELS

    shape = tuple(drawn.images.shape[1:])
    fits = {name: entry for name, entry in MODELS.items() if entry.shape == shape and entry.weights}
    trained = [name for name, entry in fits.items() if drawn.name in (claim.data for claim in entry.claims)]
    return tuple(trained or fits)
