"""Claim: a search costs little more CPU time than the bare model takes for the evaluations that it spends.

Reference: goals of the project, total CPU time over that of the bare model in calls of 64 for as many forward and
backward evaluations: 1.1 for `tight` and for DeepFool in bands, 1.25 for SparseFool, 1.2 for the search for few pixels.

    python -m experiments.overhead [--data-dir DATA] [--scale smoke|cpu]

Attack and model are timed in turns, and the median ratio counts: other work on the machine changes both. Without
--data-dir the CIFAR-10 network is left out. One core: smoke a quarter of a minute, cpu 8 minutes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.measures import evaluation_cost, first_correct
from geomrob.attacks import tight
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data import Samples
from geomrob.plot.style import blank, figure_headline, tidy

MODELS = {"fmnist-lenet": "fashion-mnist-1k", "fmnist-resnet8": "fashion-mnist-1k", "cifar10-resnet20": "cifar10"}
# Images; those whose margins are measured in all bands; rounds.
SCALES = {"smoke": (4, 1, 1), "cpu": (128, 16, 3)}
PUBLISHED = {
    "tight": 1.1,
    "tight in bands": 1.1,
    "DeepFool in bands": 1.1,
    "SparseFool": 1.25,
    "few pixels, budget 150": 1.2,
}
Spent = tuple[float, float]


def margins(attack: str) -> Callable[[nn.Module, Samples, int], Spent]:
    """Margins in every block of the DCT."""

    def measured(model: nn.Module, data: Samples, few: int) -> Spent:
        bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))
        curve = geomrob.margin_curve(model, data.images[:few], subspaces=bands, attack=attack)
        return float(curve.forwards.sum()), float(curve.backwards.sum())

    return measured


def spent(find: Callable[[nn.Module, torch.Tensor], Any]) -> Callable[[nn.Module, Samples, int], Spent]:
    """What an attack on all images spends."""

    def measured(model: nn.Module, data: Samples, _: int) -> Spent:
        result = find(model, data.images)
        return float(result.forwards.sum()), float(result.backwards.sum())

    return measured


ATTACKS: dict[str, Callable[[nn.Module, Samples, int], Spent]] = {
    "tight": spent(lambda model, images: tight(model, images, bounds=(0.0, 1.0))),
    "tight in bands": margins("tight"),
    "DeepFool in bands": margins("deepfool"),
    "SparseFool": spent(sparsefool),
    "few pixels, budget 150": spent(lambda model, images: sparsefool(model, images, prune=True)),
}


def measure(size: tuple[int, int, int], flags: argparse.Namespace) -> Page:
    count, few, rounds = size
    page: Page = {"images": count, "in_bands": few, "rows": []}
    for name, source in MODELS.items():
        if source == "cifar10" and (flags.data_dir is None or flags.scale == SMOKE):
            print(f"{name}: left out, it needs --data-dir")
            continue
        model = geomrob.load_model(name)
        where = {"data_dir": flags.data_dir} if source == "cifar10" else {}
        data = first_correct(model, geomrob.load_data(source, samples=2 * count + 20, **where), count)
        for attack, find in ATTACKS.items():
            ratios = []
            for _ in range(rounds):
                forward, backward = evaluation_cost(model, data.images, rounds=8)
                start = time.process_time()
                forwards, backwards = find(model, data, few)
                taken = time.process_time() - start
                again = evaluation_cost(model, data.images, rounds=8)
                forward, backward = (forward + again[0]) / 2, (backward + again[1]) / 2
                ratios.append(taken / (forward * forwards + backward * backwards))
            row = {"model": name, "attack": attack, "ratios": ratios, "forwards": forwards, "backwards": backwards}
            page["rows"].append(row)
            print(name, attack, f"{statistics.median(ratios):.2f}", [round(r, 2) for r in ratios], flush=True)
    return page


def draw(page: Page) -> Figure:
    """A bar a network in each group of an attack, and the goal as a line."""
    figure = blank(9.5, 4.2)
    figure_headline(
        figure,
        "How much of the time is not the model's?",
        f"CPU time of a search over that of the bare model for the same evaluations, median of turns; bar: all turns. "
        f"{page['images']} images, {page['in_bands']} in bands. Lines: goals.",
    )
    ax = figure.add_subplot()
    models = list(dict.fromkeys(row["model"] for row in page["rows"]))
    for index, (attack, goal) in enumerate(PUBLISHED.items()):
        for place, model in enumerate(models):
            row = next(row for row in page["rows"] if (row["model"], row["attack"]) == (model, attack))
            low, middle, high = (f(row["ratios"]) for f in (min, statistics.median, max))
            at = index + (place - (len(models) - 1) / 2) * 0.25
            label = model if index == 0 else None
            ax.bar(at, middle - 1, bottom=1, width=0.22, color=f"C{place}", label=label)
            ax.plot([at, at], [low, high], color="#333333", lw=1)
        ax.plot([index - 0.45, index + 0.45], [goal, goal], color="#333333", lw=1.5, ls="--")
    ax.set(xticks=range(len(PUBLISHED)), ylabel="CPU time / that of the bare model", ylim=(0.9, None))
    ax.set_xticklabels(PUBLISHED, fontsize=8.5)
    ax.legend(fontsize=8)
    tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Median ratio of each attack and network beside the goal."""
    rows = []
    for row in page["rows"]:
        ratio, goal = statistics.median(row["ratios"]), PUBLISHED[row["attack"]]
        shown = f"{ratio:.2f} ({row['forwards']:,.0f} + {row['backwards']:,.0f} evaluations)"
        rows.append(Row(f"{row['model']}: {row['attack']}", shown, f"<= {goal:g}", ratio <= goal))
    return rows


EXPERIMENT = Experiment("overhead", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR})

if __name__ == "__main__":
    run(EXPERIMENT)
