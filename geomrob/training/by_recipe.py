"""A whole training by the name of its recipe, and the report of what it came to."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from geomrob.data import DATASETS, Samples, joined, load_data
from geomrob.errors import unknown
from geomrob.models import MODELS, build, load_model, move
from geomrob.results import TrainingReport
from geomrob.runs.fingerprint import digest, identity
from geomrob.training.evaluate import accuracy
from geomrob.training.loop import Epoch, Fitted, Progress, fit
from geomrob.training.losses.pixel_similarity import regularization_images
from geomrob.training.recipe import Recipe
from geomrob.training.recipe_files import read_recipe


def train_recipe(
    name: str,
    *,
    out: Path,
    data_dir: Path | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    resume: bool = True,
    model: str | Path = "",
    weights: str | Path | None = None,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingReport:
    """Return what a training by a recipe came to; weights and log are in `out`.

    Args:
        name: Of a recipe, or the path of a .toml file.
        out: Folder of this training.
        data_dir: Folder of the data sets.
        seed: Of the initial weights and of everything random.
        device: Where to train.
        resume: Resume what the folder holds; otherwise start again.
        model: Trained instead of the recipe's: a name that `load_model` takes, such as the factory of your own code
            `package.module:factory`; the initial weights are its own.
        weights: A file of weights that the training starts from, instead of initial ones.
        progress, on_epoch: As in `fit`.

    Raises:
        UsageError: As `read_recipe`, `load_data`, `load_model`, `fit`.
    """
    recipe = read_recipe(name)
    if not model and recipe.model not in MODELS:
        # Code that a file names is run for no one who did not ask for it.
        raise unknown("model of a recipe", recipe.model, MODELS)
    recipe = replace(recipe, model=str(model)) if model else recipe
    samples = _samples(recipe, recipe.split, data_dir, seed, recipe.samples or None)
    network, origin = _initial(recipe.model, weights, seed)
    fitted = fit(
        move(network, device),
        samples,
        recipe.options,
        seed=seed,
        out=out,
        resume=resume,
        origin=origin,
        regularization=regularization_images(recipe, samples, data_dir),
        progress=progress,
        on_epoch=on_epoch,
    )
    return report(fitted, recipe, out, data_dir, name=name)


def _samples(recipe: Recipe, split: str, data_dir: Path | None, seed: int = 0, samples: int | None = None) -> Samples:
    """Return the images of a recipe in each of its versions."""
    read = partial(load_data, recipe.data, split=split, data_dir=data_dir, samples=samples, seed=seed)
    return joined(*(read(transform=edit or None) for edit in recipe.edits))


def _initial(model: str, weights: str | Path | None, seed: int) -> tuple[nn.Module, str]:
    """Return a network before its training, and a digest of what it starts from, empty for a row's initial weights."""
    if weights is None and model in MODELS:
        return build(model, seed=seed), ""
    with torch.random.fork_rng(devices=[]):
        # A factory draws its initial weights from the global generator.
        torch.manual_seed(seed)
        network = load_model(model, weights=weights)
    return network.requires_grad_(True), digest(identity(network))


def report(
    fitted: Fitted, recipe: Recipe, folder: Path, data_dir: Path | None = None, *, name: str = "recipe"
) -> TrainingReport:
    """Return the facts of a training in `folder`; the test set is evaluated here, once, and chooses nothing.

    `test_accuracy` is NaN where the data set has no test split besides the one trained on.
    """
    path = folder / "model.safetensors"
    best = fitted.history[fitted.best_epoch - 1]
    test_accuracy = math.nan
    if recipe.split != "test" and recipe.data in DATASETS:
        test_accuracy = accuracy(fitted.model, _samples(recipe, "test", data_dir))
    return TrainingReport(
        recipe=name,
        model=recipe.model,
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        held_out_accuracy=round(best.held_out, 4) if recipe.options.held_out else math.nan,
        test_accuracy=test_accuracy,
        seconds=round(sum(epoch.seconds for epoch in fitted.history), 1),
        weights=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        remarks=fitted.notes,
    )
