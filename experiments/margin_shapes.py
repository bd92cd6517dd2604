"""Claim: margins rise with frequency on MNIST, hardly on CIFAR-10, flip with the data, are flat in a random basis.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), Figs. 4.3, 4.4, 4.7
and 4.11; Ortiz-Jimenez, Modas et al., "Hold me tight!", NeurIPS 2020. Published as curves of DeepFool's medians: MNIST
(LeNet) rises by about a decade, CIFAR-10 (DenseNet-121) is more uniform; networks for flipped images follow the
flip; a random basis is flat; training on low-pass images raises the high bands; so does adversarial training, all
bands, the high ones most.

DeepFool stops at the first boundary that it finds, which may be far behind the nearest. The question here: which of
these shapes survive where that looseness is removed, by geomrob's tight search on the same images?

    python -m experiments.margin_shapes --data-dir DATA [--scale smoke|cpu|paper] [--only DATA_SET]

MNIST: the embedded LeNet, and others trained here for `SCALES` on flipped, on low-pass and on l2 PGD images of radius
2. Fashion-MNIST: the embedded ResNet-8 of the zoo. CIFAR-10: the embedded ResNet-20, and the same fine-tuned on
low-pass images. Margins of networks for flipped images are in the coordinates of the flipped images. Without
--data-dir, Fashion-MNIST alone; --only measures one data set and keeps the curves of the others. One core: smoke half a
minute, cpu 10 minutes (few images, every second or fourth block), paper days.
"""

import argparse
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR_OR_ENV, SMOKE, Experiment, Page, Row, facts, read, run, stroke
from geomrob.data import Samples
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import Options, accuracy, fit
from geomrob.training.recipe import Adversarial

SEED = 0
METHODS = ("deepfool", "tight")
DATA = {"mnist": "MNIST (LeNet)", "fashion-mnist-1k": "Fashion-MNIST (ResNet-8)", "cifar10": "CIFAR-10 (ResNet-20)"}
LABELS = {
    "standard": "standard",
    "random": "standard, random basis",
    "flipped": "trained on flipped images",
    "low-pass": "trained on low-pass images",
    "adversarial": "trained on l2 PGD images",
}
# The networks of Fashion-MNIST, all embedded.
CLOTHES = {
    "standard": "fmnist-standard",
    "random": "fmnist-standard",
    "flipped": "fmnist-flipped",
    "low-pass": "fmnist-low-pass",
    "adversarial": "fmnist-l2-adversarial",
}
PHOTOS = ("standard", "random", "low-pass")
STEP = {"mnist": 2, "fashion-mnist-1k": 4, "cifar10": 2}
"""Every how many-th block of the diagonal is measured below scale paper."""


@dataclass(frozen=True)
class Scale:
    """Images of each data set; images and epochs of the trainings on MNIST, and of the fine-tuning on CIFAR-10."""

    images: dict[str, int]
    training: tuple[int, int]
    tuning: tuple[int, int]


SCALES = {
    "smoke": Scale({"fashion-mnist-1k": 2}, (0, 0), (0, 0)),
    "cpu": Scale({"mnist": 60, "cifar10": 16, "fashion-mnist-1k": 40}, (10_000, 3), (2_000, 3)),
    "paper": Scale({"mnist": 1000, "fashion-mnist-1k": 1000, "cifar10": 1000}, (60_000, 30), (50_000, 5)),
}
# Of each shape: data, the curves that it compares, and between which bounds the ratio of medians lies.
SHAPES = {
    "MNIST rises (4.3a)": ("mnist", "rise", "standard", 3, 1e9),
    "CIFAR-10 is more uniform (4.3b)": ("cifar10", "rise", "standard", 1 / 3, 3),
    "MNIST flipped falls (4.3d)": ("mnist", "rise", "flipped", 0, 1 / 1.5),
    "Fashion-MNIST rises": ("fashion-mnist-1k", "rise", "standard", 3, 1e9),
    "Fashion-MNIST flipped falls": ("fashion-mnist-1k", "rise", "flipped", 0, 1 / 1.5),
    "MNIST random is flat (4.4)": ("mnist", "spread", "random", 1, 1.5),
    "Fashion-MNIST random is flat": ("fashion-mnist-1k", "spread", "random", 1, 1.5),
    "CIFAR-10 random is flat (4.4)": ("cifar10", "spread", "random", 1, 1.5),
    "CIFAR-10 low-pass raises the highest band (4.7)": ("cifar10", "highest", "low-pass", 1.2, 1e9),
    "MNIST low-pass raises the highest band": ("mnist", "highest", "low-pass", 1.2, 1e9),
    "Fashion-MNIST low-pass raises the highest band": ("fashion-mnist-1k", "highest", "low-pass", 1.2, 1e9),
    "MNIST adversarial raises the lowest band (4.11)": ("mnist", "lowest", "adversarial", 1.2, 1e9),
    "Fashion-MNIST adversarial raises the lowest band": ("fashion-mnist-1k", "lowest", "adversarial", 1.2, 1e9),
    "MNIST adversarial raises the highest band most (4.11)": ("mnist", "most", "adversarial", 1, 1e9),
    "Fashion-MNIST adversarial raises the highest band most": ("fashion-mnist-1k", "most", "adversarial", 1, 1e9),
}
PUBLISHED = dict.fromkeys(SHAPES, "holds")
WORDS = {
    "rise": "last over first band",
    "spread": "largest over smallest band",
    "highest": "highest band over the standard network's",
    "lowest": "lowest band over the standard network's",
    "most": "gain of the highest over gain of the lowest band",
}


FLAGS: dict[str, Any] = {"--data-dir": DATA_DIR_OR_ENV, "--only": {"choices": [*DATA], "metavar": "DATA_SET"}}


def trained(kind: str, scale: Scale, flags: argparse.Namespace) -> tuple[nn.Module, str | None]:
    """A LeNet for MNIST and the transform of its images."""
    if kind in ("standard", "random"):
        return geomrob.load_model("mnist-lenet"), None
    count, epochs = scale.training
    transform = {"flipped": "flip", "low-pass": "lowpass:14"}.get(kind)
    train = geomrob.load_data("mnist", split="train", data_dir=flags.data_dir, samples=count, transform=transform)
    options = Options(epochs=epochs, adversarial=Adversarial(epsilon=2.0) if kind == "adversarial" else None)
    name = "mnist-lenet-flipped" if kind == "flipped" else "mnist-lenet"
    model = fit(build(name, seed=SEED), train, options, seed=SEED).model
    # Low-pass networks are measured on the original images, as in Fig. 4.7.
    return model.requires_grad_(False), transform if kind == "flipped" else None


def tuned(scale: Scale, flags: argparse.Namespace) -> nn.Module:
    """The embedded ResNet-20, trained on with low-pass images at a small rate (section 4.3.2)."""
    count, epochs = scale.tuning
    train = geomrob.load_data("cifar10", split="train", data_dir=flags.data_dir, samples=count, transform="lowpass:16")
    model = geomrob.load_model("cifar10-resnet20").requires_grad_(True)
    return fit(model, train, Options(epochs=epochs, max_rate=0.02), seed=SEED).model.requires_grad_(False)


def network(data: str, kind: str, scale: Scale, flags: argparse.Namespace) -> tuple[nn.Module, str | None]:
    """A network and the transform of the images on which it is measured."""
    if data == "mnist":
        return trained(kind, scale, flags)
    if data == "cifar10":
        return (tuned(scale, flags) if kind == "low-pass" else geomrob.load_model("cifar10-resnet20")), None
    return geomrob.load_model(CLOTHES[kind]), None


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    kept = read(flags.path) if flags.only and flags.path.is_file() else {"curves": [], "accuracies": {}}
    curves = [curve for curve in kept["curves"] if curve["data"] != flags.only]
    accuracies = {} if flags.only in (None, "cifar10") else kept["accuracies"]
    for data, images in scale.images.items():
        if flags.only not in (None, data):
            continue
        if data != "fashion-mnist-1k" and (flags.data_dir is None or flags.scale == SMOKE):
            print(f"{data}: left out, it needs --data-dir")
            continue
        for kind in PHOTOS if data == "cifar10" else LABELS:
            step = 1 if flags.scale == "paper" else STEP[data]
            model, transform = network(data, kind, scale, flags)
            folder = {} if data == "fashion-mnist-1k" else {"data_dir": flags.data_dir}
            few = geomrob.load_data(data, samples=images, seed=SEED, transform=transform, **folder)
            curves += [curve_facts(data, kind, method, model, few, step) for method in METHODS]
            if data == "cifar10" and kind != "random":
                edits = {"original": None, "low-pass": "lowpass:16"}
                sets = {
                    name: geomrob.load_data(data, samples=2000, seed=SEED, transform=edit, **folder)
                    for name, edit in edits.items()
                }
                accuracies[kind] = {name: accuracy(model, samples) for name, samples in sets.items()}
    return {"curves": curves, "accuracies": accuracies}


def curve_facts(data: str, kind: str, method: str, model: nn.Module, few: Samples, step: int) -> Page:
    """One curve: medians by band, from coarse to fine in the coordinates of the network's own images."""
    shape = few.images.shape[-2:]
    bands = geomrob.bands("blocks", geomrob.basis("random" if kind == "random" else "dct", shape, seed=SEED))[::step]
    about = {"labels": few.labels, "indices": few.indices, "data": data, "band_kind": "blocks", "seed": SEED}
    curve = geomrob.margin_curve(
        model, few.images, subspaces=bands, attack=method, allowed=None, name=f"{data} {kind}", **about
    )
    medians, found = curve.quantiles(0.5).flatten().tolist(), curve.reached.tolist()
    if data == "fashion-mnist-1k" and kind == "flipped":
        # This network flips inside, so its own coordinates are those of the images read backwards.
        medians, found = medians[::-1], found[::-1]
    print(
        f"{data} {kind} {method}: {medians[0]:.2f} to {medians[-1]:.2f}, {curve.provenance.seconds:.0f} s", flush=True
    )
    return {
        "data": data,
        "kind": kind,
        "method": method,
        "images": len(few),
        "accuracy": curve.accuracy,
        # Bands of a random basis have none: they are drawn at those of the DCT.
        "frequency": [band.frequency for band in geomrob.bands("blocks", geomrob.basis("dct", shape))[::step]],
        "median": medians,
        "reached": found,
        "provenance": facts(curve),
    }


def medians(page: Page, data: str, kind: str, method: str) -> list[float]:
    """The medians of one curve; empty where it was left out."""
    keys = (data, kind, method)
    found = [c["median"] for c in page["curves"] if (c["data"], c["kind"], c["method"]) == keys]
    return found[0] if found else []


def ratio(page: Page, shape: str, method: str) -> float | None:
    """The number of a shape, by one search; None where its curves were left out."""
    data, what, kind, *_ = SHAPES[shape]
    own, base = medians(page, data, kind, method), medians(page, data, "standard", method)
    if not own or not base:
        return None
    if what == "rise":
        return own[-1] / own[0]
    if what == "spread":
        return max(own) / min(own)
    lowest, highest = own[0] / base[0], own[-1] / base[-1]
    return {"lowest": lowest, "highest": highest, "most": highest / lowest}[what]


def holds(page: Page, shape: str, method: str) -> bool | None:
    """Whether a shape holds by one search."""
    value = ratio(page, shape, method)
    least, most = SHAPES[shape][3:]
    return None if value is None else least < value < most


def draw(page: Page) -> Figure:
    """A row a search, a column a data set, a line a network."""
    shown = [data for data in DATA if any(curve["data"] == data for curve in page["curves"])]
    figure = blank(4.3 * len(shown) + 0.5, 8.2)
    survive = [shape for shape in SHAPES if holds(page, shape, "deepfool") and holds(page, shape, "tight")]
    known = [shape for shape in SHAPES if holds(page, shape, "tight") is not None]
    figure_headline(
        figure,
        "Which shapes of the published margin curves survive a tighter search?",
        f"Median margin in each frequency band. Above: DeepFool, as published. Below: geomrob's tight search, same "
        f"images. Of {len(known)} published shapes {len(survive)} hold by both. A point that is missing: not found for "
        "half of the images.",
    )
    panels = figure.subplots(2, len(shown), sharex="col", sharey="col", squeeze=False)
    for row, method in enumerate(METHODS):
        for ax, data in zip(panels[row], shown, strict=True):
            for index, (kind, label) in enumerate(LABELS.items()):
                for curve in page["curves"]:
                    if (curve["data"], curve["kind"], curve["method"]) == (data, kind, method):
                        ax.plot(curve["frequency"], curve["median"], label=label, ms=4, **stroke(index))
            ax.set(yscale="log", title=f"{DATA[data]}, {'DeepFool' if row == 0 else 'tight'}")
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            tidy(ax)
            if row:
                ax.set_xlabel("frequency (cycles per image): coarse to fine")
    for ax in panels[:, 0]:
        ax.set_ylabel("median margin ($\\ell_2$, [0, 1] pixel units)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def compare(page: Page) -> list[Row]:
    """Each published shape by DeepFool and by the tight search."""
    rows = []
    for shape, (_, what, *_bounds) in SHAPES.items():
        values = [ratio(page, shape, method) for method in METHODS]
        if None in values:
            continue
        here = f"{WORDS[what]}: DeepFool {values[0]:.2f}, tight {values[1]:.2f}"
        good = [holds(page, shape, method) for method in METHODS]
        verdict = (
            "survives" if all(good) else "DeepFool's alone" if good[0] else "tight alone" if good[1] else "DIFFERS"
        )
        rows.append(Row(shape, here, PUBLISHED[shape], verdict))
    for kind, found in page["accuracies"].items():
        here = ", ".join(f"{name} {value:.1%}" for name, value in found.items())
        rows.append(Row(f"CIFAR-10 accuracy, {kind}", here, "27.45 % on low-pass images" if kind == "standard" else ""))
    return rows


EXPERIMENT = Experiment("margin_shapes", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
