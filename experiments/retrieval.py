"""Claim: a push-pull stem makes image retrieval by binary codes more robust to corruptions, most of all to noise.

Reference: Bennabhaktula, Alegre, Strisciuglio, Azzopardi, "PushPull-Net", 2024, supplement 7.2, Tables 5 and 8: a
ResNet-18 with a 64-bit CSQ head on CIFAR-10, queries of CIFAR-10-C, database of training images, error 1 - mAP@200.
Published: clean 0.071 with either stem, mCE 0.264 -> 0.258 with the 3 x 3 average, mrCE 0.981; better against Gaussian
and shot noise, pixelate and JPEG, worse against impulse noise, fog and contrast. Here: the ResNet-8 of the zoo on
Fashion-MNIST.

    python experiments/retrieval.py --data-dir DATA [--scale smoke|cpu|paper] [--draw-only]

Both networks of a seed are trained alike, by the recipe of their row without held-out images. mAP is the mean over all
orders of tied codes. Writes figures/retrieval.json, then figures/retrieval.png from the JSON alone. One core: smoke 10
seconds, cpu (three seeds, 10,000 training images, 6 epochs, 300 queries) 3 minutes, paper (ResNet-18, CIFAR-10, three
seeds; reads CIFAR-10-C where it is) hours of a GPU. Without --data-dir, smoke trains on the embedded test images and
its numbers mean nothing.
"""

import argparse
import dataclasses
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from geomrob.analysis.corruptions.retrieval import Retrieval
from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS, mean_and_error
from geomrob.data import Samples
from geomrob.data.corruptions.precomputed import find_corrupted, load_corrupted
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, look, tidy
from geomrob.results import CorruptionTable
from geomrob.runs import versions
from geomrob.training import fit, read_recipe
from geomrob.training.losses.csq import HashingObjective, hash_head

FIGURES = Path("figures")
NAME = "retrieval"
BITS = 64
CLOTHES = ("fmnist-standard", "fmnist-pushpull-avg3")
PHOTOS = ("cifar10-resnet18-pushpull-baseline", "cifar10-resnet18-pushpull-avg3")


@dataclasses.dataclass(frozen=True)
class Scale:
    """What is trained and asked: 0 images are all, 0 epochs those of the recipe."""

    models: tuple[str, str]
    data: str
    seeds: int
    train: int
    epochs: int
    queries: int
    severities: tuple[int, ...]


SCALES = {
    "smoke": Scale(CLOTHES, "fashion-mnist", 1, 400, 1, 30, (3,)),
    "cpu": Scale(CLOTHES, "fashion-mnist", 3, 10_000, 6, 300, (1, 2, 3, 4, 5)),
    "paper": Scale(PHOTOS, "cifar10", 3, 0, 0, 10_000, (1, 2, 3, 4, 5)),
}
# Table 5, ResNet-18 with the 3 x 3 average: CE over that of the standard stem, in the order of the columns.
PUBLISHED = dict(
    zip(
        BENCHMARK,
        (0.93, 0.92, 1.06, 0.96, 1.01, 0.96, 0.91, 0.98, 0.97, 1.10, 1.03, 1.10, 0.97, 0.89, 0.91),
        strict=True,
    )
)
# Tables 5 and 8: clean error and mCE of the standard stem and the other, and mrCE.
PUBLISHED_MEANS = {"clean": (0.071, 0.071), "mCE": (0.264, 0.258), "mrCE": 0.981}


def trained(name: str, scale: Scale, samples: Samples, seed: int, device: str) -> nn.Module:
    """Return a hashing network of that row."""
    options = read_recipe(name).options
    options = dataclasses.replace(options, held_out=0, epochs=scale.epochs or options.epochs)
    model = hash_head(build(name, seed=seed), BITS, seed=seed).to(device)
    fitted = fit(model, samples, options, seed=seed, objective=HashingObjective(len(samples.classes), BITS))
    return fitted.model.requires_grad_(False)


def measure(data_dir: Path | None, name: str, device: str) -> tuple[CorruptionTable, float]:
    """Return the errors of all networks on the queries, and the seconds of training."""
    scale = SCALES[name]
    embedded = data_dir is None
    if embedded and name != "smoke":
        raise SystemExit(f"name the folder of {scale.data} by --data-dir")
    data = "fashion-mnist-1k" if embedded else scale.data
    where = {"data_dir": data_dir}
    train = geomrob.load_data(data, split="test" if embedded else "train", samples=scale.train or None, **where)
    queries = geomrob.load_data(data, split="test", samples=scale.queries, **where)
    start = time.perf_counter()
    networks = {
        model: [trained(model, scale, train, seed, device) for seed in range(scale.seeds)] for model in scale.models
    }
    seconds = time.perf_counter() - start
    measured = Retrieval(train.images.to(device), train.labels.to(device))
    ready = partial(load_corrupted, data, samples=scale.queries, **where)
    found = geomrob.corruption_errors(
        networks,
        queries.images.to(device),
        queries.labels,
        severities=scale.severities,
        ready_made=ready if find_corrupted(data, **where) else None,
        measure=measured,
        measured=measured.name,
        data=queries.name,
        indices=queries.indices,
        progress=lambda done, total: print(f"\r{done} of {total} cells", end="", flush=True),
    )
    print()
    return found, seconds


def summary(values: Tensor) -> list[float | None]:
    """Return mean and standard error over the networks (G,), None for that of one network."""
    mean, error = mean_and_error(values)
    return [round(float(mean), 5), None if error.isnan() else round(float(error), 5)]


def write(found: CorruptionTable, seconds: float, name: str, path: Path) -> None:
    """Write every number that the picture and the comparison need."""
    scale = SCALES[name]
    base = scale.models[0]
    scores = geomrob.corruption_scores(found, baseline=base)
    ratios = found.corruption_errors / found.corruption_errors[0].mean(0)
    told: dict[str, Any] = {}
    for m, model in enumerate(found.models):
        row: dict[str, Any] = {score: summary(values[m]) for score, values in scores.items()}
        row["CE"] = {one: summary(found.corruption_errors[m, :, c]) for c, one in enumerate(found.corruptions)}
        row["ratio"] = {one: summary(ratios[m, :, c]) for c, one in enumerate(found.corruptions)}
        told[model] = row
    page = {
        "command": f"python experiments/retrieval.py --scale {name}",
        "scale": name,
        "data": found.data,
        "source": found.source,
        "measure": found.measure,
        "bits": BITS,
        "queries": found.images,
        "database": scale.train,
        "severities": found.severities,
        "seeds": scale.seeds,
        "epochs": scale.epochs,
        "baseline": base,
        "models": told,
        "provenance": {
            "created": found.provenance.created,
            "training_seconds": round(seconds, 1),
            "measuring_seconds": round(found.provenance.seconds, 1),
            "device": found.provenance.device,
            "versions": versions(),
        },
    }
    path.write_text(json.dumps(page, indent=1) + "\n")


def draw(path: Path) -> Figure:
    """Two panels from the JSON: errors of both stems by corruption, and their ratio beside the published one."""
    facts = json.loads(path.read_text())
    base, other = facts["models"]
    names = list(PUBLISHED)
    figure = blank(10, 7.2)
    source = "made by geomrob" if facts["source"] == "made" else "of the distributed set"
    spread = f"; bars are standard errors over {facts['seeds']} seeds" if facts["seeds"] > 1 else ""
    figure_headline(
        figure,
        "Does a push-pull stem retrieve corrupted images better?",
        f"{facts['measure']} of {facts['bits']}-bit codes: {facts['queries']:,} queries of {facts['data']}, "
        f"corruptions {source}, means over severities {', '.join(map(str, facts['severities']))}{spread}. "
        "Published: PushPull-Net, Table 5, ResNet-18 on CIFAR-10, read beside ours and not expected to be equal.",
    )
    top, bottom = figure.subplots(2, 1, sharex=True)
    columns = ["clean", *names, "mean (mCE, mrCE)"]
    for place, (model, label) in enumerate(((base, "standard stem"), (other, "push-pull stem, 3 x 3 average"))):
        row = facts["models"][model]
        values = [row["clean"], *(row["CE"][name] for name in names), row["mCE"]]
        points(top, [[100 * one if one is not None else None for one in pair] for pair in values], place, label, 0.12)
    top.set_ylabel(f"error, {facts['measure']} (%)\nlower is better")
    top.set_ylim(0, None)
    row = facts["models"][other]
    ours = [reduced(facts), *(row["ratio"][name] for name in names), row["mrCE"]]
    published = PUBLISHED_MEANS["clean"][1] / PUBLISHED_MEANS["clean"][0]
    theirs = [[published, None], *([PUBLISHED[name], None] for name in names), [PUBLISHED_MEANS["mrCE"], None]]
    bottom.axhline(1, color="black", lw=0.9)
    points(bottom, ours, 1, f"here ({facts['data']}, ResNet-8)", 0.12)
    points(bottom, theirs, 2, "published (CIFAR-10, ResNet-18)", 0.12)
    bottom.set_ylabel("push-pull error / standard error\nbelow 1: push-pull is better")
    told = [name.replace("_", " ") for name in columns]
    bottom.set_xticks(range(len(columns)), told, rotation=35, ha="right", rotation_mode="anchor", fontsize=8.5)
    for ax in (top, bottom):
        for at in (0.5, len(columns) - 1.5):
            ax.axvline(at, color="#999999", lw=0.8, ls=":")
        ax.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return figure


def points(ax: Axes, values: list[list[float | None]], place: int, label: str, shift: float) -> None:
    """Draw one column of dots with their standard errors, a little beside the other series."""
    style = look(place)
    x = [at + shift * (place % 2 * 2 - 1) for at in range(len(values))]
    errors = None if any(pair[1] is None for pair in values) else [pair[1] for pair in values]
    ax.errorbar(x, [pair[0] for pair in values], errors, fmt=style.marker, color=style.colour, label=label, capsize=2)
    tidy(ax)
    ax.margins(y=0.1)


def reduced(facts: dict[str, Any]) -> list[float | None]:
    """Return the clean error of the push-pull stem over that of the standard stem."""
    base, other = (facts["models"][name]["clean"] for name in facts["models"])
    return [other[0] / base[0], None if other[1] is None else other[1] / base[0]]


def compare(path: Path) -> None:
    """Print the claim beside what was measured."""
    facts = json.loads(path.read_text())
    base, other = facts["models"].values()

    def told(pair: list[float | None]) -> str:
        return f"{pair[0]:.3f}" if pair[1] is None else f"{pair[0]:.3f} ± {pair[1]:.3f}"

    print(f"{facts['measure']}, {facts['scale']}, {facts['seeds']} seeds; published: PushPull-Net, Tables 5 and 8")
    for score in ("clean", "mCE"):
        one, two = PUBLISHED_MEANS[score]
        print(f"{score:6} standard {told(base[score])} ({one:.3f}), push-pull {told(other[score])} ({two:.3f})")
    print(f"mrCE   push-pull {told(other['mrCE'])} ({PUBLISHED_MEANS['mrCE']:.3f})")
    for group, names in SPLITS["push_pull"].items():
        published = sum(PUBLISHED[name] for name in names) / len(names)
        print(f"mrCE, {group} frequencies: {told(other[f'mrCE push_pull:{group}'])} ({published:.3f})")
    ratios = {name: other["ratio"][name][0] for name in PUBLISHED}
    same = [name for name, value in ratios.items() if (value - 1) * (PUBLISHED[name] - 1) > 0]
    print(f"on the same side of 1 as published: {len(same)} of {len(ratios)} corruptions")
    print("better here:", ", ".join(name for name in ratios if ratios[name] < 1))
    print("worse here:", ", ".join(name for name in ratios if ratios[name] >= 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        found, seconds = measure(given.data_dir, given.scale, given.device)
        write(found, seconds, given.scale, path)
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
