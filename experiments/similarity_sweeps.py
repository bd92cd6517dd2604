"""Claim: the pixel-similarity regulariser works with few pairs, few images and other images, by its high similarities.

Reference: Attias, Pehlevan, Obeid, "A brain-inspired regularizer for adversarial robustness", 2024, Figs. 2 and 12
(bare pixel similarities as targets: a modest gain in noise, none under transferred FGSM), 3 and 13 (thresholded ones:
a substantial gain in both), 5, 16 and 19 (other regularisation images), 8 (4, 8, 16, 32 pairs a step), 9 (number of
images), 14 and 17 (MNIST), 20 to 22 (which similarities matter), Tables 1 (strengths and thresholds) and 2 (weights of
the layers; the last two have none). ResNet-18 on grey CIFAR-10, seven seeds; curves without numbers.

Here: the ResNet-8 of the zoo on Fashion-MNIST, and on MNIST; FGSM is transferred from an unregularised network of
another seed. Every difference is to the unregularised network of the same recipe and seeds.

    python -m experiments.similarity_sweeps --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke half a minute, cpu (12,000 images, 5 epochs, two seeds, 35 trainings) 35 minutes, paper (ResNet-18, all
images, 40 epochs, seven seeds) weeks. Trainings are kept and found again.
"""

import argparse
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.trainings import TRAININGS, changed, folder_of, trained
from experiments.zoo import mean_and_error
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.data import Samples
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy
from geomrob.training.losses.pixel_similarity import layer_weights
from geomrob.training.recipe import Recipe

NOISES, STEPS = (0.05, 0.1, 0.2), (0.02, 0.05)
MEASURES = ("clean", "noise 0.1", "FGSM 0.05", "boundary attack")
"""Those that are drawn and compared."""
SURROGATE = 100
"""Seed of the unregularised network whose gradients are transferred."""

CLOTHES: dict[str, dict[str, Any] | None] = {
    "unregularised": None,
    "threshold 0.8": {},
    "bare pixels": {"target": "pixel"},
    "4 pairs": {"pairs": 4},
    "8 pairs": {"pairs": 8},
    "32 pairs": {"pairs": 32},
    "100 images": {"images": 100},
    "1,000 images": {"images": 1000},
    "of MNIST": {"data": "mnist", "threshold": 0.4},
    "of CIFAR-10": {"data": "cifar10"},
    "bare, of CIFAR-10": {"data": "cifar10", "target": "pixel"},
    "low alone": {"target": "low"},
    "high alone": {"target": "high"},
    "without negative": {"target": "positive"},
}
"""Cases on Fashion-MNIST, by what differs from strength 10, threshold 0.8, 16 pairs a step of 5,000 training images."""

DIGITS: dict[str, dict[str, Any] | None] = {
    "unregularised": None,
    "of MNIST": {"strength": 4.0, "threshold": 0.2},
    "of Fashion-MNIST": {"data": "fashion-mnist", "threshold": 0.4},
}
SETS = {"fashion-mnist": CLOTHES, "mnist": DIGITS}


@dataclass(frozen=True)
class Scale:
    """Recipes by data set, training images (0: all), epochs (0: the recipe's), seeds; test images, walks, queries."""

    recipes: dict[str, str]
    train: int
    epochs: int
    seeds: tuple[int, ...]
    test: int
    walks: tuple[int, int]


SMALL = {"fashion-mnist": "fmnist-similarity", "mnist": "fmnist-similarity"}
LARGE = {"fashion-mnist": "fmnist-resnet18-similarity", "mnist": "mnist-resnet18-similarity"}
SCALES = {
    "smoke": Scale(SMALL, 60, 1, (0,), 20, (2, 30)),
    "cpu": Scale(SMALL, 12_000, 5, (0, 1), 2000, (24, 400)),
    "paper": Scale(LARGE, 0, 0, tuple(range(7)), 10_000, (1000, 10_000)),
}
# Table 2: weights of the last two of five candidate layers of ResNet-18 for Fashion-MNIST on itself.
PUBLISHED = {"last layers": 0.0}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of MNIST, Fashion-MNIST and CIFAR-10 by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    rows = []
    for data, cases in SETS.items():
        if smoke and data == "mnist":
            continue
        name = "fashion-mnist-1k" if smoke else data
        where = {} if smoke else {"data_dir": flags.data_dir}
        test = geomrob.load_data(name, samples=scale.test, **where)
        surrogate = trained(recipe(scale, data, name, None), SURROGATE, folder, flags.data_dir)
        for case, differs in cases.items():
            if smoke and (case not in ("unregularised", "threshold 0.8", "bare pixels")):
                continue
            for seed in scale.seeds:
                what = recipe(scale, data, name, differs)
                model = trained(what, seed, folder, flags.data_dir)
                row = {"data": data, "case": case, "seed": seed, **accuracies(model, surrogate, test, scale.walks)}
                if differs is not None:
                    row["layers"] = layer_weights(folder_of(what, seed, folder))
                rows.append(row)
                print(data, case, seed, {key: round(row[key], 2) for key in MEASURES}, flush=True)
    return {"test": scale.test, "train": scale.train, "rows": rows}


def recipe(scale: Scale, data: str, name: str, differs: dict[str, Any] | None) -> Recipe:
    """The recipe of a case: that of the scale with another part [similarity], or with none."""
    options = {"epochs": scale.epochs} if scale.epochs else {}
    base = changed(scale.recipes[data], samples=scale.train, data=name, **options)
    kept = base.options.similarity
    assert kept is not None
    part = None
    if differs is not None:
        part = replace(
            kept, **{"strength": 10.0, "threshold": 0.8, "images": 60 if scale.train == 60 else 5000, **differs}
        )
    return replace(base, options=replace(base.options, similarity=part))


def accuracies(model: nn.Module, surrogate: nn.Module, test: Samples, walks: tuple[int, int]) -> Page:
    """Accuracy in per cent on clean, noisy and attacked images, and the median distance of the boundary attack."""

    def score(images: torch.Tensor) -> float:
        return 100 * accuracy(model, Samples(images, test.labels, test.classes, test.indices, test.name))

    moved = {
        step: fgsm(surrogate, test.images, test.labels, epsilon=step, source=surrogate).perturbed for step in STEPS
    }
    count, budget = walks
    found = boundary(model, test.images[:count], budget=budget, indices=test.indices[:count])
    return {
        "clean": score(test.images),
        **{f"noise {each}": score(noisy(test.images, kind="gaussian", epsilon=each, seed=0)) for each in NOISES},
        **{f"FGSM {step}": score(moved[step]) for step in STEPS},
        "boundary attack": float(found.distances().median()),
    }


def gains(page: Page, data: str, case: str, measure: str) -> list[float]:
    """How much more than the unregularised network, a number a seed; none where the boundary attack finds no start."""
    rows = {(row["case"], row["seed"]): row[measure] for row in page["rows"] if row["data"] == data}
    found = [value - rows["unregularised", seed] for (name, seed), value in rows.items() if name == case]
    return [gain for gain in found if math.isfinite(gain)]


def draw(page: Page) -> Figure:
    """A panel a measure and a bar a case: the mean gain over the unregularised network, with its standard error."""
    cases = [(data, case) for data, cases in SETS.items() for case in cases if case != "unregularised"]
    there = [(data, case) for data, case in cases if gains(page, data, case, "clean")]
    figure = blank(11.5, 0.34 * len(there) + 2.2)
    figure_headline(
        figure,
        "What does the pixel-similarity regulariser need?",
        "Gain over the network without it: accuracy in points on clean images, in Gaussian noise of 0.1 and under FGSM "
        "of 0.05 from another network, and median $\\ell_2$ distance of the boundary attack. Mean and standard error "
        "over seeds.",
    )
    for index, (ax, measure) in enumerate(zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES, strict=True)):
        pairs = [mean_and_error(gains(page, data, case, measure)) for data, case in there]
        at = range(len(there))
        ax.barh(at, [mean for mean, _ in pairs], xerr=[error for _, error in pairs], color=f"C{index}", height=0.65)
        ax.axvline(0, color="#555555", lw=0.8)
        ax.set(title=measure, yticks=at)
        ax.set_yticklabels([f"{'MNIST, ' * (data == 'mnist')}{case}" for data, case in there], fontsize=8)
        tidy(ax)
    figure.axes[0].invert_yaxis()
    return figure


def compare(page: Page) -> list[Row]:
    """The gain of every case, and the weights of the layers."""
    rows = []
    for data, cases in SETS.items():
        for case in cases:
            values = {name: mean_and_error(gains(page, data, case, name)) for name in MEASURES}
            if case == "unregularised" or math.isnan(values["clean"][0]):
                continue
            shown = {name: f"{mean:+.2f} ± {error:.2f}" for name, (mean, error) in values.items()}
            here = ", ".join(f"{name} {'no start' if 'nan' in text else text}" for name, text in shown.items())
            rows.append(Row(f"{data}: {case}", here))
    published = f"last {PUBLISHED['last layers']:g}"
    rows += [
        Row(f"weights, {row['data']}: {row['case']}", weights(row), published)
        for row in page["rows"]
        if "layers" in row and not row["seed"]
    ]
    return rows


def weights(row: Page) -> str:
    """The weights of the layers in words."""
    return ", ".join(f"{name} {value:.2f}" for name, value in row["layers"].items())


EXPERIMENT = Experiment(
    "similarity_sweeps",
    __doc__ or "",
    SCALES,
    measure,
    draw,
    compare,
    {"--data-dir": DATA_DIR, "--trainings": TRAININGS},
)

if __name__ == "__main__":
    run(EXPERIMENT)
