"""Claim: filters of unit norm do not hurt a VGG; they make it slightly more accurate.

Reference: Cekic, Bakiskan, Madhow, "Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks", 2022, section 2:
implicit weight normalisation in all blocks of a baseline VGG-16 on CIFAR-10 "does not adversely impact accuracy
(indeed, it slightly improves it)", without a number. The paper does not say whether the baseline without it has the
batch normalisation behind the ReLU, as its own blocks, or before, as VGGs usually do: here it is behind, so that the
two networks differ in nothing else.

Here: the small VGG of the zoo (five convolutions) on Fashion-MNIST, trained by its recipe (Adam); in addition the
accuracy in Gaussian noise of 0.1, mean of three draws.

    python -m experiments.weight_norm --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke five seconds, cpu (12,000 images, 6 epochs, three seeds, 6 trainings) about 8 minutes, paper (VGG-16 on
CIFAR-10, 100 epochs, three seeds) days. Trainings are kept and found again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.measures import noise_accuracy
from experiments.trainings import TRAININGS, changed, trained
from experiments.zoo import cell, mean_and_error
from geomrob.models.architectures.plans import VGG16
from geomrob.models.architectures.vgg import vgg
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy

CLOTHES: dict[str, Any] = {
    "shape": (1, 28, 28),
    "mean": (0.2860,),
    "std": (0.3530,),
    "plan": (16, "M", 24, 24, "M", 48, 48, "M"),
}
CASES: dict[str, dict[str, bool]] = {
    "unit norm": {"weight_norm": True},
    "free": {"weight_norm": False, "relu_first": True},
}
"""The arguments of `vgg` by the name of the case."""
MEASURES = {"clean": "clean images", "noise": r"Gaussian noise, $\sigma$ = 0.1"}
PUBLISHED = {"clean": "slightly better", "noise": ""}


@dataclass(frozen=True)
class Scale:
    """Recipe, data and network; training images (0: all), epochs (0: the recipe's), seeds, test images (0: all)."""

    recipe: str
    data: str
    network: dict[str, Any]
    train: int
    epochs: int
    seeds: tuple[int, ...]
    test: int


SCALES = {
    "smoke": Scale("fmnist-vgg", "fashion-mnist-1k", CLOTHES, 60, 1, (0,), 20),
    "cpu": Scale("fmnist-vgg", "fashion-mnist", CLOTHES, 12_000, 0, (0, 1, 2), 0),
    "paper": Scale("cifar10-vgg16", "cifar10", {"plan": VGG16}, 0, 0, (0, 1, 2), 0),
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit(f"name the folder of {scale.data} by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    where = {} if smoke else {"data_dir": flags.data_dir}
    test = geomrob.load_data(scale.data, split="test", samples=scale.test or None, **where)
    recipe = changed(
        scale.recipe,
        samples=scale.train,
        data=scale.data,
        **({"epochs": scale.epochs, "milestones": (1,)} if scale.epochs else {}),
    )
    rows = []
    for seed in scale.seeds:
        for case, how in CASES.items():

            def make(how: dict[str, bool] = how, seed: int = seed) -> nn.Module:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    return vgg(**scale.network, **how)

            model = trained(recipe, seed, folder, flags.data_dir, make=make, name=case)
            rows.append({"case": case, "seed": seed, "clean": 100 * accuracy(model, test)})
            rows[-1]["noise"] = 100 * noise_accuracy(model, test)
            print(rows[-1], flush=True)
    facts = {"data": scale.data, "test": len(test), "train": scale.train, "epochs": recipe.options.epochs}
    return {**facts, "rows": rows}


def column(page: Page, case: str, name: str) -> list[float]:
    """Accuracies in per cent of a case, a number a seed."""
    return [row[name] for row in page["rows"] if row["case"] == case]


def gain(page: Page, name: str) -> Sequence[float]:
    """How many points the network of unit norm is above the free one of the same seed."""
    pairs = zip(column(page, "unit norm", name), column(page, "free", name), strict=True)
    return [one - other for one, other in pairs]


def draw(page: Page) -> Figure:
    """A panel a measure: the accuracy of each training, and the mean of each case."""
    figure = blank(8.5, 3.2)
    many = len({row["seed"] for row in page["rows"]})
    figure_headline(
        figure,
        "Do filters of unit norm hurt a VGG?",
        f"{page['data']}, {page['train'] or 'all'} training images, {page['epochs']} epochs. Dots: a seed each; lines: "
        f"mean of {many}.",
    )
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    for index, (ax, (name, label)) in enumerate(zip(axes, MEASURES.items(), strict=True)):
        for at, case in enumerate(CASES):
            values = column(page, case, name)
            ax.scatter(values, [at] * len(values), color=f"C{index}", s=34, alpha=0.65, zorder=3)
            ax.plot([mean_and_error(values)[0]] * 2, [at - 0.3, at + 0.3], color=f"C{index}", lw=2)
        ax.set(title=label, xlabel="correct (%)", yticks=range(len(CASES)), ylim=(len(CASES) - 0.5, -0.5))
        ax.set_yticklabels(["filters of unit norm", "free filters"])
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracy of each case, and by how much unit norm is above the others."""
    rows = [Row(f"{case}: {name} (%)", cell(column(page, case, name), 2)) for case in CASES for name in MEASURES]
    for name, published in PUBLISHED.items():
        verdict = mean_and_error(gain(page, name))[0] >= 0 if name == "clean" else None
        rows.append(Row(f"unit norm above free: {name} (points)", cell(gain(page, name), 2), published, verdict))
    return rows


EXPERIMENT = Experiment(
    "weight_norm", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
