"""Claim: moving 100 training samples across the boundary changes the boundary around them, and little elsewhere.

Reference: Modas, "A geometric perspective on adversarial robustness" (thesis, 2022), section 4.4.2, Fig. 4.13. A
ResNet-18 (90 % on CIFAR-10) is fine-tuned with 100 training samples P replaced by (x + delta_o(x), y), delta_o its own
DeepFool perturbation; the accuracy stays 90 %. Published, read off the figure: the distance to the new boundary along
the old perturbation grows a lot for P, while margins of 1,000 unmodified samples U change little.

Here also: the same training without a moved sample, to tell what any further training does.

    python experiments/fine_tuning.py [--scale smoke|cpu|paper] [--data-dir FOLDER]

Writes figures/fine_tuning.json, then figures/fine_tuning.png from the JSON alone.
Two quiet cores: smoke 10 s, cpu (LeNet, Fashion-MNIST) 3 minutes, paper (ResNet-20, CIFAR-10) about 2 hours.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from geomrob.analysis.geometry.directional_distance import distance_along
from geomrob.data import Samples
from geomrob.runs import Clock, device_name, versions
from geomrob.training import Options, accuracy, fit
from geomrob.training.fine_tune import fine_tune

SCALES = {
    "smoke": ("fmnist-lenet", "fashion-mnist-1k", "test", 20, 50, Options(epochs=2, max_rate=0.02)),
    "cpu": ("fmnist-lenet", "fashion-mnist", "train", 100, 1_000, Options(epochs=6, max_rate=0.05)),
    "paper": ("cifar10-resnet20", "cifar10", "train", 100, 1_000, Options(epochs=30, max_rate=0.05, crop=4, flip=True)),
}
SEED = 0
FARTHEST = 20.0
FIGURES = Path("figures")
NAME = "fine_tuning"


def measure(scale: str, data_dir: Path | None) -> dict[str, object]:
    name, data, split, moved, unmoved, options = SCALES[scale]
    clock = Clock(seed=SEED, device="cpu")
    train = geomrob.load_data(data, split=split, data_dir=data_dir)
    test = geomrob.load_data(data, split="test", data_dir=data_dir)
    before = geomrob.load_model(name)
    tuned = fine_tune(before, train, options, samples=moved, seed=SEED)
    control = copy.deepcopy(before).requires_grad_(True)
    fit(control, train, options, seed=SEED)
    control.requires_grad_(False)
    rest = torch.ones(len(train), dtype=torch.bool)
    rest[tuned.positions] = False
    order = torch.randperm(int(rest.sum()), generator=torch.Generator().manual_seed(SEED + 1))[:unmoved]
    sets = {"P": train.subset(tuned.positions), "U": train.subset(rest.nonzero().flatten()[order])}
    models = {"before": before, "tuned": tuned.model, "control": control}
    shown, labels = tuned.moved.perturbed, sets["P"].labels
    return {
        "model": name,
        "data": data,
        "scale": scale,
        "options": {"epochs": options.epochs, "max_rate": options.max_rate, "batch": options.batch},
        "seed": SEED,
        "test_accuracy": {key: accuracy(model, test) for key, model in models.items()},
        "moved_as_labelled": {
            key: float((model(shown).argmax(1) == labels).double().mean()) for key, model in models.items()
        },
        "sets": {key: distances(models, samples) for key, samples in sets.items()},
        "provenance": {
            "created": clock.created,
            "seconds": round(time.perf_counter() - clock.start, 1),
            "device": device_name("cpu"),
            "versions": versions(),
        },
    }


def distances(models: dict[str, nn.Module], samples: Samples) -> dict[str, object]:
    """The margins of all models, and the distances along the perturbation of the first."""
    old = geomrob.deepfool(models["before"], samples.images)
    reached = old.success
    found: dict[str, Tensor] = {"margin before": old.distances(2)[reached]}
    images, ways = samples.images[reached], old.perturbation[reached]
    for key in ("tuned", "control"):
        found[f"margin {key}"] = geomrob.deepfool(models[key], images).distances(2)
        found[f"along {key}"] = distance_along(models[key], images, ways, farthest=FARTHEST)
    found["along before"] = distance_along(models["before"], images, ways, farthest=FARTHEST)
    lists = {key: [round(value, 5) if math.isfinite(value) else None for value in found[key].tolist()] for key in found}
    return {"samples": len(samples), "attacked": int(reached.sum()), "distances": lists}


def ratios(measured: dict[str, dict[str, list[float | None]]], name: str) -> list[float]:
    """How many times as far as before the boundary is from each sample, rising."""
    pairs = zip(measured["distances"][name], measured["distances"]["margin before"], strict=True)
    return sorted(math.inf if new is None else new / old for new, old in pairs)


def draw(path: Path) -> Figure:
    """Two panels from the JSON, for P and for U: the new distance of each sample over its old margin."""
    facts = json.loads(path.read_text())
    figure = Figure(figsize=(11, 5.6), dpi=150)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    lines = (
        ("along tuned", "#D55E00", "-", "fine-tuned: along the old perturbation"),
        ("margin tuned", "#0072B2", "--", "fine-tuned: in the nearest direction (DeepFool)"),
        ("along control", "#888888", ":", "control, nothing moved: along the old perturbation"),
    )
    titles = {"P": "the {n} training samples that were moved (P)", "U": "{n} training samples left alone (U)"}
    for ax, (key, measured) in zip(axes, facts["sets"].items(), strict=True):
        ax.axvline(1, color="black", lw=0.8)
        for name, colour, stroke, label in lines:
            values = ratios(measured, name)
            share = [(index + 1) / len(values) for index in range(len(values))]
            ax.step(values, share, where="post", color=colour, ls=stroke, lw=2.2, label=label)
        ax.set(xscale="log", xlim=(0.3, 4), ylim=(0, 1), title=titles[key].format(n=measured["attacked"]))
        ax.set_xlabel("new distance to the decision boundary / margin before\n(1 = unchanged)")
        ax.set_xticks([0.3, 0.5, 1, 2, 4])
        ax.minorticks_off()
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.grid(color="#dddddd", lw=0.7)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of the samples with a ratio below that")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=9, frameon=False)
    score = facts["test_accuracy"]
    figure.suptitle(
        f"{facts['model']}, fine-tuned on {facts['data']} with {facts['sets']['P']['samples']} samples moved just "
        f"across its own boundary: test accuracy {score['before']:.1%} before, {score['tuned']:.1%} after.\n"
        "Curves right of 1: the boundary moved away from the sample. Left of 1: it came nearer.",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return figure


def middle(values: list[float]) -> float:
    return values[len(values) // 2]


def compare(path: Path) -> None:
    """Print the claim beside what was measured."""
    facts = json.loads(path.read_text())
    print("published: the distance along the old perturbation grows a lot for P, margins of U change little")
    print("test accuracy", {key: round(value, 4) for key, value in facts["test_accuracy"].items()})
    print("moved samples classified as labelled", facts["moved_as_labelled"])
    for key, measured in facts["sets"].items():
        names = [name for name in measured["distances"] if name != "margin before"]
        told = ", ".join(f"{name} {middle(ratios(measured, name)):.2f}" for name in names)
        print(f"{key}: median of the distance over the margin before: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        path.write_text(json.dumps(measure(given.scale, given.data_dir), indent=1) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
