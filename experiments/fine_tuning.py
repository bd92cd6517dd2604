"""Claim: moving 100 training samples across the boundary changes the boundary around them, and little elsewhere.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.4.2, Fig.
4.13. A ResNet-18 (90 % on CIFAR-10) is fine-tuned with 100 training samples P replaced by (x + delta_o(x), y), delta_o
its own DeepFool perturbation; the accuracy stays 90 %. Published, read off the figure: the distance to the new boundary
along the old perturbation grows a lot for P, while margins of 1,000 unmodified samples U change little.

Here also: the same training without a moved sample, to show what any further training does.

    python -m experiments.fine_tuning [--scale smoke|cpu|paper] [--data-dir DATA]

Two quiet cores: smoke 10 s, cpu (LeNet, Fashion-MNIST) 3 minutes, paper (ResNet-20, CIFAR-10) about 2 hours.
"""

import argparse
import copy
import math
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from experiments.harness import DATA_DIR, Experiment, Page, Row, run, stroke
from geomrob.analysis.geometry.directional_distance import distance_along
from geomrob.data import Samples
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import Options, accuracy, fit
from geomrob.training.fine_tune import fine_tune


@dataclass(frozen=True)
class Scale:
    """The network, its data, how many samples are moved (P) and how many are observed that are not (U)."""

    model: str
    data: str
    split: str
    moved: int
    unmoved: int
    options: Options


SCALES = {
    "smoke": Scale("fmnist-lenet", "fashion-mnist-1k", "test", 20, 50, Options(epochs=2, max_rate=0.02)),
    "cpu": Scale("fmnist-lenet", "fashion-mnist", "train", 100, 1_000, Options(epochs=6, max_rate=0.05)),
    "paper": Scale(
        "cifar10-resnet20", "cifar10", "train", 100, 1_000, Options(epochs=30, max_rate=0.05, crop=4, flip=True)
    ),
}
SEED = 0
FARTHEST = 20.0
# Of the medians of new distance over old margin.
PUBLISHED = {("P", "along tuned"): "grows a lot", ("U", "margin tuned"): "changes little"}
LINES = {
    "along tuned": "fine-tuned: along the old perturbation",
    "margin tuned": "fine-tuned: in the nearest direction (DeepFool)",
    "along control": "control, nothing moved: along the old perturbation",
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    options = scale.options
    train = geomrob.load_data(scale.data, split=scale.split, data_dir=flags.data_dir)
    test = geomrob.load_data(scale.data, split="test", data_dir=flags.data_dir)
    before = geomrob.load_model(scale.model)
    tuned = fine_tune(before, train, options, samples=scale.moved, seed=SEED)
    control = copy.deepcopy(before).requires_grad_(True)
    fit(control, train, options, seed=SEED)
    control.requires_grad_(False)
    rest = torch.ones(len(train), dtype=torch.bool)
    rest[tuned.positions] = False
    order = torch.randperm(int(rest.sum()), generator=torch.Generator().manual_seed(SEED + 1))[: scale.unmoved]
    sets = {"P": train.subset(tuned.positions), "U": train.subset(rest.nonzero().flatten()[order])}
    models = {"before": before, "tuned": tuned.model, "control": control}
    moved, labels = tuned.moved.perturbed, sets["P"].labels
    return {
        "model": scale.model,
        "data": scale.data,
        "options": {"epochs": options.epochs, "max_rate": options.max_rate, "batch": options.batch},
        "seed": SEED,
        "test_accuracy": {key: accuracy(model, test) for key, model in models.items()},
        "moved_as_labelled": {
            key: float((model(moved).argmax(1) == labels).double().mean()) for key, model in models.items()
        },
        "sets": {key: distances(models, samples) for key, samples in sets.items()},
    }


def distances(models: dict[str, nn.Module], samples: Samples) -> Page:
    """The margins of all models, and the distances along the perturbation of the first."""
    old = geomrob.deepfool(models["before"], samples.images)
    reached = old.success
    values: dict[str, Tensor] = {"margin before": old.distances(2)[reached]}
    images, ways = samples.images[reached], old.perturbation[reached]
    for key in ("tuned", "control"):
        values[f"margin {key}"] = geomrob.deepfool(models[key], images).distances(2)
        values[f"along {key}"] = distance_along(models[key], images, ways, farthest=FARTHEST)
    values["along before"] = distance_along(models["before"], images, ways, farthest=FARTHEST)
    lists = {key: [round(one, 5) if math.isfinite(one) else one for one in row.tolist()] for key, row in values.items()}
    return {"samples": len(samples), "attacked": int(reached.sum()), "distances": lists}


def ratios(measured: Page, name: str) -> list[float]:
    """How many times as far as before the boundary is from each sample, rising."""
    values = measured["distances"]
    return sorted(new / old for new, old in zip(values[name], values["margin before"], strict=True))


def draw(page: Page) -> Figure:
    """Two panels, for P and for U: the new distance of each sample over its old margin."""
    figure = blank(11, 5.6)
    score = page["test_accuracy"]
    figure_headline(
        figure,
        f"What does moving {page['sets']['P']['samples']} training samples just across the boundary do to it?",
        f"{page['model']}, fine-tuned on {page['data']}: test accuracy {score['before']:.1%} before, "
        f"{score['tuned']:.1%} after. Right of 1: the boundary moved away from the sample. Left: it came nearer.",
    )
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = {"P": "the {n} training samples that were moved (P)", "U": "{n} training samples left alone (U)"}
    for ax, (key, measured) in zip(axes, page["sets"].items(), strict=True):
        ax.axvline(1, color="black", lw=0.8)
        for index, (name, label) in enumerate(LINES.items()):
            values = ratios(measured, name)
            share = [(rank + 1) / len(values) for rank in range(len(values))]
            how = {**stroke(index), "marker": ""}
            ax.step(values, share, where="post", lw=2.2, label=label, **how)
        tidy(ax)
        ax.set(xscale="log", xlim=(0.3, 4), ylim=(0, 1), title=titles[key].format(n=measured["attacked"]))
        ax.set_xlabel("new distance to the decision boundary / margin before\n(1 = unchanged)")
        ax.set_xticks([0.3, 0.5, 1, 2, 4])
        ax.minorticks_off()
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0].set_ylabel("share of the samples with a ratio below that")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracies, and medians of the new distance over the old margin."""
    rows = [Row(f"test accuracy, {key}", value) for key, value in page["test_accuracy"].items()]
    shares = ", ".join(f"{key} {value:.0%}" for key, value in page["moved_as_labelled"].items())
    rows.append(Row("moved samples classified as labelled", shares))
    for key, measured in page["sets"].items():
        for name in measured["distances"]:
            if name != "margin before":
                values = ratios(measured, name)
                here = f"x {values[len(values) // 2]:.2f}"
                rows.append(Row(f"{key}: median of {name}", here, PUBLISHED.get((key, name), "")))
    return rows


EXPERIMENT = Experiment("fine_tuning", __doc__, SCALES, measure, draw, compare, {"--data-dir": DATA_DIR})

if __name__ == "__main__":
    run(EXPERIMENT)
