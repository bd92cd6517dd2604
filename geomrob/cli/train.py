"""`geomrob train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli import console

if TYPE_CHECKING:
    from geomrob.training import Epoch


def train(
    recipe: str,
    *,
    data_dir: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    fresh: bool = False,
    json: bool = False,
) -> None:
    """Train a model by a recipe, resuming where a killed run stopped; print its accuracy and its weights file.

    Args:
        recipe: A name that `geomrob models` lists, smoke, or the path of a .toml file.
        data_dir: Folder of the data sets (MNIST/raw, FashionMNIST/raw, cifar-10-batches-py); default GEOMROB_DATA.
        out: Folder of this training; default trained/RECIPE.
        seed: Of the initial weights and of everything drawn.
        device: auto, cpu or cuda.
        fresh: Start again even if the folder holds a training.
        json: Print one JSON object instead of the table.
    """
    from json import dumps

    from geomrob.training import train_recipe

    with console.progress(f"training {recipe}") as progress:
        facts = train_recipe(
            recipe,
            out=out,
            data_dir=data_dir,
            seed=seed,
            device=console.resolve_device(device),
            resume=not fresh,
            progress=progress,
            on_epoch=_report,
        )
    console.say(dumps(facts) if json else "\n".join(f"{key:18} {value}" for key, value in facts.items()))


def _report(epoch: "Epoch") -> None:
    """Write a line on stderr."""
    held_out = "" if epoch.held_out != epoch.held_out else f", held-out accuracy {epoch.held_out:.2%}"
    sys.stderr.write(f"epoch {epoch.epoch}, loss {epoch.loss:.4f}{held_out}, {epoch.seconds:.0f} s\n")
