"""Claim: every further HaH block makes a VGG more robust and costs a little clean accuracy.

Reference: Cekic, Bakiskan, Madhow, "Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks", 2022, Fig. 6, for
VGG-16 on CIFAR-10 with 0 to 6 of 13 convolutions in HaH blocks. Published in numbers are its two ends (Table 1): clean
92.5 -> 87.3 %, noise of 0.1 26.6 -> 64.0 %, linf 2/255 10.4 -> 21.5 %, l2 0.25 13.9 -> 27.6 %. Here: a VGG of six
convolutions on Fashion-MNIST, whose filters have unit norm throughout as in the paper, 0 to 4 of them in HaH blocks.

    python -m experiments.hah_blocks --data-dir DATA [--scale smoke|cpu|paper]

Adam at 1e-3, a tenth of it after 60 % and after 80 % of the epochs, the paper's weights of the costs; one seed a model
in smoke and cpu, three in paper. One core: smoke a minute, cpu (10,000 training images, 4 epochs) about 6 minutes,
paper (100 epochs) days. Without --data-dir, smoke trains on the embedded test images.
"""

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from experiments.measures import BALLS, noise_accuracy, robust_accuracy
from geomrob.models.architectures.plans import SMALL
from geomrob.models.architectures.vgg import vgg
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import Hebbian, Options, accuracy, fit


@dataclass(frozen=True)
class Scale:
    """How much is trained and attacked: 0 images are all."""

    seeds: int
    epochs: int
    images: int
    attacked: int
    steps: int


SCALES = {"smoke": Scale(1, 1, 400, 20, 5), "cpu": Scale(1, 4, 10000, 300, 20), "paper": Scale(3, 100, 0, 10000, 100)}
BLOCKS = range(5)
WEIGHTS = (4.5e-3, 2.5e-3, 1.3e-3, 1e-3)
MEASURES = {
    "clean": "clean images",
    "noise": r"Gaussian noise, $\sigma$ = 0.1",
    "linf": r"PGD, $\ell_\infty$ 2/255",
    "l2": r"PGD, $\ell_2$ 0.25",
}
# HaH Table 1: no and six HaH blocks, per cent correct.
PUBLISHED = {"clean": (92.5, 87.3), "noise": (26.6, 64.0), "linf": (10.4, 21.5), "l2": (13.9, 27.6)}


def build(blocks: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return vgg(shape=(1, 28, 28), mean=(0.2860,), std=(0.3530,), plan=SMALL, hah=blocks, weight_norm=True)


def options(blocks: int, epochs: int, held_out: int) -> Options:
    return Options(
        held_out=held_out,
        epochs=epochs,
        optimizer="adam",
        max_rate=1e-3,
        schedule="step",
        milestones=tuple(sorted({max(1, round(0.6 * epochs)), max(1, round(0.8 * epochs))})),
        weight_decay=0.0,
        clip=0.0,
        crop=2,
        flip=True,
        hebbian=Hebbian(weights=WEIGHTS[:blocks]) if blocks else None,
    )


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    embedded = flags.data_dir is None
    if embedded and flags.scale != SMOKE:
        raise SystemExit("name the folder of Fashion-MNIST by --data-dir")
    source = "fashion-mnist-1k" if embedded else "fashion-mnist"
    folder = {} if embedded else {"data_dir": flags.data_dir}
    train = geomrob.load_data(source, split="test" if embedded else "train", samples=scale.images or None, **folder)
    some = scale.attacked if flags.scale == SMOKE else None
    test = geomrob.load_data(source, split="test", samples=some, **folder)
    few = test.subset(torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[: scale.attacked])
    rows: list[Page] = []
    for seed, blocks in itertools.product(range(scale.seeds), BLOCKS):
        start = time.perf_counter()
        how = options(blocks, scale.epochs, held_out=len(train) // 20)
        model = fit(build(blocks, seed), train, how, seed=seed).model.requires_grad_(False)
        row: Page = {"blocks": blocks, "seed": seed, "clean": accuracy(model, test)}
        row["noise"] = noise_accuracy(model, test)
        row |= {name: robust_accuracy(model, few, name, scale.steps) for name in BALLS}
        row["seconds"] = round(time.perf_counter() - start, 1)
        rows.append(row)
        print({key: round(value, 4) for key, value in row.items()}, flush=True)
    return {
        "data": source,
        "epochs": scale.epochs,
        "training_images": scale.images,
        "attacked": scale.attacked,
        "steps": scale.steps,
        "plan": SMALL,
        "weights": WEIGHTS,
        "rows": rows,
    }


def means(page: Page, name: str) -> list[float]:
    """Mean over the seeds for each number of blocks, per cent."""
    return [100 * statistics.fmean(row[name] for row in page["rows"] if row["blocks"] == blocks) for blocks in BLOCKS]


def draw(page: Page) -> Figure:
    """One line a measure, against the number of blocks."""
    figure = blank(7.5, 5.4)
    seeds = len({row["seed"] for row in page["rows"]})
    figure_headline(
        figure,
        "How does accuracy change with the number of HaH blocks?",
        f"Small VGG, {page['data']}, {page['epochs']} epoch{'s' * (page['epochs'] > 1)}. PGD: {page['attacked']} "
        f"images, {page['steps']} steps, both losses. Lines: mean of {seeds} seed{'s' * (seeds > 1)}."
        + " Smoke: hardly trained, the numbers mean nothing."
        * (page["scale"] == SMOKE),
    )
    ax = figure.add_subplot()
    for index, (name, label) in enumerate(MEASURES.items()):
        how = stroke(index)
        for row in page["rows"]:
            ax.plot(row["blocks"], 100 * row[name], **how, ms=3.5, alpha=0.4)
        ax.plot(list(BLOCKS), means(page, name), **how, label=label)
    tidy(ax)
    ax.set(xlabel="HaH blocks among the six convolutions, from the first on", ylabel="correct (%)", ylim=(0, 100))
    ax.set_xticks(list(BLOCKS))
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def compare(page: Page) -> list[Row]:
    """Per cent correct with no HaH block and with most; published for VGG-16 on CIFAR-10 with six."""
    rows = []
    for name, (before, after) in PUBLISHED.items():
        values = means(page, name)
        steps = sum(later > earlier for earlier, later in itertools.pairwise(values))
        here = f"{values[0]:5.1f} -> {values[-1]:5.1f} (rises in {steps} of {len(values) - 1} steps)"
        same = (values[-1] > values[0]) == (after > before)
        rows.append(Row(name, here, f"{before} -> {after}", "same direction" if same else False))
    return rows


EXPERIMENT = Experiment("hah_blocks", __doc__, SCALES, measure, draw, compare, {"--data-dir": DATA_DIR})

if __name__ == "__main__":
    run(EXPERIMENT)
