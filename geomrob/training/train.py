"""Training by a recipe: from its name to a folder of weights and the facts of the training."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from geomrob.data import DATASETS, load_data
from geomrob.models import build, move
from geomrob.training.evaluate import accuracy
from geomrob.training.loop import Epoch, Fitted, Progress, fit
from geomrob.training.losses.pixel_similarity import regularization_images
from geomrob.training.recipe import Recipe, read_recipe


def train_recipe(
    recipe: str | Path,
    *,
    out: Path | None = None,
    data_dir: Path | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = True,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> dict[str, object]:
    """Return the facts of a training by a recipe, which leaves its files in a folder (`geomrob.training.checkpoint`).

    Args:
        recipe: A name, or the path of a `.toml` file, as in `read_recipe`.
        out: The folder; None for trained/RECIPE.
        data_dir: As in `geomrob.data.load`.
        seed: Of the drawn samples, the initial weights and everything random.
        device: Where to train.
        resume: Whether to continue from the state in `out`; False starts afresh and overwrites it.
        progress, on_epoch: As in `fit`.

    Returns:
        A flat row: `model`, `epochs`, `best_epoch`, `held_out_accuracy` (None without held-out images),
        `test_accuracy` (absent where the data set has no test split other than the one trained on; the test set chooses
        nothing), `notes` (options that were not used as given; absent without), `seconds`, and the path and SHA-256 of
        the `weights`.

    Raises:
        UsageError: As `read_recipe`, `load_data` and `fit`.
    """
    plan = read_recipe(recipe)
    folder = out or Path("trained") / Path(recipe).stem
    count, edit = plan.samples or None, plan.transform or None
    images = load_data(plan.data, split=plan.split, data_dir=data_dir, samples=count, seed=seed, transform=edit)
    fitted = fit(
        move(build(plan.model, seed=seed), device),
        images,
        plan.options,
        seed=seed,
        out=folder,
        resume=resume,
        regularization=regularization_images(plan, images, data_dir),
        progress=progress,
        on_epoch=on_epoch,
    )
    return _facts(fitted, plan, folder, data_dir)


def _facts(fitted: Fitted, recipe: Recipe, folder: Path, data_dir: Path | None) -> dict[str, object]:
    """Return the facts of a training in `folder`."""
    path = folder / "model.safetensors"
    best = fitted.history[fitted.best_epoch - 1]
    facts: dict[str, object] = {
        "model": recipe.model,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "held_out_accuracy": round(best.held_out, 4) if recipe.options.held_out else None,
    }
    if recipe.split != "test" and recipe.data in DATASETS:
        test = load_data(recipe.data, data_dir=data_dir, transform=recipe.transform or None)
        facts["test_accuracy"] = accuracy(fitted.model, test)
    if fitted.notes:
        facts["notes"] = list(fitted.notes)
    facts["seconds"] = round(sum(epoch.seconds for epoch in fitted.history), 1)
    facts["weights"] = str(path)
    facts["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return facts
