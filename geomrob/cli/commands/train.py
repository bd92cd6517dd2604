"""`geomrob train`: train a model by a recipe."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from geomrob.cli import console
from geomrob.cli.answer import Answer
from geomrob.cli.session import libraries


def train(
    recipe: str,
    *,
    data_dir: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    fresh: bool = False,
    json: bool = False,
) -> int:
    """Train a model by a recipe, resuming a killed run; print its accuracy and its weights file.

    Args:
        recipe: A name that `geomrob models` lists, smoke, or the path of a .toml file.
        data_dir: Folder of the data sets (MNIST/raw, FashionMNIST/raw, cifar-10-batches-py); default GEOMROB_DATA.
        out: Folder of this training; default trained/RECIPE.
        seed: Seed of the initial weights and of everything random.
        device: auto, cpu or cuda.
        fresh: Start again even if the folder holds a training.
        json: Print one JSON object and nothing else.
    """
    libraries()
    from geomrob.training import read_recipe, train_recipe

    folder = out or Path("trained") / Path(recipe).stem
    where = console.resolve_device(device)
    epochs = read_recipe(recipe).options.epochs
    with console.progress(f"training {recipe}", quiet=json) as bar:
        report = train_recipe(
            recipe,
            out=folder,
            data_dir=data_dir,
            seed=seed,
            device=where,
            resume=not fresh,
            progress=_steps(bar, epochs),
        )
    return Answer("train", folder, [report], as_json=json).finish()


def _steps(bar: console.Progress, epochs: int) -> Callable[[int, int, int, float], None]:
    """Return what moves the bar, and where nobody watches writes a line on stderr at the end of each epoch."""
    watched, start = sys.stderr.isatty(), time.monotonic()

    def report(epoch: int, step: int, steps: int, loss: float) -> None:
        bar((epoch - 1) * steps + step, epochs * steps)
        if step == steps and not watched:
            seconds = time.monotonic() - start
            sys.stderr.write(f"epoch {epoch}, step {step}/{steps}, loss {loss:.4f}, {seconds:.0f} s\n")

    return report
