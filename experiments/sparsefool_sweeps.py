"""Claim: SparseFool's lam trades sparsity against speed, and above +-25/255 the radius hardly matters.

Reference: Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Figs. 3.3 (lambda, Inception-v3,
4,000 ImageNet images) and 3.6 (radius, ResNet-101, 100 images). Published: a larger lambda fools more with fewer
iterations and changes more pixels; with a radius alpha above about 25 the sparsity remains almost constant, and the
fooling rate is 100 % whatever alpha.

Here lambda is that of the first 25 of 50 steps; after them it grows by a tenth a step (see `sparsefool`), so that the
few images that need many steps are fooled with a larger one than the axis says.

    python -m experiments.sparsefool_sweeps [--data-dir DATA] [--scale smoke|cpu|paper]

Draws figures/sparsefool_{lambda,radius}.png. Without --data-dir (or GEOMROB_DATA) MNIST and CIFAR-10 are left out. One
core: smoke half a minute, cpu (100 images a model) 6 minutes, paper (1,000) about an hour. The random pixels are not
shown: they are set to 0 or 1 whatever the radius.
"""

import argparse
import math

from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR_OR_ENV, Experiment, Page, Row, facts, run, stroke
from geomrob.plot.style import blank, figure_headline, tidy

MODELS = {
    "fmnist-lenet": "fashion-mnist-1k",
    "fmnist-resnet8": "fashion-mnist-1k",
    "mnist-lenet": "mnist",
    "cifar10-resnet20": "cifar10",
}
SWEEPS: dict[str, tuple[float, ...]] = {"lam": (1, 1.5, 2, 3, 5, 8), "radius": (5, 10, 15, 25, 50, 100, 255)}
SCALES = {"smoke": 8, "cpu": 100, "paper": 1000}
SEED = 0
PUBLISHED = {
    "lam": "more pixels, fewer steps",
    "radius": "all fooled, above 25 as sparse",
}
# Title, axis, and what the last panel shows.
WORDS = {
    "lam": (
        "SparseFool: a larger $\\lambda$ needs fewer steps and changes more pixels",
        "$\\lambda$ (after 25 of 50 steps it grows by 10 % a step)",
        "mean steps of the fooled",
    ),
    "radius": (
        "SparseFool: a small radius needs many pixels, or fools none",
        "radius: largest change of an element (1/255)",
        "mean forward + backward evaluations",
    ),
}


def measure(images: int, flags: argparse.Namespace) -> Page:
    points = []
    for model, name in MODELS.items():
        if flags.data_dir is None and name != "fashion-mnist-1k":
            print(f"{model}: left out, it needs --data-dir")
            continue
        network = geomrob.load_model(model)
        data = geomrob.load_data(name, data_dir=flags.data_dir, samples=images, seed=SEED)
        about = {"labels": data.labels, "indices": data.indices, "name": model, "data": data.name, "seed": SEED}
        for parameter, values in SWEEPS.items():
            settings = [value / (255 if parameter == "radius" else 1) for value in values]
            results = geomrob.sparsity_sweep(network, data.images, parameter, settings, repeats=1, **about)
            for value, result in zip(values, results, strict=True):
                point = {"model": model, "data": name, "parameter": parameter, "value": value, **numbers(result)}
                points.append(point)
                print(f"{model:17} {parameter:6} {value:5g} {point['fooling_rate']:6.1%} {point['pixels']}", flush=True)
    return {"points": points}


def numbers(result: geomrob.Sparsity) -> Page:
    found = result.result
    steps = found.steps[found.success].double()
    return {
        "images": len(result.labels),
        "fooling_rate": result.fooling_rate,
        "pixels": result.quantiles(0.25, 0.5, 0.75).tolist(),
        "all_pixels": found.inputs[0, 0].numel(),
        "steps": float(steps.mean()),
        "evaluations": float((found.forwards + found.backwards).double().mean()),
        "seconds": result.provenance.seconds / len(result.labels),
        "provenance": facts(result),
    }


def draw(page: Page) -> dict[str, Figure]:
    return {"sparsefool_lambda": sweep(page, "lam"), "sparsefool_radius": sweep(page, "radius")}


def sweep(page: Page, parameter: str) -> Figure:
    """Three panels: fooling rate, per cent of the pixels, steps or evaluations; a line a model."""
    points = [point for point in page["points"] if point["parameter"] == parameter]
    title, label, price = WORDS[parameter]
    figure = blank(12, 4.6)
    reading = f"{points[0]['images']} images a model. Shade: 25 to 75 %; where a line ends, most hold out."
    figure_headline(figure, title, reading)
    rate, sparse, cost = figure.subplots(1, 3)
    for index, model in enumerate(dict.fromkeys(point["model"] for point in points)):
        own = [point for point in points if point["model"] == model]
        x = [point["value"] for point in own]
        line = {**stroke(index), "markersize": 5, "label": model}
        rate.plot(x, [100 * point["fooling_rate"] for point in own], **line)
        shares = [[100 * value / point["all_pixels"] for value in point["pixels"]] for point in own]
        low, middle, high = zip(*[[v if math.isfinite(v) else math.nan for v in row] for row in shares], strict=True)
        sparse.plot(x, middle, **line)
        sparse.fill_between(x, low, high, color=line["color"], alpha=0.13, linewidth=0)
        cost.plot(x, [point["steps" if parameter == "lam" else "evaluations"] for point in own], **line)
    for ax in (rate, sparse, cost):
        tidy(ax)
        ax.set_xlabel(label)
        if parameter == "radius":
            ax.set_xscale("log")
            ax.set_xticks(SWEEPS["radius"], [f"{value:g}" for value in SWEEPS["radius"]])
            ax.minorticks_off()
    rate.set(ylabel="images fooled (%)", ylim=(0, 103))
    sparse.set(ylabel="median of changed pixels\n(% of the image)", yscale="log")
    sparse.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    cost.set_ylabel(price)
    cost.set_ylim(bottom=0)
    rate.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def compare(page: Page) -> list[Row]:
    """Pixels, steps and fooling rates at the ends of both sweeps; the steps of no fooled image are NaN."""
    rows = []
    for model in dict.fromkeys(point["model"] for point in page["points"]):
        lam = [point for point in page["points"] if (point["model"], point["parameter"]) == (model, "lam")]
        at = {p["value"]: p for p in page["points"] if (p["model"], p["parameter"]) == (model, "radius")}
        first, last = lam[0], lam[-1]
        name = f"{model}, lambda {first['value']:g} to {last['value']:g}"
        pixels, steps = (first["pixels"][1], last["pixels"][1]), (first["steps"], last["steps"])
        here = f"pixels {pixels[0]} to {pixels[1]}, steps {steps[0]:.1f} to {steps[1]:.1f}"
        rows.append(Row(name, here, PUBLISHED["lam"], pixels[1] > pixels[0] and steps[1] < steps[0]))
        here = ", ".join(f"{at[r]['pixels'][1]} pixels ({at[r]['fooling_rate']:.0%} fooled)" for r in (10, 25, 255))
        rows.append(Row(f"{model}, radius 10, 25, 255", here, PUBLISHED["radius"]))
    return rows


EXPERIMENT = Experiment("sparsefool_sweeps", __doc__, SCALES, measure, draw, compare, {"--data-dir": DATA_DIR_OR_ENV})

if __name__ == "__main__":
    run(EXPERIMENT)
