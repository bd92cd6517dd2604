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
from geomrob.data.class_names import mapped
from geomrob.errors import UsageError, unknown
from geomrob.inference import evaluating
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
            `package.module:factory`; the initial weights are its own, and all parameters are trained but those of
            modules that the recipe names in `frozen`.
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
    samples = samples_of(recipe, recipe.split, data_dir, seed, recipe.samples or None)
    network, origin = _initial(recipe.model, weights, seed)
    network = move(network, device)
    outputs = _outputs(network, samples) if origin else 0
    samples = mapped(samples, outputs) if origin else samples
    fitted = fit(
        network,
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
    return report(fitted, recipe, out, data_dir, name=name, outputs=outputs)


def samples_of(recipe: Recipe, split: str, data_dir: Path | None, seed: int = 0, samples: int | None = None) -> Samples:
    """Return the images of a recipe in each of its versions.

    Args:
        recipe: Which data, and which edits make a version.
        split: Of the data set.
        data_dir: Folder of the data sets.
        seed: Of the draw.
        samples: How many images are drawn, the same ones for each version; None for all.

    Raises:
        UsageError: As `load_data`; versions of other shapes.
    """
    read = partial(load_data, recipe.data, split=split, data_dir=data_dir, samples=samples, seed=seed)
    return joined(*(read(transform=edit or None) for edit in recipe.edits))


def _initial(model: str, weights: str | Path | None, seed: int) -> tuple[nn.Module, str]:
    """Return a network before its training, and a digest of what it starts from, empty for a row's initial weights."""
    if weights is None and model in MODELS:
        return build(model, seed=seed), ""
    network = load_model(model, weights=weights, seed=seed)
    return network.requires_grad_(True), digest(identity(network))


def _outputs(network: nn.Module, samples: Samples) -> int:
    """Return how many outputs a network has for an image; it is tried before a folder is begun.

    Raises:
        UsageError: It does not take the images, or returns no (N, K) logits.
    """
    images = samples.images[:2]
    device = next((parameter.device for parameter in network.parameters()), images.device)
    try:
        with evaluating(network), torch.no_grad():
            logits = network(images.to(device))
    except (RuntimeError, IndexError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"model must take the images of {samples.name}, {tuple(images.shape[1:])}; got {reason!r}: give a network "
            "for float32 images of that shape"
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise UsageError(
            f"model must return a tensor (N, K) of logits to be trained; got {got}: put it into its forward"
        )
    return logits.shape[1]


def report(
    fitted: Fitted,
    recipe: Recipe,
    folder: Path,
    data_dir: Path | None = None,
    *,
    name: str = "recipe",
    outputs: int = 0,
) -> TrainingReport:
    """Return the facts of a training in `folder`; the test set is evaluated here, once, and chooses nothing.

    `test_accuracy` is NaN where the data set has no test split besides the one trained on. `outputs` is how many a
    network has whose labels are mapped to them by the names of the classes; 0 leaves the labels.
    """
    path = folder / "model.safetensors"
    best = fitted.history[fitted.best_epoch - 1]
    test_accuracy = math.nan
    if recipe.split != "test" and recipe.data in DATASETS:
        test = samples_of(recipe, "test", data_dir)
        test_accuracy = accuracy(fitted.model, mapped(test, outputs) if outputs else test)
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
