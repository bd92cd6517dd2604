"""Claim: moving the points of T2 a little along u_1 turns the boundary from across u_2 to across u_1.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.4.1, Figs.
4.9 and 4.10: an MLP of 10 x 500 on T2(rho = 20, epsilon, sigma = 1, K = 3), N = 10,000, D = 100, medians of M = 1,000
points. Published in words: for epsilon < 0.2 the network is almost invariant in u_1 and uses the alternating pattern in
u_2, above 0.5 it separates the points along u_1 alone; test accuracy 100 % throughout. SGD, rate falling from 0.1 along
a line, no regularisation, 500 epochs; batch and momentum are not stated.

    python -m experiments.synthetic_transition [--scale smoke|cpu|paper] [--trained FOLDER]

No momentum; epochs and batches are in `SCALES`. At scale cpu products of matrices are rounded to bfloat16 during the
training where PyTorch finds that faster. Also draws figures/synthetic_cross_section.png, from the results of that name.
One core: smoke a minute, cpu about 12 minutes, paper about two hours. --trained keeps the weights, to resume from.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import SMOKE, Experiment, Page, Row, run, stroke
from experiments.measures import coarse_products
from geomrob import models
from geomrob.data.synthetic import SyntheticData, t2
from geomrob.plot.style import FAINT, blank, headline, plain_numbers, tidy
from geomrob.results import CrossSection
from geomrob.spectral.subspaces import span
from geomrob.training import accuracy, fit, read_recipe


@dataclasses.dataclass(frozen=True)
class Scale:
    """Epochs and batch; points of a set, points observed."""

    training: dict[str, int]
    count: int
    points: int
    coarse: bool = False


SCALES = {
    "smoke": Scale({"epochs": 2, "batch": 128}, 500, 20),
    "cpu": Scale({"epochs": 100, "batch": 128}, 10_000, 1000, coarse=True),
    "paper": Scale({"epochs": 500, "batch": 512}, 10_000, 1000),
}
SEED = 0
RHO, SIGMA, PERIODS = 20.0, 1.0, 3
# Along which direction the boundary is nearer, as published.
PUBLISHED = {0.0: "u_2", 0.1: "u_2", 0.2: "", 0.35: "", 0.5: "", 0.7: "u_1", 1.0: "u_1"}
SHOWN = (1.0, 0.0)
SECTION = "synthetic_cross_section"
WORDS = {"u1": "along $u_1$: separates the classes by a line", "u2": "along $u_2$: the classes alternate, 10 apart"}
FLAGS = {"--trained": {"type": Path, "metavar": "FOLDER", "help": "keeps the trained weights, to resume from"}}


def train(epsilon: float, world: SyntheticData, scale: Scale, kept: Path | None) -> nn.Module:
    options = dataclasses.replace(read_recipe("t2-mlp").options, **scale.training)
    out = None if kept is None else kept / f"t2-{epsilon:g}"
    with coarse_products(scale.coarse):
        return fit(models.build("t2-mlp", seed=SEED), world.train, options, seed=SEED, out=out).model


def margins(model: nn.Module, world: SyntheticData, points: int) -> Page:
    """Quantiles along u_1 and u_2, and the share of points for which a boundary was found."""
    few = world.test.subset(torch.arange(points))
    bands = [span(world.basis, [number], f"u{number + 1}") for number in range(2)]
    curve = geomrob.margin_curve(model, few.images, subspaces=bands, attack="deepfool", steps=100, allowed=None)
    rows = zip(curve.bands, curve.quantiles(0.05, 0.5, 0.95).tolist(), curve.reached.tolist(), strict=True)
    return {name: {"quantiles": values, "reached": reached} for name, values, reached in rows}


def section(model: nn.Module, world: SyntheticData, epsilon: float) -> CrossSection:
    """The plane of u_1 and u_2 through zero, with the training points projected on it."""
    few = world.train.subset(torch.arange(min(300, len(world.train))))
    reach = RHO * (PERIODS + 0.25)
    return geomrob.cross_section(
        model,
        torch.zeros_like(few.images[0]),
        world.basis.matrices[0][:2].float().reshape(2, *few.images[0].shape),
        inputs=few.images,
        labels=few.labels,
        limits=(-2.0, 2.0, -reach, reach),
        axes=("$u_1$", "$u_2$"),
        classes=few.classes,
        name="MLP of 10 x 500",
        data=f"T2, ε = {epsilon:g}",
    )


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    rows: list[Page] = []
    sections = {}
    for epsilon in PUBLISHED:
        world = t2(RHO, epsilon, SIGMA, PERIODS, count=scale.count, seed=SEED)
        model = train(epsilon, world, scale, flags.trained).requires_grad_(False)
        row: Page = {part: accuracy(model, getattr(world, part)) for part in ("train", "test")}
        rows.append({"epsilon": epsilon, **row, **margins(model, world, scale.points)})
        print(rows[-1], flush=True)
        if epsilon in SHOWN:
            sections[f"{SECTION}-{epsilon:g}"] = section(model, world, epsilon)
    return {
        "data": f"T2({RHO:g}, epsilon, {SIGMA:g}, {PERIODS}), {scale.count:,} points of 100 dimensions",
        "training": scale.training,
        "points": scale.points,
        "seed": SEED,
        "rows": rows,
        "sections": sections,
    }


def draw(page: Page) -> dict[str, Figure]:
    """The margins, and the cross-sections of Fig. 4.9, one below the other."""
    figure = blank(8.2, 8.6)
    for ax, epsilon in zip(figure.subplots(2, 1), SHOWN, strict=True):
        title = f"T2 with $\\varepsilon$ = {epsilon:g}: as which class does the network classify each point?"
        geomrob.plot_cross_section(page["sections"][f"{SECTION}-{epsilon:g}"], ax=ax, title=title)
    return {"synthetic_transition": draw_margins(page), SECTION: figure}


def draw_margins(page: Page) -> Figure:
    """Median margins along the two features against epsilon."""
    rows = page["rows"]
    figure = blank(8.0, 5.2)
    ax = figure.add_subplot()
    at = [row["epsilon"] for row in rows]
    for index, (name, label) in enumerate(WORDS.items()):
        how = stroke(index)
        low, middle, high = zip(*(row[name]["quantiles"] for row in rows), strict=True)
        ax.plot(at, middle, lw=1.8, label=label, **how)
        ax.fill_between(at, low, [min(value, 1e4) for value in high], color=how["color"], alpha=0.13, lw=0)
    ax.plot(at, [epsilon / 2 or math.nan for epsilon in at], ":", color=FAINT, label="$\\varepsilon$ / 2")
    half = f"{RHO / 4:g}: half of the way to the next position on $u_2$"
    ax.axhline(RHO / 4, color=FAINT, lw=0.9, ls=(0, (6, 3)), label=half)
    ax.set(yscale="log", xlabel="$\\varepsilon$: distance of the classes along $u_1$ (units of the data)")
    ax.set_ylabel("margin: $\\ell_2$ distance to the decision boundary\n(units of the data)")
    finite = [v for row in rows for name in WORDS for v in row[name]["quantiles"] if math.isfinite(v)]
    ax.set_ylim(min(finite) / 3, min(max(finite) * 1.5, 3e3))
    tidy(ax)
    plain_numbers(ax.yaxis)
    style = {"textcoords": "offset points", "ha": "center", "fontsize": 7.5, "color": FAINT}
    style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    for row in rows:
        ax.annotate(f"{row['test']:.1%}", (row["epsilon"], 0), (0, 4), xycoords=("data", "axes fraction"), **style)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8.5, frameon=False)
    smoke = "Smoke: hardly trained, the numbers mean nothing. " if page["scale"] == SMOKE else ""
    missed = 1 - min(row[name]["reached"] for row in rows for name in WORDS)
    headline(
        ax,
        "Which of two features does the network use, as the simpler one grows?",
        f"{smoke}MLP of 10 x 500 on {page['data']}, {page['training']['epochs']} epochs. Lines: median of "
        f"{page['points']} test points, DeepFool along one direction; shade: 5th to 95th percentile. A low line is a "
        f"direction that the network uses. Searches that found nothing (at most {missed:.0%} of a set) count as "
        "infinite. At the bottom: test accuracy.",
        width=112,
    )
    return figure


def compare(page: Page) -> list[Row]:
    """Along which direction the boundary is nearer; the published test accuracy is 100 % throughout."""
    rows = []
    for row in page["rows"]:
        one, two = (row[name]["quantiles"][1] for name in WORDS)
        used, published = "u_1" if one < two else "u_2", PUBLISHED[row["epsilon"]]
        here = f"{used}: median margins {one:.3g} and {two:.3g}, test accuracy {row['test']:.2%}"
        rows.append(Row(f"epsilon {row['epsilon']:g}", here, published or "either", published in (used, "")))
    return rows


EXPERIMENT = Experiment("synthetic_transition", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
