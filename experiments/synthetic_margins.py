"""Claim: a network trained on T1 builds its boundary across the one direction that tells the classes apart.

Reference: Modas, "A geometric perspective on adversarial robustness" (thesis, 2022), section 4.2.2, Tables 4.1 (an MLP
of 10 x 500) and A.1 (logistic regression): margins on T1(epsilon = 5, sigma = 1), N = 10,000, D = 100, M = 1,000, along
u_1, in its orthogonal complement, in a fixed random subspace of three dimensions orthogonal to u_1 and in one that is
not (`PUBLISHED` below). SGD, rate falling from 0.1 along a line, no regularisation, 500 epochs; batch and momentum are
not stated.

    python experiments/synthetic_margins.py [--scale smoke|cpu|paper] [--trained FOLDER] [--draw-only]

No momentum. Logistic regression: batches of 512, with which 500 epochs give Table A.1. MLP: 100 epochs in batches of
128 at scale cpu (about as many steps), where products of matrices are rounded to bfloat16 if PyTorch finds that faster;
500 in batches of 512 at scale paper. Three-dimensional subspaces depend on their draw, so ten of each are measured; the
first is the table's. Writes figures/synthetic_margins.json, then the picture from the JSON alone.
One core: smoke half a minute, cpu about 6 minutes, paper about 30. --trained keeps the weights and goes on from them.
"""

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

import geomrob
from geomrob import models
from geomrob.data.synthetic import World, t1
from geomrob.plot.style import blank, figure_headline, look, plain_numbers, tidy
from geomrob.results import MarginCurve, Status
from geomrob.spectral.bases import basis, from_matrix
from geomrob.spectral.subspaces import Subspace, span
from geomrob.training import Options, accuracy, fit, read_recipe

FIGURES = Path("figures")
NAME = "synthetic_margins"
SEED = 0
SIZE = 3
# Points of a set, points observed, draws of the three-dimensional subspaces and points observed in each but the first.
SCALES = {"smoke": (1000, 50, 2, 20), "cpu": (10_000, 1000, 10, 100), "paper": (10_000, 1000, 10, 100)}
# Epochs and batch.
TRAINING = {
    "t1-mlp": {"smoke": (2, 128), "cpu": (100, 128), "paper": (500, 512)},
    "t1-logistic": {"smoke": (50, 128), "cpu": (500, 512), "paper": (500, 512)},
}
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


def options(name: str, scale: str) -> Options:
    epochs, batch = TRAINING[name][scale]
    return dataclasses.replace(read_recipe(name).options, epochs=epochs, batch=batch)


def train(name: str, scale: str, world: World, kept: Path | None) -> nn.Module:
    out = None if kept is None else kept / name
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if scale == "cpu" and name == "t1-mlp" else before)
    try:
        return fit(models.build(name, seed=SEED), world.train, options(name, scale), seed=SEED, out=out).model
    finally:
        torch.set_float32_matmul_precision(before)


def draws(world: World, kind: str, count: int) -> list[Subspace]:
    """Random subspaces of three dimensions: anywhere, or spanned by further rows of the rotation, orthogonal to u_1."""
    shape = world.basis.shape
    if kind == "random":
        return [span(basis("random", shape, seed=SEED + draw), range(SIZE), kind) for draw in range(count)]
    matrix = world.basis.matrices[0]
    found = [span(world.basis, range(1, 1 + SIZE), kind)]
    for draw in range(1, count):
        turned = torch.block_diag(torch.eye(1), basis("random", (1, shape[1] - 1), seed=draw).matrices[0]) @ matrix
        found.append(span(from_matrix(turned, shape), range(1, 1 + SIZE), kind))
    return found


def margins(model: nn.Module, world: World, subspace: Subspace, points: int) -> MarginCurve:
    few = world.test.subset(torch.arange(points))
    return geomrob.margin_curve(
        model, few.images, subspaces=[subspace], attack="deepfool", steps=100, allowed=None, labels=few.labels
    )


def facts(curve: MarginCurve) -> dict[str, Any]:
    statuses = {Status(int(code)).name: int((curve.status == code).sum()) for code in curve.status.unique()}
    low, middle, high = curve.quantiles(0.05, 0.5, 0.95)[0].tolist()
    return {"quantiles": [low, middle, high], "reached": float(curve.reached[0]), "status": statuses}


def measure(scale: str, kept: Path | None) -> dict[str, Any]:
    count, points, subspaces, few = SCALES[scale]
    world = t1(count=count, seed=SEED)
    width = world.basis.shape[1]
    rows: dict[str, Any] = {}
    for name in PUBLISHED:
        model = train(name, scale, world, kept).requires_grad_(False)
        row: dict[str, Any] = {part: accuracy(model, getattr(world, part)) for part in ("train", "test")}
        row |= {"options": dict(zip(("epochs", "batch"), TRAINING[name][scale], strict=True)), "margins": {}}
        own = {"u1": span(world.basis, [0], "u1"), "complement": span(world.basis, range(1, width), "complement")}
        drawn = {kind: draws(world, kind, subspaces) for kind in ("orthogonal", "random")}
        for kind, subspace in {**own, **{kind: found[0] for kind, found in drawn.items()}}.items():
            row["margins"][kind] = facts(margins(model, world, subspace, points))
            print(name, kind, row["margins"][kind], flush=True)
        row["medians_over_draws"] = {
            kind: [float(margins(model, world, subspace, few).quantiles(0.5)[0]) for subspace in found]
            for kind, found in drawn.items()
        }
        rows[name] = row
    return rows


def write(rows: dict[str, Any], scale: str, path: Path) -> None:
    count, points, subspaces, few = SCALES[scale]
    page = {
        "command": f"python experiments/synthetic_margins.py --scale {scale}",
        "scale": scale,
        "data": f"T1(5, 1), {count:,} points of 100 dimensions",
        "points": points,
        "draws": subspaces,
        "points_a_draw": few,
        "seed": SEED,
        "versions": {"geomrob": geomrob.__version__, "torch": torch.__version__},
        "models": rows,
    }
    path.write_text(json.dumps(_finite(page), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """The same with the word inf where a margin was not found, since JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return "inf" if isinstance(value, float) and math.isinf(value) else value


def draw(path: Path) -> Figure:
    """A panel a model: medians and 5-95 % of ours and of the thesis, subspace by subspace."""
    page = json.loads(path.read_text())
    figure = blank(11.5, 5.4)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (name, published) in zip(axes, PUBLISHED.items(), strict=True):
        row = page["models"][name]
        for index, (label, values) in enumerate(
            {
                "geomrob": {kind: [float(v) for v in row["margins"][kind]["quantiles"]] for kind in LABELS},
                "thesis": published,
            }.items()
        ):
            style = look(index)
            if not index:
                _draws(ax, row["medians_over_draws"], style.colour)
            place = [at + (0.14 if index else -0.14) for at in range(len(LABELS))]
            low, middle, high = zip(*(values[kind] for kind in LABELS), strict=True)
            top = [min(value, 1e3) for value in high]
            ax.vlines(place, low, top, color=style.colour, lw=2.2, linestyle="-" if not index else (0, (2, 1)))
            ax.plot(place, middle, style.marker, ms=7, color=style.colour, label=label)
            for x, y in zip(place, middle, strict=True):
                text = f"{y:.3g}" if math.isfinite(y) else "not found"
                side = "left" if index else "right"
                ax.annotate(text, (x, y), (5 if index else -5, 0), textcoords="offset points", ha=side, va="center",
                            fontsize=8.5, color=style.colour)  # fmt: skip
        ax.set(yscale="log", title=TITLES[name], xlim=(-0.65, len(LABELS) - 0.35))
        ax.set_xticks(range(len(LABELS)), LABELS.values(), fontsize=9)
        tidy(ax)
        plain_numbers(ax.yaxis)
    axes[0].set_ylabel("margin: $\\ell_2$ distance to the decision boundary\n(units of the data)")
    axes[1].legend(loc="lower right", framealpha=0.9, edgecolor="none")
    epochs = "; ".join(
        f"{TITLES[n].split(' (')[0]}: {page['models'][n]['options']['epochs']} epochs" for n in PUBLISHED
    )
    smoke = "Smoke: hardly trained, the numbers mean nothing. " if page["scale"] == "smoke" else ""
    figure_headline(
        figure,
        "How far must a point move, and in which directions, before the decision changes?",
        f"{smoke}{page['data']}; the classes lie 5 apart along $u_1$ and differ nowhere else. Marks: median of "
        f"{page['points']} test points, lines: 5th to 95th percentile, by DeepFool inside the subspace. {epochs}. The "
        "two subspaces on the right are drawn at random, here and in the thesis: hollow marks are the medians of "
        f"{page['draws']} draws.",
    )
    return figure


def _draws(ax: Axes, medians: dict[str, list[float | str]], colour: str) -> None:
    """Mark the median in each draw of a random subspace."""
    for at, kind in enumerate(LABELS):
        found = [float(value) for value in medians.get(kind, []) if value != "inf"]
        ax.plot([at + 0.02] * len(found), found, "o", ms=4.5, mfc="none", mec=colour, mew=0.9, alpha=0.8, zorder=1)


def compare(path: Path) -> None:
    """Print the claim beside what was measured."""
    page = json.loads(path.read_text())
    if page["scale"] == "smoke":
        print("smoke: hardly trained, so what follows compares nothing")
    for name, published in PUBLISHED.items():
        row = page["models"][name]
        print(f"{name}: {row['train']:.2%} of the training and {row['test']:.2%} of the test points correct")
        for kind, theirs in published.items():
            ours = [float(value) for value in row["margins"][kind]["quantiles"]]
            told = "  ".join(f"{a:7.2f} ({b:6.2f})" for a, b in zip(ours, theirs, strict=True))
            off = ours[1] / theirs[1] - 1
            medians = sorted(float(v) for v in row["medians_over_draws"].get(kind, []))
            spread = f"  medians of {len(medians)} draws {medians[0]:.4g} ... {medians[-1]:.4g}" if medians else ""
            found = row["margins"][kind]["reached"]
            print(f"  {kind:11} ours (thesis) {told}  median {off:+.0%}  found {found:.1%}{spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--trained", type=Path, help="folder that keeps the trained weights, to go on from")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        write(measure(given.scale, given.trained), given.scale, path)
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
