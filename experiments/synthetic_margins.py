"""Claim: a network trained on T1 builds its boundary across the one direction that distinguishes the classes.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.2.2, Tables
4.1 (an MLP of 10 x 500) and A.1 (logistic regression): margins on T1(epsilon = 5, sigma = 1), N = 10,000, D = 100,
M = 1,000, along u_1, in its orthogonal complement, in a fixed random subspace of three dimensions orthogonal to u_1
and in one that is not (`PUBLISHED` below). SGD, rate falling from 0.1 along a line, no regularisation, 500 epochs;
batch and momentum are not stated.

    python -m experiments.synthetic_margins [--scale smoke|cpu|paper] [--trained FOLDER]

No momentum. Logistic regression: batches of 512, with which 500 epochs give Table A.1. MLP: 100 epochs in batches of
128 at scale cpu (about as many steps), where products of matrices are rounded to bfloat16 if PyTorch finds that faster;
500 in batches of 512 at scale paper. Three-dimensional subspaces depend on their draw, so ten of each are measured; the
first is the table's. One core: smoke half a minute, cpu about 6 minutes, paper about 30. --trained keeps the weights
and resumes from them.
"""

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import SMOKE, Experiment, Page, Row, run, stroke
from experiments.measures import coarse_products
from geomrob import models
from geomrob.data.synthetic import SyntheticData, t1
from geomrob.plot.style import blank, figure_headline, plain_numbers, tidy
from geomrob.results import MarginCurve, Status
from geomrob.spectral.bases import basis, from_matrix
from geomrob.spectral.subspaces import Subspace, span
from geomrob.training import accuracy, fit, read_recipe


@dataclasses.dataclass(frozen=True)
class Scale:
    """Points of a set and points observed; random subspaces and points observed in each but the first; training."""

    count: int
    points: int
    draws: int
    few: int
    training: dict[str, dict[str, int]]
    coarse: bool = False


SCALES = {
    "smoke": Scale(
        1000, 50, 2, 20, {"t1-mlp": {"epochs": 2, "batch": 128}, "t1-logistic": {"epochs": 50, "batch": 128}}
    ),
    "cpu": Scale(
        10_000,
        1000,
        10,
        100,
        {"t1-mlp": {"epochs": 100, "batch": 128}, "t1-logistic": {"epochs": 500, "batch": 512}},
        coarse=True,
    ),
    "paper": Scale(10_000, 1000, 10, 100, {name: {"epochs": 500, "batch": 512} for name in ("t1-mlp", "t1-logistic")}),
}
SEED = 0
SIZE = 3
LABELS = {
    "u1": "along $u_1$\n(the feature)",
    "complement": "all but $u_1$\n(99 directions)",
    "orthogonal": "3 random directions\northogonal to $u_1$",
    "random": "3 random\ndirections",
}
# Thesis, Tables 4.1 and A.1: 5th percentile, median, 95th percentile.
PUBLISHED = {
    "t1-mlp": {
        "u1": (1.74, 2.50, 3.22),
        "complement": (4.85, 12.36, 31.60),
        "orthogonal": (30.68, 102.0, 229.5),
        "random": (17.21, 27.90, 80.61),
    },
    "t1-logistic": {
        "u1": (2.39, 2.49, 2.60),
        "complement": (36.7, 38.3, 39.9),
        "orthogonal": (184.95, 192.98, 201.16),
        "random": (11.57, 12.08, 12.59),
    },
}
TITLES = {"t1-mlp": "MLP of 10 x 500 (Table 4.1)", "t1-logistic": "Logistic regression (Table A.1)"}
FLAGS = {"--trained": {"type": Path, "metavar": "FOLDER", "help": "keeps the trained weights, to resume from"}}


def train(name: str, scale: Scale, world: SyntheticData, kept: Path | None) -> nn.Module:
    options = dataclasses.replace(read_recipe(name).options, **scale.training[name])
    out = None if kept is None else kept / name
    with coarse_products(scale.coarse and name == "t1-mlp"):
        return fit(models.build(name, seed=SEED), world.train, options, seed=SEED, out=out).model


def draws(world: SyntheticData, kind: str, count: int) -> list[Subspace]:
    """Random subspaces of three dimensions: anywhere, or spanned by further rows of the rotation, orthogonal to u_1."""
    shape = world.basis.shape
    if kind == "random":
        return [span(basis("random", shape, seed=SEED + draw), range(SIZE), kind) for draw in range(count)]
    matrix = world.basis.matrices[0]
    spans = [span(world.basis, range(1, 1 + SIZE), kind)]
    for draw in range(1, count):
        turned = torch.block_diag(torch.eye(1), basis("random", (1, shape[1] - 1), seed=draw).matrices[0]) @ matrix
        spans.append(span(from_matrix(turned, shape), range(1, 1 + SIZE), kind))
    return spans


def margins(model: nn.Module, world: SyntheticData, subspace: Subspace, points: int) -> MarginCurve:
    few = world.test.subset(torch.arange(points))
    return geomrob.margin_curve(
        model, few.images, subspaces=[subspace], attack="deepfool", steps=100, allowed=None, labels=few.labels
    )


def margin_facts(curve: MarginCurve) -> Page:
    statuses = {Status(int(code)).name: int((curve.status == code).sum()) for code in curve.status.unique()}
    low, middle, high = curve.quantiles(0.05, 0.5, 0.95)[0].tolist()
    return {"quantiles": [low, middle, high], "reached": float(curve.reached[0]), "status": statuses}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    world = t1(count=scale.count, seed=SEED)
    width = world.basis.shape[1]
    rows: Page = {}
    for name in PUBLISHED:
        model = train(name, scale, world, flags.trained).requires_grad_(False)
        row: Page = {part: accuracy(model, getattr(world, part)) for part in ("train", "test")}
        row |= {"options": scale.training[name], "margins": {}}
        drawn = {kind: draws(world, kind, scale.draws) for kind in ("orthogonal", "random")}
        own = {"u1": span(world.basis, [0], "u1"), "complement": span(world.basis, range(1, width), "complement")}
        for kind, subspace in {**own, **{kind: spans[0] for kind, spans in drawn.items()}}.items():
            row["margins"][kind] = margin_facts(margins(model, world, subspace, scale.points))
            print(name, kind, row["margins"][kind], flush=True)
        row["medians_over_draws"] = {
            kind: [float(margins(model, world, subspace, scale.few).quantiles(0.5)[0]) for subspace in spans]
            for kind, spans in drawn.items()
        }
        rows[name] = row
    return {
        "data": f"T1(5, 1), {scale.count:,} points of 100 dimensions",
        "points": scale.points,
        "draws": scale.draws,
        "points_a_draw": scale.few,
        "seed": SEED,
        "models": rows,
    }


def draw(page: Page) -> Figure:
    """A panel a model: medians and 5-95 % of ours and of the thesis, subspace by subspace."""
    figure = blank(11.5, 5.4)
    epochs = "; ".join(
        f"{TITLES[n].split(' (')[0]}: {page['models'][n]['options']['epochs']} epochs" for n in PUBLISHED
    )
    smoke = "Smoke: hardly trained, the numbers mean nothing. " if page["scale"] == SMOKE else ""
    figure_headline(
        figure,
        "How far must a point move, and in which directions, before its class changes?",
        f"{smoke}{page['data']}; the classes lie 5 apart along $u_1$ and differ nowhere else. Marks: median of "
        f"{page['points']} test points, lines: 5th to 95th percentile, by DeepFool inside the subspace. {epochs}. The "
        "two subspaces on the right are drawn at random, here and in the thesis: hollow marks are the medians of "
        f"{page['draws']} draws.",
    )
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (name, published) in zip(axes, PUBLISHED.items(), strict=True):
        row = page["models"][name]
        ours = {kind: row["margins"][kind]["quantiles"] for kind in LABELS}
        hollow = {"ms": 4.5, "mfc": "none", "mec": stroke(0)["color"], "mew": 0.9, "alpha": 0.8, "zorder": 1}
        for at, kind in enumerate(LABELS):
            medians = [value for value in row["medians_over_draws"].get(kind, []) if math.isfinite(value)]
            ax.plot([at + 0.02] * len(medians), medians, "o", **hollow)
        quantiles(ax, 0, "geomrob", ours)
        quantiles(ax, 1, "thesis", published)
        ax.set(yscale="log", title=TITLES[name], xlim=(-0.65, len(LABELS) - 0.35))
        ax.set_xticks(range(len(LABELS)), LABELS.values(), fontsize=9)
        tidy(ax)
        plain_numbers(ax.yaxis)
    axes[0].set_ylabel("margin: $\\ell_2$ distance to the decision boundary\n(units of the data)")
    axes[1].legend(loc="lower right", framealpha=0.9, edgecolor="none")
    return figure


def quantiles(ax: Axes, index: int, label: str, values: dict[str, Any]) -> None:
    """Draw three quantiles in each subspace: ours on the left, the thesis on the right."""
    how = stroke(index)
    positions = [at + (0.14 if index else -0.14) for at in range(len(LABELS))]
    low, middle, high = zip(*(values[kind] for kind in LABELS), strict=True)
    dash = (0, (2, 1)) if index else "-"
    ax.vlines(positions, low, [min(value, 1e3) for value in high], color=how["color"], lw=2.2, linestyle=dash)
    ax.plot(positions, middle, how["marker"], ms=7, color=how["color"], label=label)
    style = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "color": how["color"]}
    for x, y in zip(positions, middle, strict=True):
        text = f"{y:.3g}" if math.isfinite(y) else "not found"
        ax.annotate(text, (x, y), (5 if index else -5, 0), ha="left" if index else "right", **style)


def compare(page: Page) -> list[Row]:
    """5th percentile, median and 95th percentile in each subspace."""
    rows = []
    for name, published in PUBLISHED.items():
        row = page["models"][name]
        rows.append(Row(f"{name}: accuracy of training, test", f"{row['train']:.2%}, {row['test']:.2%}"))
        for kind, theirs in published.items():
            ours = row["margins"][kind]["quantiles"]
            medians = sorted(row["medians_over_draws"].get(kind, []))
            spread = f", {len(medians)} draws {medians[0]:.4g} ... {medians[-1]:.4g}" if medians else ""
            verdict = f"median {ours[1] / theirs[1] - 1:+.0%}, found {row['margins'][kind]['reached']:.1%}{spread}"
            columns = [", ".join(f"{value:.4g}" for value in values) for values in (ours, theirs)]
            rows.append(Row(f"{name}: {kind}", *columns, verdict))
    return rows


EXPERIMENT = Experiment("synthetic_margins", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
