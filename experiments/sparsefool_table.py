"""Claim: SparseFool fools nearly every image by one or two per cent of its pixels; l1-DeepFool, clipped, does not.

Reference: Modas, thesis, 2022, Tables 3.1 and 3.2 and section 3.3.1; Modas, Moosavi-Dezfooli, Frossard, "SparseFool",
CVPR 2019. Published: LeNet on MNIST (lambda 1) 99.93 % fooled, 1.66 % of the pixels; VGG-19 and ResNet-18 on CIFAR-10
(lambda 3) 100 %, 1.07 and 1.27 %; as many random pixels fool 10 to 18 % (ImageNet); DeepFool in the l1 norm about 100 %
before and 13 % after clipping to the range of an image (VGG-16, ImageNet).

Here lam is that of the first 25 of 50 steps; after them it grows by a tenth a step (see `sparsefool`).

    python experiments/sparsefool_table.py [--data-dir DATA] [--scale smoke|cpu|paper]

Writes figures/sparsefool_table.json, figures/sparsefool_table.png from the JSON alone, and galleries of examples,
figures/sparsefool_gallery_{fmnist,mnist,cifar10}.png. Without --data-dir (or GEOMROB_DATA) MNIST and CIFAR-10 are left
out. One core: smoke half a minute, cpu (200 images a model) 5 minutes, paper (5,000, of the embedded set all 1,000)
about two hours.
"""

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob

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
IMAGES = {"smoke": 8, "cpu": 200, "paper": 5000}
EMBEDDED = 1000
SEED = 0
FIGURES = Path("figures")
NAME = "sparsefool_table"


def numbers(found: geomrob.Sparsity) -> dict[str, Any]:
    middle = {of: float(found.quantiles(0.5, of=of)) for of in ("pixels", "percent", "elements", "l1", "l2", "linf")}
    return {
        "images": len(found.labels),
        "accuracy": found.accuracy,
        "fooling_rate": found.fooling_rate,
        **{name: value if math.isfinite(value) else None for name, value in middle.items()},
        "survive_8_bits": float(found.survived.double().mean()),
        "random": float(found.random.mean()) if found.fooling_rate else None,
        "forwards": float(found.result.forwards.double().mean()),
        "backwards": float(found.result.backwards.double().mean()),
        "seconds": found.provenance.seconds / len(found.labels),
        "provenance": {key: value for key, value in vars(found.provenance).items() if key != "command"},
    }


def measure(images: int, data_dir: Path | None) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for model, data in MODELS.items():
        if data_dir is None and data != "fashion-mnist-1k":
            print(f"{model}: left out, it needs --data-dir")
            continue
        network = geomrob.load_model(model)
        count = min(images, EMBEDDED) if data == "fashion-mnist-1k" else images
        drawn = geomrob.load_data(data, data_dir=data_dir, samples=count)
        about = {"labels": drawn.labels, "indices": drawn.indices, "classes": drawn.classes, "seed": SEED}
        table[model] = {}
        for name, options in METHODS.items():
            found = geomrob.sparsity(network, drawn.images, name=model, data=drawn.name, **about, **options)
            table[model][name] = numbers(found)
            print(f"{model:17} {name:23} {found.fooling_rate:6.1%} {float(found.quantiles(0.5)):g} pixels", flush=True)
            if name == "SparseFool, lam 3" and model in GALLERIES:
                geomrob.plot_gallery(found, rows=5).savefig(FIGURES / f"sparsefool_gallery_{GALLERIES[model]}.png")
        table[model]["targeted, lam 3"] = targeted(network, drawn, model, about)
    return table


def targeted(network: torch.nn.Module, drawn: Any, model: str, about: dict[str, Any]) -> dict[str, Any]:
    """Towards the three classes after the one seen, one after the other, all images together."""
    with torch.no_grad():
        seen = torch.cat([network(part).argmax(1) for part in drawn.images[:100].split(64)])
    images = drawn.images[:100].repeat(TARGETS, 1, 1, 1)
    goals = torch.cat([(seen + 1 + step) % 10 for step in range(TARGETS)])
    how = {key: torch.cat([about[key][:100]] * TARGETS) for key in ("labels", "indices")}
    found = geomrob.sparsity(network, images, targets=goals, name=model, data=drawn.name, repeats=1, **how)
    return numbers(found)


def draw(path: Path) -> Figure:
    """Two panels from the JSON: share fooled and median per cent of the pixels, a bar a method, a group a model."""
    table = json.loads(path.read_text())["table"]
    shown = [name for name in METHODS if name != "SparseFool, lam 1"]
    colours = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#555555")
    hatches = ("", "//", "", "xx", "..")
    figure = Figure(figsize=(11, 4.4), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    for row, (name, colour, hatch) in enumerate(zip(shown, colours, hatches, strict=True)):
        for column, methods in enumerate(table.values()):
            x, one = column + (row - 2) * 0.16, methods[name]
            look = {"width": 0.15, "color": colour, "hatch": hatch, "edgecolor": "white"}
            left.bar(x, 100 * one["fooling_rate"], label=name if not column else None, **look)
            if one["percent"] is not None:
                right.bar(x, one["percent"], **look)
                right.text(x, one["percent"], f"{one['pixels']:g}", ha="center", va="bottom", fontsize=7.5)
            else:
                right.text(x, 0.02, "none", ha="center", va="bottom", fontsize=7, rotation=90, color="#666666")
    for ax in (left, right):
        ax.set_xticks(range(len(table)), [name.replace("-", "\n", 1) for name in table])
        ax.spines[["top", "right"]].set_visible(False)
    left.set(ylabel="images fooled (%)", title="How many are fooled?")
    left.set_ylim(0, 135)
    left.set_yticks(range(0, 101, 20))
    left.legend(fontsize=8, ncols=2, loc="upper left", frameon=False)
    right.set(ylabel="median of changed pixels (% of the image)", title="By how few pixels? (number above: pixels)")
    count = max(methods[shown[0]]["images"] for methods in table.values())
    figure.suptitle(
        f"SparseFool beside DeepFool in the l1 norm, up to {count} images a model. l1-DeepFool changes fewest pixels "
        "but leaves the range of an\nimage: clipped, it no longer fools. 'none': fewer than half of the images fooled.",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return figure


def compare(path: Path) -> None:
    """Print every row, and what is published beside it."""
    for model, methods in json.loads(path.read_text())["table"].items():
        for name, one in methods.items():
            percent = "inf" if one["percent"] is None else f"{one['percent']:.2f}"
            said = PUBLISHED.get((model, name))
            print(
                f"{model:17} {name:23} {one['fooling_rate']:6.1%} fooled {percent:>5} % of pixels "
                f"{one['forwards']:6.1f} + {one['backwards']:5.1f} evaluations"
                + (f"; published: {said}" if said else "")
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("GEOMROB_DATA"))
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        table = measure(IMAGES[given.scale], given.data_dir)
        page = {"command": f"python experiments/{NAME}.py", "table": table}
        path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
