"""What a finished training tells: its accuracies and its weights file."""

import hashlib
from pathlib import Path

from geomrob.data import DATASETS, load
from geomrob.training.evaluate import accuracy
from geomrob.training.fit import Fitted
from geomrob.training.recipe import Recipe


def report(fitted: Fitted, recipe: Recipe, folder: Path, data_dir: Path | None = None) -> dict[str, object]:
    """Return the facts of a training in `folder`; the test set is looked at here, once, and chooses nothing.

    `test_accuracy` is absent where the data set has no test split beside the one trained on.
    """
    path = folder / "model.safetensors"
    best = fitted.history[fitted.best_epoch - 1]
    facts: dict[str, object] = {
        "model": recipe.model,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "held_out_accuracy": round(best.held_out, 4) if recipe.options.held_out else None,
    }
    if recipe.split != "test" and recipe.data in DATASETS:
        test = load(recipe.data, data_dir=data_dir, transform=recipe.transform or None)
        facts["test_accuracy"] = accuracy(fitted.model, test)
    facts["seconds"] = round(sum(epoch.seconds for epoch in fitted.history), 1)
    facts["weights"] = str(path)
    facts["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return facts
