"""Claim: a network forgets the boundaries that held features which it is trained without, and recovers them with them.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.3.3 and
Fig. 4.8: a DenseNet-121 trained on the union of low-pass and high-pass CIFAR-10 images (16 x 16 of 32 x 32 DCT
coefficients), then 30 epochs on the low-pass ones alone (rate from 0.05 down to 0), then 30 on the union again. Test
accuracy on low-pass and high-pass images: 86.59 and 57.29 %, 87.81 and 10.01, 86.1 and 59.11. The margins of low-pass
test images grow at high frequencies and come back.

Here: the ResNet-8 of the zoo on Fashion-MNIST, 14 x 14 of 28 x 28 coefficients.

    python -m experiments.forgetting --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke a quarter of a minute, cpu (12,000 images, 5 epochs a phase) 8 minutes, paper (CIFAR-10, ResNet-18, all
images, 30 epochs a phase) weeks. Trainings are kept and found again.
"""

import argparse
import copy
from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from experiments.trainings import TRAININGS, changed, trained
from geomrob.data import joined
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy

SEED = 0
PHASES = ("both", "low-pass alone", "both again")
RATE = 0.05
"""Of the second and third phase, falling along a line."""


@dataclass(frozen=True)
class Scale:
    """Recipe, data, side of the kept coefficients, training images (0: all), epochs a phase; test and margin images."""

    recipe: str
    data: str
    side: int
    train: int
    epochs: int
    test: int
    margins: int


SCALES = {
    "smoke": Scale("fmnist-standard", "fashion-mnist-1k", 14, 60, 1, 20, 2),
    "cpu": Scale("fmnist-standard", "fashion-mnist", 14, 12_000, 5, 2000, 60),
    "paper": Scale("cifar10-resnet18", "cifar10", 16, 0, 30, 10_000, 1000),
}
# Test accuracy on low-pass and high-pass images after each phase, per cent.
PUBLISHED = {"both": (86.59, 57.29), "low-pass alone": (87.81, 10.01), "both again": (86.1, 59.11)}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of the data sets by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    where = {} if smoke else {"data_dir": flags.data_dir}
    edits = {"low-pass": f"lowpass:{scale.side}", "high-pass": f"highpass:{scale.side}"}
    split = "test" if smoke else "train"
    train = {
        name: geomrob.load_data(scale.data, split=split, samples=scale.train or None, transform=edit, **where)
        for name, edit in edits.items()
    }
    test = {
        name: geomrob.load_data(scale.data, samples=scale.test, transform=edit, **where) for name, edit in edits.items()
    }
    union = joined(*train.values())
    base = changed(scale.recipe, samples=scale.train, data=scale.data, epochs=scale.epochs, crop=0, flip=False)
    later = changed(
        scale.recipe, samples=scale.train, data=scale.data, epochs=scale.epochs, crop=0, flip=False,
        schedule="linear", max_rate=RATE,
    )  # fmt: skip
    bands = geomrob.bands("blocks", geomrob.basis("dct", union.images.shape[-2:]))
    model: nn.Module = build(base.model, seed=SEED)
    rows = []
    for phase in PHASES:
        samples = train["low-pass"] if phase == "low-pass alone" else union

        def make(before: nn.Module = model) -> nn.Module:
            return copy.deepcopy(before).requires_grad_(True)

        recipe = base if phase == PHASES[0] else later
        model = trained(recipe, SEED, folder, flags.data_dir, make=make, train=samples, name=f"forgetting, {phase}")
        few = test["low-pass"].images[: scale.margins]
        curve = geomrob.margin_curve(model, few, subspaces=bands, attack="deepfool", allowed=None)
        rows.append(
            {
                "phase": phase,
                **{name: 100 * accuracy(model, images) for name, images in test.items()},
                "margins": curve.quantiles(0.5)[:, 0].tolist(),
                "frequency": curve.frequency.tolist(),
            }
        )
        print(phase, {name: round(rows[-1][name], 1) for name in test}, flush=True)
    return {"data": scale.data, "recipe": scale.recipe, "margin_images": scale.margins, "rows": rows}


def draw(page: Page) -> Figure:
    """The margin along the frequencies after each phase, and the accuracies."""
    figure = blank(10, 4.4)
    figure_headline(
        figure,
        "Does a network forget the high frequencies that it is trained without?",
        f"Median DeepFool margin of {page['margin_images']} low-pass test images in each DCT block, after training on "
        f"low- and high-pass images, on low-pass ones alone, and on both again. {page['data']}.",
    )
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for index, row in enumerate(page["rows"]):
        left.plot(row["frequency"], row["margins"], label=row["phase"], ms=4, **stroke(index))
        at = [index - 0.2, index + 0.2]
        for x, name, shade in zip(at, ("low-pass", "high-pass"), (0.9, 0.45), strict=True):
            right.bar(x, row[name], width=0.38, color=stroke(index)["color"], alpha=shade)
            right.annotate(
                f"{name.split('-')[0]}\n{row[name]:.0f}",
                (x, row[name]),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    left.set(yscale="log", xlabel="frequency of the block: coarse to fine", ylabel="median $\\ell_2$ margin")
    left.legend(fontsize=8)
    right.set(xticks=range(len(page["rows"])), ylabel="test accuracy (%)", ylim=(0, 110))
    right.set_xticklabels([row["phase"] for row in page["rows"]], fontsize=8)
    for ax in (left, right):
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracies after each phase, and the margin in the highest block."""
    rows = []
    for row in page["rows"]:
        for name, published in zip(("low-pass", "high-pass"), PUBLISHED[row["phase"]], strict=True):
            rows.append(Row(f"{row['phase']}: {name} (%)", row[name], published))
        rows.append(Row(f"{row['phase']}: margin, highest block", row["margins"][-1]))
    return rows


EXPERIMENT = Experiment(
    "forgetting", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
