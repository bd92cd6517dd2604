"""Claim: SparseFool's lam trades sparsity against speed, and above +-25/255 the radius hardly matters.

Reference: Modas, thesis, 2022, Figs. 3.3 (lambda, Inception-v3, 4,000 ImageNet images) and 3.6 (radius, ResNet-101, 100
images). Published: a larger lambda fools more with fewer iterations and changes more pixels; with a radius alpha above
about 25 the sparsity remains almost constant, and the fooling rate is 100 % whatever alpha.

Here lambda is that of the first 25 of 50 steps; after them it grows by a tenth a step (see `sparsefool`), so that the
few images that need many steps are fooled with a larger one than the axis says.

    python experiments/sparsefool_sweeps.py [--data-dir DATA] [--scale smoke|cpu|paper]

Writes figures/sparsefool_sweeps.json, then figures/sparsefool_{lambda,radius}.png from the JSON alone. Without
--data-dir (or GEOMROB_DATA) MNIST and CIFAR-10 are left out. One core: smoke half a minute, cpu (100 images a model) 6
minutes, paper (1,000) about an hour. The random pixels are not shown: they are set to 0 or 1 whatever the radius.
"""

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import geomrob
from geomrob.plot.style import look, tidy

MODELS = {
    "fmnist-lenet": "fashion-mnist-1k",
    "fmnist-resnet8": "fashion-mnist-1k",
    "mnist-lenet": "mnist",
    "cifar10-resnet20": "cifar10",
}
SWEEPS: dict[str, tuple[float, ...]] = {"lam": (1, 1.5, 2, 3, 5, 8), "radius": (5, 10, 15, 25, 50, 100, 255)}
IMAGES = {"smoke": 8, "cpu": 100, "paper": 1000}
SEED = 0
FIGURES = Path("figures")
NAME = "sparsefool_sweeps"


def measure(images: int, data_dir: Path | None) -> list[dict[str, Any]]:
    points = []
    for model, data in MODELS.items():
        if data_dir is None and data != "fashion-mnist-1k":
            print(f"{model}: left out, it needs --data-dir")
            continue
        network = geomrob.load_model(model)
        drawn = geomrob.load_data(data, data_dir=data_dir, samples=images, seed=SEED)
        for parameter, values in SWEEPS.items():
            scale = 255 if parameter == "radius" else 1
            about = {"labels": drawn.labels, "indices": drawn.indices, "name": model, "data": drawn.name, "seed": SEED}
            settings = [value / scale for value in values]
            for value, found in zip(
                values,
                geomrob.sparsity_sweep(network, drawn.images, parameter, settings, repeats=1, **about),
                strict=True,
            ):
                points.append({"model": model, "data": data, "parameter": parameter, "value": value, **numbers(found)})
                told = points[-1]
                print(f"{model:17} {parameter:6} {value:5g} {told['fooling_rate']:6.1%} {told['pixels']}", flush=True)
    return points


def numbers(found: geomrob.Sparsity) -> dict[str, Any]:
    pixels = [value if math.isfinite(value) else None for value in found.quantiles(0.25, 0.5, 0.75).tolist()]
    steps = found.result.steps[found.result.success].double()
    return {
        "images": len(found.labels),
        "fooling_rate": found.fooling_rate,
        "pixels": pixels,
        "all_pixels": found.result.inputs[0, 0].numel(),
        "steps": float(steps.mean()) if len(steps) else None,
        "evaluations": float((found.result.forwards + found.result.backwards).double().mean()),
        "seconds": found.provenance.seconds / len(found.labels),
        "provenance": {key: value for key, value in vars(found.provenance).items() if key != "command"},
    }


def draw(path: Path, parameter: str) -> Figure:
    """Three panels from the JSON: fooling rate, per cent of the pixels, steps or evaluations; a line a model."""
    points = [point for point in json.loads(path.read_text())["points"] if point["parameter"] == parameter]
    models = list(dict.fromkeys(point["model"] for point in points))
    figure = Figure(figsize=(12, 4.3), dpi=150, layout="constrained")
    rate, sparse, cost = figure.subplots(1, 3)
    for index, model in enumerate(models):
        own, how = [point for point in points if point["model"] == model], look(index)
        x = [point["value"] for point in own]
        line = {"color": how.colour, "linestyle": how.line, "marker": how.marker, "markersize": 5, "label": model}
        rate.plot(x, [100 * point["fooling_rate"] for point in own], **line)
        low, middle, high = ([percent(point, side) for point in own] for side in range(3))
        sparse.plot(x, middle, **line)
        sparse.fill_between(x, low, high, color=how.colour, alpha=0.13, linewidth=0)
        paid = [point["steps" if parameter == "lam" else "evaluations"] for point in own]
        cost.plot(x, [math.nan if one is None else one for one in paid], **line)
    label = (
        "$\\lambda$ (after 25 of 50 steps it grows by 10 % a step)"
        if parameter == "lam"
        else "radius: largest change of an element (1/255)"
    )
    for ax in (rate, sparse, cost):
        tidy(ax)
        ax.set_xlabel(label)
        if parameter == "radius":
            ax.set_xscale("log")
            ax.set_xticks(SWEEPS["radius"], [f"{value:g}" for value in SWEEPS["radius"]])
            ax.minorticks_off()
    label_axes(rate, sparse, cost, parameter)
    images = points[0]["images"]
    told = (
        "a larger $\\lambda$ needs fewer steps and changes more pixels"
        if parameter == "lam"
        else "a small radius needs many pixels, or fools none"
    )
    figure.suptitle(
        f"SparseFool: {told}. {images} images a model. Shade: 25 to 75 %; where a line ends, most hold out.",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    return figure


def label_axes(rate: Axes, sparse: Axes, cost: Axes, parameter: str) -> None:
    rate.set(ylabel="images fooled (%)", ylim=(0, 103))
    sparse.set(ylabel="median of changed pixels\n(% of the image)", yscale="log")
    sparse.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    cost.set_ylabel("mean steps of the fooled" if parameter == "lam" else "mean forward + backward evaluations")
    cost.set_ylim(bottom=0)
    rate.legend(fontsize=8, frameon=False, loc="lower right")


def percent(point: dict[str, Any], side: int) -> float:
    value = point["pixels"][side]
    return math.nan if value is None else 100 * value / point["all_pixels"]


def compare(path: Path) -> None:
    """Print the claims beside what was measured; steps of nobody fooled are none."""
    points = json.loads(path.read_text())["points"]
    print(
        "published: larger lambda, more pixels and fewer steps; radius above 25: constant; 100 % fooled at any radius"
    )
    for model in dict.fromkeys(point["model"] for point in points):
        lam = [point for point in points if (point["model"], point["parameter"]) == (model, "lam")]
        steps = ["none" if lam[end]["steps"] is None else f"{lam[end]['steps']:.1f}" for end in (0, -1)]
        at = {p["value"]: p for p in points if (p["model"], p["parameter"]) == (model, "radius")}
        print(
            f"{model:17} lambda {lam[0]['value']:g} to {lam[-1]['value']:g}: pixels {lam[0]['pixels'][1]} to "
            f"{lam[-1]['pixels'][1]}, steps {steps[0]} to {steps[1]}; radius 10, 25, 255: "
            + ", ".join(str(at[value]["pixels"][1]) for value in (10, 25, 255))
            + " pixels; fooled "
            + ", ".join(f"{at[value]['fooling_rate']:.0%}" for value in (10, 25, 255))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("GEOMROB_DATA"))
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the pictures from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        points = measure(IMAGES[given.scale], given.data_dir)
        page = {"command": f"python experiments/{NAME}.py", "points": points}
        path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")
    draw(path, "lam").savefig(FIGURES / "sparsefool_lambda.png")
    draw(path, "radius").savefig(FIGURES / "sparsefool_radius.png")
    compare(path)


if __name__ == "__main__":
    main()
