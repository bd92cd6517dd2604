"""Claim: SparseFool fools nearly every image by one or two per cent of its pixels; l1-DeepFool, clipped, does not.

Reference: Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Tables 3.1 and 3.2 and section
3.3.1; Modas, Moosavi-Dezfooli, Frossard, "SparseFool", CVPR 2019. Published: LeNet on MNIST (lambda 1) 99.93 % fooled,
1.66 % of the pixels; VGG-19 and ResNet-18 on CIFAR-10 (lambda 3) 100 %, 1.07 and 1.27 %; as many random pixels fool 10
to 18 % (ImageNet); DeepFool in the l1 norm about 100 % before and 13 % after clipping to the range of an image (VGG-16,
ImageNet).

Here lam is that of the first 25 of 50 steps; after them it grows by a tenth a step (see `sparsefool`).

    python -m experiments.sparsefool_table [--data-dir DATA] [--scale smoke|cpu|paper]

Also draws galleries of examples while it measures, figures/sparsefool_gallery_{fmnist,mnist,cifar10}.png. Without
--data-dir (or GEOMROB_DATA) MNIST and CIFAR-10 are left out. One core: smoke half a minute, cpu (200 images a model) 5
minutes, paper (5,000, of the embedded set all 1,000) about two hours.
"""

import argparse
import math
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR_OR_ENV, Experiment, Page, Row, facts, run
from geomrob.data import Samples
from geomrob.plot.style import FAINT, blank, figure_headline, style_of, tidy

MODELS = {
    "fmnist-lenet": "fashion-mnist-1k",
    "fmnist-resnet8": "fashion-mnist-1k",
    "mnist-lenet": "mnist",
    "cifar10-resnet20": "cifar10",
}
METHODS: dict[str, dict[str, Any]] = {
    "SparseFool, lam 1": {"lam": 1.0},
    "SparseFool, lam 3": {"lam": 3.0},
    "SparseFool, pruned": {"lam": 3.0, "prune": True},
    "l1-DeepFool": {"attack": "l1-deepfool"},
    "l1-DeepFool, clipped": {"attack": "l1-deepfool-clipped"},
    "l1-DeepFool in the box": {"attack": "l1-deepfool-box"},
}
GALLERIES = {"fmnist-lenet": "fmnist", "mnist-lenet": "mnist", "cifar10-resnet20": "cifar10"}
PUBLISHED = {
    ("mnist-lenet", "SparseFool, lam 1"): "99.93 % fooled, 1.66 % of the pixels (LeNet)",
    ("cifar10-resnet20", "SparseFool, lam 3"): "100 % fooled, 1.07 and 1.27 % (VGG-19, ResNet-18)",
    ("cifar10-resnet20", "l1-DeepFool"): "about 100 % (VGG-16, ImageNet)",
    ("cifar10-resnet20", "l1-DeepFool, clipped"): "13 % (VGG-16, ImageNet)",
}
TARGETS = 3
SCALES = {"smoke": 8, "cpu": 200, "paper": 5000}
EMBEDDED = 1000
SEED = 0


def numbers(result: geomrob.Sparsity) -> Page:
    return {
        "images": len(result.labels),
        "accuracy": result.accuracy,
        "fooling_rate": result.fooling_rate,
        **{of: float(result.quantiles(0.5, of=of)) for of in ("pixels", "percent", "elements", "l1", "l2", "linf")},
        "survive_8_bits": float(result.survived.double().mean()),
        "random": float(result.random.mean()) if result.fooling_rate else None,
        "forwards": float(result.result.forwards.double().mean()),
        "backwards": float(result.result.backwards.double().mean()),
        "seconds": result.provenance.seconds / len(result.labels),
        "provenance": facts(result),
    }


def measure(images: int, flags: argparse.Namespace) -> Page:
    table: dict[str, Page] = {}
    pictures = {}
    for model, name in MODELS.items():
        if flags.data_dir is None and name != "fashion-mnist-1k":
            print(f"{model}: left out, it needs --data-dir")
            continue
        network = geomrob.load_model(model)
        count = min(images, EMBEDDED) if name == "fashion-mnist-1k" else images
        data = geomrob.load_data(name, data_dir=flags.data_dir, samples=count)
        about = {"labels": data.labels, "indices": data.indices, "classes": data.classes, "seed": SEED}
        table[model] = {}
        for method, options in METHODS.items():
            result = geomrob.sparsity(network, data.images, name=model, data=data.name, **about, **options)
            table[model][method] = numbers(result)
            print(
                f"{model:17} {method:23} {result.fooling_rate:6.1%} {float(result.quantiles(0.5)):g} pixels", flush=True
            )
            if method == "SparseFool, lam 3" and model in GALLERIES:
                pictures[f"sparsefool_gallery_{GALLERIES[model]}"] = geomrob.plot_gallery(result, rows=5)
        table[model]["targeted, lam 3"] = numbers(targeted(network, data.subset(torch.arange(min(100, count))), model))
    return {"table": table, "pictures": pictures}


def targeted(network: torch.nn.Module, data: Samples, model: str) -> geomrob.Sparsity:
    """Towards the three classes after the predicted one, one after the other, all images together."""
    with torch.no_grad():
        predicted = torch.cat([network(part).argmax(1) for part in data.images.split(64)])
    goals = torch.cat([(predicted + 1 + step) % 10 for step in range(TARGETS)])
    thrice = {"labels": data.labels.repeat(TARGETS), "indices": data.indices.repeat(TARGETS)}
    images = data.images.repeat(TARGETS, 1, 1, 1)
    return geomrob.sparsity(network, images, targets=goals, name=model, data=data.name, repeats=1, **thrice)


def draw(page: Page) -> Figure:
    """Two panels: share fooled and median per cent of the pixels, a bar a method, a group a model."""
    table = page["table"]
    shown = [name for name in METHODS if name != "SparseFool, lam 1"]
    hatches = ("", "//", "", "xx", "..")
    figure = blank(11, 4.8)
    count = max(methods[shown[0]]["images"] for methods in table.values())
    figure_headline(
        figure,
        "How many images are fooled, and by how few pixels?",
        f"SparseFool next to DeepFool in the l1 norm, up to {count} images a model. l1-DeepFool changes fewest "
        "pixels but leaves the range of an image: clipped, it no longer fools. 'none': fewer than half are fooled.",
    )
    left, right = figure.subplots(1, 2)
    for index, (name, hatch) in enumerate(zip(shown, hatches, strict=True)):
        style = {"width": 0.15, "color": style_of(index).colour, "hatch": hatch, "edgecolor": "white"}
        for column, methods in enumerate(table.values()):
            x, one = column + (index - 2) * 0.16, methods[name]
            left.bar(x, 100 * one["fooling_rate"], label=name if not column else None, **style)
            if math.isfinite(one["percent"]):
                right.bar(x, one["percent"], **style)
                right.text(x, one["percent"], f"{one['pixels']:g}", ha="center", va="bottom", fontsize=7.5)
            else:
                right.text(x, 0.02, "none", ha="center", va="bottom", fontsize=7, rotation=90, color=FAINT)
    for ax in (left, right):
        tidy(ax)
        ax.grid(visible=False, axis="x")
        ax.set_xticks(range(len(table)), [name.replace("-", "\n", 1) for name in table])
    left.set(ylabel="images fooled (%)", title="How many are fooled?", ylim=(0, 135), yticks=range(0, 101, 20))
    left.legend(fontsize=8, ncols=2, loc="upper left", frameon=False)
    right.set(ylabel="median of changed pixels (% of the image)", title="By how few pixels? (number above: pixels)")
    return figure


def compare(page: Page) -> list[Row]:
    """Every row, and what is published."""
    rows = []
    for model, methods in page["table"].items():
        for name, one in methods.items():
            here = f"{one['fooling_rate']:6.1%} fooled, {one['percent']:.2f} % of the pixels"
            cost = f"{one['forwards']:.1f} + {one['backwards']:.1f} evaluations"
            rows.append(Row(f"{model} {name}", here, PUBLISHED.get((model, name), ""), cost))
    return rows


EXPERIMENT = Experiment("sparsefool_table", __doc__, SCALES, measure, draw, compare, {"--data-dir": DATA_DIR_OR_ENV})

if __name__ == "__main__":
    run(EXPERIMENT)
