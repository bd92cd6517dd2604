"""Claim of docs/benchmarks.md: how close `tight` comes in every band, tails included, at three budgets.

    python -m experiments.band_benchmarks [--model NAME] [--weights FILE] [--data NAME] [--data-dir DATA]
                                          [--images NUMBER] [--scale smoke|cpu] [--tag TAG]

Blocks of the DCT as in `geomrob margin --basis dct`. The best known margin of a pair is the minimum over all rows, a
longer `tight` and `ddn` included; the longer one continues the shorter ones, so that their excess is a lower bound. In
each band: the median over images of the ratio to it, the ratio of the two medians, and the 95 % quantile of the ratios.
Goals: 1.02 and 1.10 at 60 gradients, 1.005 and 1.03 at 200. One thread, one run; two CPU minutes.
"""

import argparse
import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR, Experiment, Page, Row, run, stroke
from experiments.measures import first_correct
from geomrob.plot.style import blank, figure_headline, tidy

SCALES = {"smoke": {"images": 4, "long": 100, "ddn": 30}, "cpu": {"images": 24, "long": 400, "ddn": 200}}
BUDGETS = (30, 60, 200)
MEASURES = {"median_ratio": "median of ratios", "ratio_of_medians": "ratio of medians", "tail": "95 % quantile"}
PUBLISHED = {"tight, 60": (1.02, 1.10), "tight, 200": (1.005, 1.03)}
FLAGS = {
    "--model": {"default": "fmnist-lenet"},
    "--weights": {"type": Path, "metavar": "FILE"},
    "--data": {"default": "fashion-mnist-1k"},
    "--data-dir": DATA_DIR,
    "--images": {"type": int, "metavar": "NUMBER"},
}


def measure(size: dict[str, int], flags: argparse.Namespace) -> Page:
    model = geomrob.load_model(flags.model, weights=flags.weights)
    data = geomrob.load_data(flags.data, data_dir=flags.data_dir)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    images = first_correct(model, data.subset(order[:500]), flags.images or size["images"]).images
    bands = geomrob.bands("blocks", geomrob.basis("dct", images.shape[-2:]))
    searches = {"deepfool": ("deepfool", {})}
    searches |= {f"tight, {budget}": ("tight", {"budget": budget}) for budget in (*BUDGETS, size["long"])}
    searches |= {f"ddn, {size['ddn']} steps": ("ddn", {"steps": size["ddn"]})}
    curves = {}
    for name, (attack, options) in searches.items():
        curves[name] = geomrob.margin_curve(model, images, subspaces=bands, attack=attack, **options)
        print(f"  {name}: {curves[name].provenance.seconds:.0f} s", flush=True)
    best = torch.stack([curve.distances for curve in curves.values()]).amin(0)
    rows: Page = {}
    for name, curve in curves.items():
        ratio = curve.distances / best
        rows[name] = {
            "forwards": float(curve.forwards.mean()),
            "backwards": float(curve.backwards.mean()),
            "median_ratio": ratio.quantile(0.5, 1).tolist(),
            "ratio_of_medians": (curve.distances.quantile(0.5, 1) / best.quantile(0.5, 1)).tolist(),
            "tail": ratio.quantile(0.95, 1).tolist(),
            "over_all": [float(ratio.median()), float(ratio.quantile(0.95)), float((ratio > 1.05).double().mean())],
        }
    return {"model": flags.model, "images": len(images), "bands": len(bands), "searches": rows}


def draw(page: Page) -> Figure:
    figure = blank(width=11, height=4.2)
    figure_headline(
        figure, "How close is `tight` in every band?", f"{page['model']}, {page['images']} images; 1 is best."
    )
    for axis, (key, title) in zip(figure.subplots(1, 3), MEASURES.items(), strict=True):
        for index, budget in enumerate(BUDGETS):
            axis.plot(page["searches"][f"tight, {budget}"][key], label=f"budget {budget}", **stroke(index))
        axis.set(xlabel="band", ylabel="over the best known", title=title)
        tidy(axis)
    axis.legend()
    return figure


def compare(page: Page) -> list[Row]:
    rows = []
    for name, part in page["searches"].items():
        worst = [max(part[key]) for key in MEASURES]
        here = ", ".join(f"{value:.3f}" for value in worst)
        here += f"; all pairs {part['over_all'][0]:.3f}, {part['over_all'][1]:.3f}"
        goal = PUBLISHED.get(name, (math.inf, math.inf))
        met = worst[0] <= goal[0] and worst[1] <= goal[0] and worst[2] <= goal[1]
        text = f"{here}; {part['forwards']:.0f} + {part['backwards']:.0f}"
        rows.append(
            Row(f"{name}: worst bands", text, *((f"<= {goal[0]}, {goal[1]}", met) if name in PUBLISHED else ()))
        )
    return rows


EXPERIMENT = Experiment("band_benchmarks", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
