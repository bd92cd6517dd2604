"""Claim: `tight` is closer in l-infinity, l2 and l1 than the searches of other libraries with ten times its gradients.

    pip install --no-deps adv-lib tqdm
    python -m experiments.norm_benchmarks [--model NAME ...] [--weights FILE] [--data NAME] [--data-dir DATA]
                                          [--keep-peers] [--scale smoke|cpu] [--tag TAG]

Images that each model classifies correctly, inside [0, 1], success verified on the images returned; failures count as
infinite in medians and are left out of means. One thread, one run; evaluation counts are what to quote. One core: eight
minutes a small network, an hour a network for CIFAR-10.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, Experiment, Page, Row, read, run, stroke
from experiments.measures import first_correct
from experiments.peers import NORM_PEERS, run_peer
from geomrob.attacks import ATTACKS
from geomrob.data import Samples
from geomrob.errors import UsageError
from geomrob.plot.style import FAINT, blank, figure_headline, plain_numbers, tidy

SCALES = {"smoke": {"images": 4, "budgets": (20,)}, "cpu": {"images": 64, "budgets": (60, 100, 200)}}
# Goal of the project: the median with at most so many gradients is no more than that of the closest peer.
PUBLISHED = {"gradients": 100}
MARKED = dict.fromkeys(["deepfool", *(name.removeprefix("adv-lib ") for part in NORM_PEERS.values() for name in part)])
MARKS = dict(zip(MARKED, "svDP<>p^X", strict=True))
NORMS = {"linf": math.inf, "l2": 2.0, "l1": 1.0}
FLAGS = {
    "--model": {"nargs": "+", "default": ["fmnist-lenet", "fmnist-resnet8", "fmnist-linf-adversarial"]},
    "--weights": {"type": Path, "metavar": "FILE", "help": "of the first model"},
    "--data": {"default": "fashion-mnist-1k"},
    "--data-dir": DATA_DIR,
    "--keep-peers": {"action": "store_true", "help": "measure ours, and of the peers what is not recorded"},
}


def measure(size: dict[str, int | tuple[int, ...]], flags: argparse.Namespace) -> Page:
    data = geomrob.load_data(flags.data, data_dir=flags.data_dir)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    page: Page = {"data": flags.data, "images": size["images"]}
    known = read(flags.path) if flags.keep_peers else None
    for number, name in enumerate(flags.model):
        model = geomrob.load_model(name, weights=None if number else flags.weights)
        model.requires_grad_(False)
        chosen = first_correct(model, data, size["images"], order=order)
        kept = {norm: known.get(name, {}).get(norm, {}) if known else {} for norm in NORMS}
        page[name] = {norm: rows(model, chosen, norm, size["budgets"], kept[norm]) for norm in NORMS}
    return page


def rows(model: nn.Module, data: Samples, norm: str, budgets: tuple[int, ...], kept: Page) -> Page:
    """Return success, distances and evaluations of ours and of the peers: as kept, or measured where installed."""
    images, labels, p = data.images, data.labels, NORMS[norm]
    searches = {name: lambda name=name: run_peer(name, model, images, labels, NORM_PEERS[p]) for name in NORM_PEERS[p]}
    page: Page = {name: kept[name] for name in searches if name in kept}
    searches = {name: search for name, search in searches.items() if name not in page}
    deepfool, tight = (ATTACKS[name].attack for name in ("deepfool", "tight"))
    searches["deepfool"] = lambda: deepfool(model, images, norm=p, bounds=(0.0, 1.0))
    for budget in budgets:
        searches[f"tight, budget {budget}"] = lambda budget=budget: tight(
            model, images, norm=p, bounds=(0.0, 1.0), budget=budget
        )
    for name, search in searches.items():
        start = time.process_time()
        try:
            result = search()
        except UsageError as error:
            print(f"  {name}: skipped, {error}")
            continue
        distances = result.distances(p)
        page[name] = {
            "success": result.success_rate,
            "median": float(distances.quantile(0.5).nan_to_num(nan=math.inf)),
            "mean": float(distances[result.success].mean()),
            "forwards": float(result.forwards.double().mean()),
            "backwards": float(result.backwards.double().mean()),
            "cpu_s": time.process_time() - start,
        }
        print(f"  {norm} {name:38}", {key: round(value, 4) for key, value in page[name].items()}, flush=True)
    return page


def models(page: Page) -> list[str]:
    return [name for name, part in page.items() if isinstance(part, dict) and {*part} == {*NORMS}]


def draw(page: Page) -> Figure:
    names = models(page)
    figure = blank(width=4.5 * len(names), height=9)
    figure_headline(figure, "How close does each search come, at what price?", "Medians over images, inside [0, 1].")
    axes = figure.subplots(len(NORMS), len(names), squeeze=False)
    for row, norm in enumerate(NORMS):
        for column, name in enumerate(names):
            axis = axes[row][column]
            points = {
                label.removeprefix("adv-lib "): (part["forwards"] + part["backwards"], part["median"])
                for label, part in page[name][norm].items()
                if math.isfinite(part["median"])
            }
            ours = [point for label, point in points.items() if label.startswith("tight")]
            axis.plot(*zip(*ours, strict=True), label="tight", **stroke(0))
            others = {label: point for label, point in points.items() if not label.startswith("tight")}
            for label, point in others.items():
                axis.plot(*point, MARKS[label], color=FAINT, linestyle="", label=label)
            axis.set(xscale="log", yscale="log", xlabel="evaluations an image", ylabel=f"median {norm}", title=name)
            axis.margins(y=0.12)
            plain_numbers(axis.xaxis)
            # Distances span less than a power of ten: ticks as on a linear axis.
            axis.yaxis.set(
                major_locator=MaxNLocator(5), major_formatter=StrMethodFormatter("{x:g}"), minor_locator=NullLocator()
            )
            tidy(axis)
    drawn = [axis.get_legend_handles_labels() for axis in axes[:, 0]]
    known = {label: handle for handles, labels in drawn for handle, label in zip(handles, labels, strict=True)}
    figure.legend(
        known.values(),
        known,
        loc="outside lower center",
        ncols=min(4, 2 * len(names)),
        frameon=False,
        fontsize=8.5,
    )
    return figure


def compare(page: Page) -> list[Row]:
    """Return a row for each search, and whether ours with at most 100 gradients is the closest."""
    table: list[Row] = []
    for name in models(page):
        for norm in NORMS:
            part = page[name][norm]
            ours = [
                row
                for label, row in part.items()
                if label.startswith("tight") and row["backwards"] <= PUBLISHED["gradients"] + 0.5
            ]
            peers = [row for label, row in part.items() if label.startswith("adv-lib")]
            for label, row in part.items():
                here = f"{row['median']:.4g}, mean {row['mean']:.4g}, {row['success']:.0%}"
                table.append(Row(f"{name}, {norm}: {label}", f"{here}, {row['forwards']:.0f} + {row['backwards']:.0f}"))
            if ours and peers:
                best, theirs = (min(row["median"] for row in side) for side in (ours, peers))
                table.append(Row(f"{name}, {norm}: closest", best, f"<= {theirs:.4g}", best <= theirs))
    return table


EXPERIMENT = Experiment("norm_benchmarks", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
