"""Claim: training on grey images harms the robustness to most corruptions of colour images.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 5.2.1 and
Table 5.1, ResNet-18 on CIFAR-10, 30 epochs: mean accuracy under the 15 corruptions 72.5 % of the standard network,
66.2 % of the one trained on grey images (three equal channels); it gains under impulse noise and contrast alone. Both
are tested on colour images.

Here: a ResNet-8 of width 16 to 64 with the recipe of the ResNet-18, with fewer images and epochs.

    python -m experiments.grey_training --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke ten seconds (grey clothes in three channels, for want of embedded colour images), cpu (10,000 images, 6
epochs, two seeds, 4 trainings) about 10 minutes, paper (ResNet-18, all images, 30 epochs, three seeds) days. Trainings
are kept and found again.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.trainings import TRAININGS, changed, corrupted, errors_of, trained
from experiments.zoo import cell, mean_and_error
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.data import Samples
from geomrob.models.architectures.resnet import resnet
from geomrob.plot.style import blank, figure_headline, tidy

RECIPE = "cifar10-resnet18-gray"
SMALL: dict[str, Any] = {"widths": (16, 32, 64), "depths": (1, 1, 1)}
CASES = {"colour": "", "grey": "gray"}
"""The transform of the training images by the name of the case."""
PUBLISHED = {"colour": 72.5, "grey": 66.2}
"""Mean accuracy under the corruptions."""


@dataclass(frozen=True)
class Scale:
    """Network; training images (0: all), epochs (0: the recipe's), seeds; test images and severities."""

    network: dict[str, Any]
    train: int
    epochs: int
    seeds: tuple[int, ...]
    test: int
    severities: tuple[int, ...]


SCALES = {
    "smoke": Scale({**SMALL, "shape": (3, 28, 28)}, 60, 1, (0,), 10, (3,)),
    "cpu": Scale(SMALL, 10_000, 6, (0, 1), 400, (1, 3, 5)),
    "paper": Scale({}, 0, 0, (0, 1, 2), 10_000, (1, 2, 3, 4, 5)),
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of CIFAR-10 by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    test = _test(scale, flags)
    under = corrupted(test, BENCHMARK[::5] if smoke else BENCHMARK, scale.severities)
    rows = []
    for seed in scale.seeds:
        for case, transform in CASES.items():
            epochs = {"epochs": scale.epochs, "mixed": False} if scale.epochs else {}
            recipe = replace(changed(RECIPE, samples=scale.train, **epochs), transform=transform)
            own = {"train": _coloured(scale.train), "name": "smoke"} if smoke else {"name": str(scale.network)}
            model = trained(recipe, seed, folder, flags.data_dir, make=partial(build, scale.network, seed), **own)
            rows.append({"case": case, "seed": seed, **errors_of(model, test, under)})
            print(case, seed, f"clean {rows[-1]['clean']:.1f}, corrupted {rows[-1]['mean']:.1f} %", flush=True)
    return {"test": len(test), "train": scale.train, "severities": scale.severities, "rows": rows}


def build(network: dict[str, Any], seed: int) -> nn.Module:
    """The network with its initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return resnet(**network)


def _test(scale: Scale, flags: argparse.Namespace) -> Samples:
    """Test images, in colour."""
    if flags.scale == SMOKE:
        return _coloured(scale.test)
    return geomrob.load_data("cifar10", split="test", data_dir=flags.data_dir, samples=scale.test, seed=0)


def _coloured(count: int) -> Samples:
    """Embedded images in three equal channels."""
    samples = geomrob.load_data("fashion-mnist-1k", samples=count, seed=0)
    return replace(samples, images=samples.images[:].repeat(1, 3, 1, 1))


def correct(page: Page, case: str, name: str = "mean") -> list[float]:
    """Accuracies in per cent, a number a seed: clean, the mean under the corruptions, or under one of them."""
    rows = [row for row in page["rows"] if row["case"] == case]
    return [100 - (row[name] if name in ("clean", "mean") else row["corruptions"][name]) for row in rows]


def lost(page: Page) -> dict[str, float]:
    """How many points the network of grey images is below the standard one, by corruption."""
    names = page["rows"][0]["corruptions"]
    return {name: fmean(correct(page, "colour", name)) - fmean(correct(page, "grey", name)) for name in names}


def draw(page: Page) -> Figure:
    """What grey training costs under each corruption, sorted, beside both accuracies."""
    figure = blank(10, 5)
    figure_headline(
        figure,
        "Does training on grey images make a network robust?",
        f"ResNet on CIFAR-10, {page['train'] or 'all'} training images; accuracy on {page['test']} colour images, mean "
        f"over {len(page['rows']) // 2} seeds, severities {', '.join(map(str, page['severities']))}.",
    )
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    for index, case in enumerate(CASES):
        pairs = [mean_and_error(correct(page, case, name)) for name in ("clean", "mean")]
        at = [number + 0.38 * index for number in range(2)]
        left.bar(
            at, [mean for mean, _ in pairs], yerr=[error for _, error in pairs], width=0.36, label=f"{case} images"
        )
    left.set(ylabel="correct (%)", xticks=[0.19, 1.19], title="trained on")
    left.set_xticklabels(["clean", "15 corruptions"])
    figure.legend(loc="outside lower left", ncols=2, fontsize=9, frameon=False)
    costs = sorted(lost(page).items(), key=lambda pair: -pair[1])
    colors = ["C1" if cost > 0 else "C2" for _, cost in costs]
    right.barh(range(len(costs)), [-cost for _, cost in costs], color=colors, height=0.65)
    right.set(xlabel="grey above colour (points)", yticks=range(len(costs)), title="under each corruption")
    right.set_yticklabels([name.replace("_", " ") for name, _ in costs], fontsize=8.5)
    right.invert_yaxis()
    right.axvline(0, color="#555555", lw=0.8)
    for ax in (left, right):
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracy of both beside Table 5.1, and where grey training gains."""
    rows = [
        Row(f"{case}: {name} (%)", cell(correct(page, case, name)), PUBLISHED[case] if name == "mean" else "")
        for case in CASES
        for name in ("clean", "mean")
    ]
    gains = [f"{name} {-cost:+.1f}" for name, cost in lost(page).items() if cost < 0]
    return [*rows, Row("grey better under (points)", ", ".join(gains) or "none", "impulse noise, contrast")]


EXPERIMENT = Experiment(
    "grey_training", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
