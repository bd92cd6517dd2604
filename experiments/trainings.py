"""Trainings of the sweeps: each once, in a folder of its own that every experiment finds again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from geomrob.data import Samples
from geomrob.data.corruptions import corrupt
from geomrob.models import build
from geomrob.training import accuracy, fit
from geomrob.training.by_recipe import samples_of
from geomrob.training.losses.pixel_similarity import regularization_images
from geomrob.training.recipe import Recipe
from geomrob.training.recipe_files import read_recipe


@dataclass(frozen=True)
class Sweep:
    """Training images (0: all), epochs (0: the recipe's), seeds; test images and severities of their corruptions."""

    train: int
    epochs: int
    seeds: tuple[int, ...]
    test: int
    severities: tuple[int, ...]


TRAININGS: dict[str, Any] = {
    "type": Path,
    "metavar": "FOLDER",
    "default": Path("trained/sweeps"),
    "help": "folder of the trainings, which are kept: one that is there is not made again",
}


def changed(name: str, *, samples: int = 0, data: str = "", transform: str = "", **options: Any) -> Recipe:
    """Return a recipe of the package with fewer images, other data or other options."""
    recipe = read_recipe(name)
    split = "test" if data == "fashion-mnist-1k" else recipe.split
    return replace(
        recipe,
        samples=samples,
        data=data or recipe.data,
        split=split,
        transform=transform or recipe.transform,
        options=replace(recipe.options, **{"held_out": 0, **options}),
    )


def folder_of(recipe: Recipe, seed: int, folder: Path, name: str = "") -> Path:
    """Return the folder of a training: its name is a digest of everything that the training depends on."""
    words = json.dumps({"recipe": asdict(recipe), "seed": seed, "name": name}, sort_keys=True)
    return folder / f"{recipe.model}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def trained(
    recipe: Recipe,
    seed: int,
    folder: Path,
    data_dir: Path | None = None,
    *,
    make: Callable[[], nn.Module] | None = None,
    name: str = "",
    train: Samples | None = None,
) -> nn.Module:
    """Return the model of a training, in eval mode: the one in the folder if it was made before, resumed if killed.

    Args:
        recipe: What is trained, and how.
        seed: Of the initial weights and of everything random.
        folder: Of all trainings; each has a folder in it, named by a digest of everything that it depends on.
        data_dir: Folder of the data sets.
        make: Builds the model before its training, instead of the recipe's; then `name` says which it is.
        name: As above.
        train: The training images instead of the recipe's; then `name` says which they are.
    """
    if train is None:
        train = samples_of(recipe, recipe.split, data_dir, seed, recipe.samples or None)
    model = make() if make else build(recipe.model, seed=seed)
    similar = regularization_images(recipe, train, data_dir)
    fitted = fit(
        model, train, recipe.options, seed=seed, out=folder_of(recipe, seed, folder, name), regularization=similar
    )
    return fitted.model.eval().requires_grad_(False)


Corrupted = dict[str, list[Samples]]
"""Test images under each corruption, an entry a severity."""


def corrupted(test: Samples, names: Sequence[str], severities: Sequence[int]) -> Corrupted:
    """Return test images under corruptions."""
    return {
        name: [
            replace(test, images=corrupt(test.images, name, severity, indices=test.indices)) for severity in severities
        ]
        for name in names
    }


def errors_of(model: nn.Module, test: Samples, under: Corrupted) -> dict[str, Any]:
    """Return the error in per cent on test images, and under each corruption, the mean over severities."""
    means = {
        name: fmean(100 - 100 * accuracy(model, samples) for samples in versions) for name, versions in under.items()
    }
    return {"clean": 100 - 100 * accuracy(model, test), "corruptions": means, "mean": fmean(means.values())}
