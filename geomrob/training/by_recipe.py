"""A whole training by the name of its recipe, and the report of what it came to."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import torch

from geomrob.data import DATASETS, load_data
from geomrob.models import build, move
from geomrob.results import TrainingReport
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
        progress, on_epoch: As in `fit`.

    Raises:
        UsageError: As `read_recipe`, `load_data`, `fit`.
    """
    recipe = read_recipe(name)
    samples = load_data(
        recipe.data,
        split=recipe.split,
        data_dir=data_dir,
        samples=recipe.samples or None,
        seed=seed,
        transform=recipe.transform or None,
    )
    fitted = fit(
        move(build(recipe.model, seed=seed), device),
        samples,
        recipe.options,
        seed=seed,
        out=out,
        resume=resume,
        regularization=regularization_images(recipe, samples, data_dir),
        progress=progress,
        on_epoch=on_epoch,
    )
    return report(fitted, recipe, out, data_dir, name=name)


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
        test = load_data(recipe.data, data_dir=data_dir, transform=recipe.transform or None)
        test_accuracy = accuracy(fitted.model, test)
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
