"""`geomrob train`: train a model by a recipe."""

import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli import console
from geomrob.cli.answer import Answer
from geomrob.cli.options import Shown
from geomrob.cli.session import libraries
from geomrob.seeds import check_seed

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
    model: str | None = None,
    weights: Path | None = None,
    tensorboard: Path | None = None,
    options: Shown = Shown(),
) -> int:
    """Train a model by a recipe, resuming a killed run; print its accuracy and its weights file.

    Args:
        recipe: A name that `geomrob models` lists, smoke, or the path of a .toml file.
        data_dir: Folder of the data sets (MNIST/raw, FashionMNIST/raw, cifar-10-batches-py); default GEOMROB_DATA.
        out: Folder of this training; default trained/RECIPE.
        seed: Seed of the initial weights and of everything random.
        device: auto, cpu or cuda.
        fresh: Start again even if the folder holds a training.
        model: Trained instead of the recipe's: what --model takes elsewhere, such as my_module:factory.
        weights: File of weights to start from, instead of initial ones.
        tensorboard: Folder of a TensorBoard log of each epoch (extra tensorboard).
    """
    check_seed(seed)
    libraries()
    from geomrob.files import user_path
    from geomrob.training import train_recipe
    from geomrob.training.checkpoint import written

    folder = user_path(out or Path("trained") / (Path(recipe).stem or "recipe"), "out")
    with console.progress(f"training {recipe}") as progress:
        report = train_recipe(
            recipe,
            out=folder,
            data_dir=data_dir,
            seed=seed,
            device=console.resolve_device(device),
            resume=not fresh,
            model=model or "",
            weights=weights,
            progress=progress,
            on_epoch=partial(report_epoch, log=tensorboard),
        )
    answer = Answer("train", folder, [report])
    answer.files += written(folder)
    return answer.finish()


def report_epoch(epoch: "Epoch", log: Path | None = None) -> None:
    """Write the loss and the held-out accuracy of an epoch on stderr, and into a TensorBoard log."""
    held_out = "" if math.isnan(epoch.held_out) else f", held-out accuracy {epoch.held_out:.2%}"
    sys.stderr.write(f"epoch {epoch.epoch}, loss {epoch.loss:.4f}{held_out}, {epoch.seconds:.0f} s\n")
    if log is not None:
        from geomrob.interop.tensorboard import write_log

        write_log(log, {"train": [{"epoch": epoch.epoch, "loss": epoch.loss, "held_out": epoch.held_out}]}, {})
