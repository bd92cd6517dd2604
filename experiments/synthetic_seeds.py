"""Claim: on T2 the seed does not matter, and a small weight decay stalls the training instead of finding the line.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.4.1: an MLP
of 10 x 500 on T2(rho = 20, epsilon, sigma = 1, K = 3), N = 10,000, D = 100. For epsilon below 0.5 another seed, or
another order of the points from a fixed initialisation, changes nothing: the test accuracy is 100 % (and, below 0.2,
the network follows u_2). With a weight decay of 1e-3 the final training accuracy is 50 %.

Here: epsilon = 0.1. SGD, rate falling from 0.1 along a line; batch and momentum are not stated, no momentum here.
Medians of margins along u_1 and u_2 by DeepFool.

    python -m experiments.synthetic_seeds [--trainings FOLDER] [--scale smoke|cpu|paper]

At scale cpu products of matrices are rounded to bfloat16 during the training where PyTorch finds that faster. One core:
smoke five seconds, cpu (100 epochs, 5 trainings) about 20 minutes, paper (500 epochs) about two hours. Trainings are
kept and found again.
"""

import argparse
from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import SMOKE, Experiment, Page, Row, run
from experiments.measures import coarse_products
from experiments.trainings import TRAININGS, changed, trained
from geomrob.data.synthetic import SyntheticData, t2
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.spectral.subspaces import span
from geomrob.training import accuracy

RHO, EPSILON, SIGMA, PERIODS = 20.0, 0.1, 1.0, 3
DECAY = 1e-3
# Of the initial weights, of the order of the points, and the weight decay.
TRAININGS_OF = {
    "another seed": ((0, 0, 0.0), (1, 1, 0.0)),
    "another order": ((0, 1, 0.0),),
    "weight decay": ((0, 0, DECAY), (1, 1, DECAY)),
}
PUBLISHED = {"another seed": 100.0, "another order": 100.0, "weight decay": 50.0}
"""Per cent correct: of test points, and with weight decay of training points."""


@dataclass(frozen=True)
class Scale:
    """Epochs and batch; points of a set, points whose margins are measured; trainings of a case."""

    epochs: int
    batch: int
    count: int
    points: int
    most: int = 2
    coarse: bool = False


SCALES = {
    "smoke": Scale(1, 128, 300, 10, most=1),
    "cpu": Scale(100, 128, 10_000, 500, coarse=True),
    "paper": Scale(500, 512, 10_000, 1000),
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    folder = flags.figures / "trainings" if flags.scale == SMOKE else flags.trainings
    world = t2(RHO, EPSILON, SIGMA, PERIODS, count=scale.count, seed=0)
    rows = []
    for case, trainings in TRAININGS_OF.items():
        for initial, order, decay in trainings[: scale.most]:
            recipe = changed("t2-mlp", epochs=scale.epochs, batch=scale.batch, weight_decay=decay)
            name = f"epsilon {EPSILON:g}, {scale.count} points, weights {initial}{', bfloat16' * scale.coarse}"
            with coarse_products(scale.coarse):
                model = trained(
                    recipe, order, folder, make=partial(build, "t2-mlp", seed=initial), name=name, train=world.train
                )
            rows.append({"case": case, "weights": initial, "order": order, "decay": decay})
            rows[-1] |= {part: 100 * accuracy(model, getattr(world, part)) for part in ("train", "test")}
            rows[-1] |= margins(model, world, scale.points)
            print(rows[-1], flush=True)
    data = f"T2({RHO:g}, {EPSILON:g}, {SIGMA:g}, {PERIODS}), {scale.count:,} points of 100 dimensions"
    return {"data": data, "epochs": scale.epochs, "batch": scale.batch, "points": scale.points, "rows": rows}


def margins(model: nn.Module, world: SyntheticData, points: int) -> dict[str, float]:
    """Median margins along u_1 and u_2; infinite where the search finds no boundary."""
    few = world.test.subset(torch.arange(points))
    bands = [span(world.basis, [number], f"u{number + 1}") for number in range(2)]
    curve = geomrob.margin_curve(model, few.images, subspaces=bands, attack="deepfool", steps=100, allowed=None)
    return dict(zip(curve.bands, curve.quantiles(0.5).flatten().tolist(), strict=True))


def draw(page: Page) -> Figure:
    """Accuracy of each training on its own points and on test points."""
    figure = blank(8.5, 4.2)
    figure_headline(
        figure,
        "Does another seed or a weight decay change what the network learns of T2?",
        f"MLP of 10 x 500 on {page['data']}, {page['epochs']} epochs. At the right: the direction along which the "
        f"boundary is nearer (DeepFool, median of {page['points']} test points).",
    )
    ax = figure.add_subplot()
    rows = page["rows"]
    for index, part in enumerate(("train", "test")):
        ax.barh(
            [at + 0.38 * index for at in range(len(rows))],
            [row[part] for row in rows],
            height=0.36,
            label=f"{part} points",
            color=f"C{index}",
        )
    for at, row in enumerate(rows):
        ax.annotate(used(row), (101, at + 0.19), va="center", fontsize=9)
    ax.set(xlabel="correct (%)", xlim=(0, 112), yticks=[at + 0.19 for at in range(len(rows))], xticks=range(0, 101, 25))
    ax.set_yticklabels([words(row) for row in rows], fontsize=8.5)
    ax.invert_yaxis()
    ax.axvline(50, color="#555555", lw=0.8)
    tidy(ax)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def words(row: Page) -> str:
    """Which training it is."""
    return f"weights {row['weights']}, order {row['order']}" + f", weight decay {row['decay']:g}" * bool(row["decay"])


def used(row: Page) -> str:
    """The direction along which the boundary is nearer."""
    return "none" if row["u1"] == row["u2"] else ("u_1" if row["u1"] < row["u2"] else "u_2")


def compare(page: Page) -> list[Row]:
    """Accuracies beside the published ones."""
    rows = []
    for row in page["rows"]:
        decays = row["case"] == "weight decay"
        here = f"train {row['train']:.2f} %, test {row['test']:.2f} %, margins {row['u1']:.3g} and {row['u2']:.3g}"
        close = abs(row["train" if decays else "test"] - PUBLISHED[row["case"]]) < (5 if decays else 1)
        rows.append(Row(words(row), here, f"{'train' if decays else 'test'} {PUBLISHED[row['case']]:g} %", close))
    return rows


EXPERIMENT = Experiment("synthetic_seeds", __doc__ or "", SCALES, measure, draw, compare, {"--trainings": TRAININGS})

if __name__ == "__main__":
    run(EXPERIMENT)
