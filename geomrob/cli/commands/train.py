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
    from geomrob.training import train_recipe

    folder = out or Path("trained") / Path(recipe).stem
    report = train_recipe(
        recipe,
        out=folder,
        data_dir=data_dir,
        seed=seed,
        device=console.resolve_device(device),
        resume=not fresh,
        progress=steps(),
    )
    return Answer("train", folder, [report], as_json=json).finish()


def steps() -> Callable[[int, int, int, float], None]:
    """Return a function that writes one line a second at most on stderr, and one at the end of each epoch."""
    last = start = time.monotonic()

    def report(epoch: int, step: int, steps: int, loss: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 1 and step < steps:
            return
        last = now
        line = f"epoch {epoch}, step {step}/{steps}, loss {loss:.4f}, {now - start:.0f} s"
        if step == steps or sys.stderr.isatty():
            sys.stderr.write(f"\r{line}" + ("\n" if step == steps else ""))
            sys.stderr.flush()

    return report
