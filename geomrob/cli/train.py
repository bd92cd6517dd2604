"""`geomrob train`."""

import sys
import time
from pathlib import Path


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
    """Train a model by a recipe, going on where a killed run stopped; print its accuracy and its weights file.

    Args:
        recipe: A name that `geomrob models` lists, smoke, or the path of a .toml file.
        data_dir: Folder of the data sets (MNIST/raw, FashionMNIST/raw, cifar-10-batches-py); default GEOMROB_DATA.
        out: Folder of this training; default trained/RECIPE.
        seed: Of the initial weights and of everything drawn.
        device: auto, cpu or cuda.
        fresh: Start again even if the folder holds a training.
        json: Print one JSON object instead of the table.
    """
    import torch

    from geomrob import data, models, training

    plan = training.read_recipe(recipe)
    folder = out or Path("trained") / Path(recipe).stem
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    count, edit = plan.samples or None, plan.transform or None
    images = data.load_data(plan.data, split=plan.split, data_dir=data_dir, samples=count, seed=seed, transform=edit)
    model = models.move(models.build(plan.model, seed=seed), place)
    pool = training.regularization_images(plan, images, data_dir)
    fitted = training.fit(
        model,
        images,
        plan.options,
        seed=seed,
        out=folder,
        resume=not fresh,
        regularization=pool,
        progress=_Progress(),
    )
    show(training.report(fitted, plan, folder, data_dir), as_json=json)


def show(facts: dict[str, object], *, as_json: bool) -> None:
    """Print the facts of a finished training, one a line or as one JSON object."""
    from json import dumps

    table = "\n".join(f"{key:18} {value}" for key, value in facts.items())
    sys.stdout.write((dumps(facts) if as_json else table) + "\n")


class _Progress:
    """Writes one line a second at most on stderr, and one at the end of each epoch."""

    def __init__(self) -> None:
        self.last = self.start = time.monotonic()

    def __call__(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Tell where the training stands."""
        now = time.monotonic()
        if now - self.last < 1 and step < steps:
            return
        self.last = now
        line = f"epoch {epoch}, step {step}/{steps}, loss {loss:.4f}, {now - self.start:.0f} s"
        if step == steps or sys.stderr.isatty():
            sys.stderr.write(f"\r{line}" + ("\n" if step == steps else ""))
            sys.stderr.flush()
