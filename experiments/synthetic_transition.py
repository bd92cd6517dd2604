"""Claim: moving the points of T2 a little along u_1 turns the boundary from across u_2 to across u_1.

Reference: Modas, "A geometric perspective on adversarial robustness" (thesis, 2022), section 4.4.1, Figs. 4.9 and 4.10:
an MLP of 10 x 500 on T2(rho = 20, epsilon, sigma = 1, K = 3), N = 10,000, D = 100, medians of M = 1,000 points.
Published in words: for epsilon < 0.2 the network is almost invariant in u_1 and uses the alternating pattern in u_2,
above 0.5 it separates the points along u_1 alone; test accuracy 100 % throughout. SGD, rate falling from 0.1 along a
line, no regularisation, 500 epochs; batch and momentum are not stated.

    python experiments/synthetic_transition.py [--scale smoke|cpu|paper] [--trained FOLDER] [--draw-only]

No momentum; epochs and batches are in `SCALES`. At scale cpu products of matrices are rounded to bfloat16 during the
training where PyTorch finds that faster. Writes figures/synthetic_transition.json,
figures/synthetic_cross_section-1.json and -0.json (with .npz), then figures/synthetic_transition.png and
figures/synthetic_cross_section.png from those alone.
One core: smoke a minute, cpu about 12 minutes, paper about two hours. --trained keeps the weights, to go on from.
"""

import argparse
import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from geomrob import models
from geomrob.data.synthetic import World, t2
from geomrob.plot.style import FAINT, blank, headline, look, plain_numbers, tidy
from geomrob.results import CrossSection
from geomrob.spectral.subspaces import span
from geomrob.training import accuracy, fit, read_recipe

FIGURES = Path("figures")
NAME = "synthetic_transition"
SECTION = "synthetic_cross_section"
SEED = 0
RHO, SIGMA, PERIODS = 20.0, 1.0, 3
EPSILONS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
SHOWN = (1.0, 0.0)
# Epochs and batch; points of a set, points observed.
SCALES: dict[str, tuple[dict[str, int], int, int]] = {
    "smoke": ({"epochs": 2, "batch": 128}, 500, 20),
    "cpu": ({"epochs": 100, "batch": 128}, 10_000, 1000),
    "paper": ({"epochs": 500, "batch": 512}, 10_000, 1000),
}


@contextlib.contextmanager
def coarse(on: bool) -> Iterator[None]:
    """Let products of matrices be rounded to bfloat16 meanwhile, if `on`."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if on else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def train(epsilon: float, world: World, scale: str, kept: Path | None) -> nn.Module:
    how = dataclasses.replace(read_recipe("t2-mlp").options, **SCALES[scale][0])
    out = None if kept is None else kept / f"t2-{epsilon:g}"
    with coarse(scale == "cpu"):
        return fit(models.build("t2-mlp", seed=SEED), world.train, how, seed=SEED, out=out).model


def margins(model: nn.Module, world: World, points: int) -> dict[str, Any]:
    """Quantiles along u_1 and u_2, and the share of points for which a boundary was found."""
    few = world.test.subset(torch.arange(points))
    bands = [span(world.basis, [number], f"u{number + 1}") for number in range(2)]
    curve = geomrob.margin_curve(model, few.images, subspaces=bands, attack="deepfool", steps=100, allowed=None)
    quantiles = curve.quantiles(0.05, 0.5, 0.95).tolist()
    return {
        name: {"quantiles": ["inf" if math.isinf(value) else value for value in values], "reached": reached}
        for name, values, reached in zip(curve.bands, quantiles, curve.reached.tolist(), strict=True)
    }


def section(model: nn.Module, world: World, epsilon: float, scale: str) -> CrossSection:
    """The plane of u_1 and u_2 through zero, with the training points projected on it."""
    few = world.train.subset(torch.arange(min(300, len(world.train))))
    reach = RHO * (PERIODS + 0.25)
    found = geomrob.cross_section(
        model,
        torch.zeros_like(few.images[0]),
        world.basis.matrices[0][:2].float().reshape(2, *few.images[0].shape),
        inputs=few.images,
        labels=few.labels,
        limits=(-2.0, 2.0, -reach, reach),
        axes=("$u_1$", "$u_2$"),
        classes=few.classes,
        name="MLP of 10 x 500",
        data=f"T2, $\\varepsilon$ = {epsilon:g}",
    )
    # The words typed may name folders of one machine.
    command = f"python experiments/synthetic_transition.py --scale {scale}"
    return dataclasses.replace(found, provenance=dataclasses.replace(found.provenance, command=command))


def measure(scale: str, kept: Path | None) -> list[dict[str, Any]]:
    _, count, points = SCALES[scale]
    rows: list[dict[str, Any]] = []
    for epsilon in EPSILONS:
        world = t2(RHO, epsilon, SIGMA, PERIODS, count=count, seed=SEED)
        model = train(epsilon, world, scale, kept).requires_grad_(False)
        row: dict[str, Any] = {part: accuracy(model, getattr(world, part)) for part in ("train", "test")}
        rows.append({"epsilon": epsilon, **row, **margins(model, world, points)})
        print(rows[-1], flush=True)
        if epsilon in SHOWN:
            geomrob.save(section(model, world, epsilon, scale), FIGURES / f"{SECTION}-{epsilon:g}")
    return rows


def write(rows: list[dict[str, Any]], scale: str, path: Path) -> None:
    training, count, points = SCALES[scale]
    page = {
        "command": f"python experiments/synthetic_transition.py --scale {scale}",
        "scale": scale,
        "data": f"T2({RHO:g}, epsilon, {SIGMA:g}, {PERIODS}), {count:,} points of 100 dimensions",
        "training": training,
        "points": points,
        "seed": SEED,
        "versions": {"geomrob": geomrob.__version__, "torch": torch.__version__},
        "rows": rows,
    }
    path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")


def draw(path: Path) -> Figure:
    """Median margins along the two features against epsilon, from the JSON."""
    page = json.loads(path.read_text())
    rows = page["rows"]
    figure = blank(8.0, 5.2)
    ax = figure.add_subplot()
    place = [row["epsilon"] for row in rows]
    words = {"u1": "along $u_1$: separates the classes by a line", "u2": "along $u_2$: the classes alternate, 10 apart"}
    for index, (name, label) in enumerate(words.items()):
        style = look(index)
        low, middle, high = zip(*([float(v) for v in row[name]["quantiles"]] for row in rows), strict=True)
        ax.plot(place, middle, linestyle=style.line, marker=style.marker, color=style.colour, lw=1.8, label=label)
        top = [min(value, 1e4) for value in high]
        ax.fill_between(place, low, top, color=style.colour, alpha=0.13, lw=0)
    ax.plot(place, [epsilon / 2 or math.nan for epsilon in place], ":", color=FAINT, label="$\\varepsilon$ / 2")
    half = f"{RHO / 4:g}: half of the way to the next place on $u_2$"
    ax.axhline(RHO / 4, color=FAINT, lw=0.9, ls=(0, (6, 3)), label=half)
    ax.set(yscale="log", xlabel="$\\varepsilon$: distance of the classes along $u_1$ (units of the data)")
    ax.set_ylabel("margin: $\\ell_2$ distance to the decision boundary\n(units of the data)")
    finite = [float(v) for row in rows for name in words for v in row[name]["quantiles"] if v != "inf"]
    ax.set_ylim(min(finite) / 3, min(max(finite) * 1.5, 3e3))
    tidy(ax)
    plain_numbers(ax.yaxis)
    for row in rows:
        ax.annotate(
            f"{row['test']:.1%}", (row["epsilon"], 0), (0, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", fontsize=7.5, color=FAINT,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, fontsize=8.5, frameon=False)
    smoke = "Smoke: hardly trained, the numbers mean nothing. " if page["scale"] == "smoke" else ""
    epochs = page["training"]["epochs"]
    missed = 1 - min(row[name]["reached"] for row in rows for name in words)
    headline(
        ax,
        "Which of two features does the network use, as the simpler one grows?",
        f"{smoke}MLP of 10 x 500 on {page['data']}, {epochs} epochs. Lines: median of {page['points']} "
        "test points, DeepFool along one direction; shade: 5th to 95th percentile. A low line is a direction that the "
        f"network uses. Searches that found nothing (at most {missed:.0%} of a set) count as infinite. At the bottom: "
        "test accuracy.",
        width=112,
    )
    return figure


def draw_sections() -> Figure:
    """The cross-sections of Fig. 4.9, one below the other."""
    figure = blank(8.2, 8.6)
    for ax, epsilon in zip(figure.subplots(2, 1), SHOWN, strict=True):
        found = geomrob.load(FIGURES / f"{SECTION}-{epsilon:g}", CrossSection)
        title = f"T2 with $\\varepsilon$ = {epsilon:g}: in which class does the network put each place?"
        geomrob.plot_cross_section(found, ax=ax, title=title)
    return figure


def compare(path: Path) -> None:
    """Print the claim beside what was measured."""
    page = json.loads(path.read_text())
    if page["scale"] == "smoke":
        print("smoke: hardly trained, so what follows compares nothing")
    print("published: u_2 is used for epsilon < 0.2, u_1 alone above 0.5; test accuracy 100 %")
    for row in page["rows"]:
        one, two = (float(row[name]["quantiles"][1]) for name in ("u1", "u2"))
        used = "u_1" if one < two else "u_2"
        wanted = "u_2" if row["epsilon"] < 0.2 else "u_1" if row["epsilon"] > 0.5 else "either"
        told = "" if page["scale"] == "smoke" else "as published" if wanted in (used, "either") else "DIFFERS"
        print(
            f"epsilon {row['epsilon']:4g}: median margin along u_1 {one:8.3g}, along u_2 {two:8.3g}: nearer is {used}, "
            f"test accuracy {row['test']:.2%}  {told}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--trained", type=Path, help="folder that keeps the trained weights, to go on from")
    parser.add_argument("--draw-only", action="store_true", help="draw the pictures from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        write(measure(given.scale, given.trained), given.scale, path)
    draw(path).savefig(FIGURES / f"{NAME}.png")
    draw_sections().savefig(FIGURES / f"{SECTION}.png")
    compare(path)


if __name__ == "__main__":
    main()
