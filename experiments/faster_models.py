"""Claim: another memory layout or a lower precision of the model makes margin curves cheaper and leaves the margins.

Reference: none; the settings are torch's. A setting pays if the whole search takes at most 0.85 of the CPU time and no
margin moves by more than 0.1 %.

    python -m experiments.faster_models [--model NAME] [--weights FILE] [--images FOLDER]
                                         [--settings NAME ...] [--scale smoke|cpu] [--tag TAG]

Deepfool on a few bands of a few images, plain and with each setting in turn, three rounds, least CPU time of each. One
core: five minutes for EfficientNet-lite0 at 224 x 224 (most of it bfloat16), half a one for the embedded ResNet-20.
"""

import argparse
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, run
from experiments.measures import Bfloat16
from geomrob.plot.style import INK, blank, figure_headline, plain_numbers, style_of, tidy

SCALES = {"smoke": (1, 1), "cpu": (2, 3)}
"""Images and rounds."""
# What a setting must reach to be kept: the ratio of CPU times, and how far margins may move.
PUBLISHED = {"cpu": 0.85, "margins": 1e-3}


SETTINGS = {
    "plain": lambda model: model,
    "channels last": lambda model: model.to(memory_format=torch.channels_last),
    "bfloat16": Bfloat16,
}
FLAGS = {
    "--model": {"default": "cifar10-resnet20"},
    "--weights": {"type": Path, "metavar": "FILE"},
    "--settings": {"nargs": "+", "choices": list(SETTINGS), "default": list(SETTINGS)},
    "--images": {"type": Path, "metavar": "FOLDER", "help": "photographs; random images without it"},
}


def measure(size: tuple[int, int], flags: argparse.Namespace) -> Page:
    count, rounds = size
    models = {name: SETTINGS[name](geomrob.load_model(flags.model, weights=flags.weights)) for name in flags.settings}
    if flags.images is None:
        images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    else:
        images = geomrob.load_data(flags.images, samples=count).images
    every = geomrob.bands("blocks", geomrob.basis("dct", images.shape[-2:]))
    bands = every[:: max(1, len(every) // 3)]
    rows = {name: {"cpu_s": float("inf"), "distances": []} for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            if rows["plain"]["cpu_s"] * 2 < rows[name]["cpu_s"] < float("inf"):
                continue  # What takes twice the time need not be measured again.
            start = time.process_time()
            curve = geomrob.margin_curve(model, images, subspaces=bands, attack="deepfool")
            rows[name]["cpu_s"] = min(rows[name]["cpu_s"], time.process_time() - start)
            rows[name]["distances"] = curve.distances.flatten().tolist()
            print(name, rows[name]["cpu_s"], flush=True)
    return {"model": flags.model, "images": count, "bands": len(bands), "rows": rows}


def ratios(page: Page) -> dict[str, tuple[float, float, float]]:
    """Return each setting's ratio of CPU times, and the least and greatest ratio of margins, to the plain model."""
    plain = page["rows"]["plain"]
    return {
        name: (row["cpu_s"] / plain["cpu_s"], min(moved), max(moved))
        for name, row in page["rows"].items()
        if name != "plain"
        for moved in ([there / here for there, here in zip(row["distances"], plain["distances"], strict=True)],)
    }


def draw(page: Page) -> Figure:
    figure = blank()
    figure_headline(
        figure,
        "What do other settings of a model save?",
        f"CPU time of a margin curve of {page['model']} over that of the model as it is.",
    )
    each = ratios(page)
    axes = figure.add_subplot()
    times = [time for time, _, _ in each.values()]
    bars = axes.bar(list(each), times, width=0.5, color=style_of(0).colour)
    axes.bar_label(bars, [f"{time:.2g}" for time in times], padding=2)
    axes.set(
        ylabel="CPU time / that of the model as it is",
        yscale="log",
        ylim=(min(0.5, *times) / 1.5, max(2, *times) * 1.5),
    )
    axes.axhline(1, color=INK, linewidth=1.2)
    plain_numbers(axes.yaxis)
    tidy(axes)
    return figure


def compare(page: Page) -> list[Row]:
    return [
        Row(
            f"{name}: CPU time; margins {low:.5f} to {high:.5f}",
            ratio,
            f"at most {PUBLISHED['cpu']}",
            "pays" if ratio <= PUBLISHED["cpu"] and max(high - 1, 1 - low) <= PUBLISHED["margins"] else "does not pay",
        )
        for name, (ratio, low, high) in ratios(page).items()
    ]


EXPERIMENT = Experiment("faster_models", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
