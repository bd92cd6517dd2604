"""Claim: a push-pull stem makes image retrieval by binary codes more robust to corruptions, most of all to noise.

Reference: Bennabhaktula, Alegre, Strisciuglio, Azzopardi, "PushPull-Net", 2024, supplement 7.2, Tables 5 and 8: a
ResNet-18 with a 64-bit CSQ head on CIFAR-10, queries of CIFAR-10-C, database of training images, error 1 - mAP@200.
Published: clean 0.071 with either stem, mCE 0.264 -> 0.258 with the 3 x 3 average, mrCE 0.981; better against Gaussian
and shot noise, pixelate and JPEG, worse against impulse noise, fog and contrast. Here: the ResNet-8 of the zoo on
Fashion-MNIST.

    python -m experiments.retrieval --data-dir DATA [--scale smoke|cpu|paper]

Both networks of a seed are trained alike, by the recipe of their row without held-out images. mAP is the mean over all
orders of tied codes. One core: smoke 10 seconds, cpu (three seeds, 10,000 training images, 6 epochs, 300 queries) 3
minutes, paper (ResNet-18, CIFAR-10, three seeds; reads CIFAR-10-C where it is) hours of a GPU. Without --data-dir,
smoke trains on the embedded test images.
"""

import argparse
import dataclasses
import time
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from geomrob.analysis.corruptions.retrieval import Retrieval
from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS
from geomrob.data import Samples
from geomrob.data.corruptions.precomputed import find_corrupted, load_corrupted
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, style_of, tidy
from geomrob.results import CorruptionTable
from geomrob.results.accuracy.corruptions import mean_and_error
from geomrob.training import fit, read_recipe
from geomrob.training.losses.csq import HashingObjective, hash_head

BITS = 64
CLOTHES = ("fmnist-standard", "fmnist-pushpull-avg3")
PHOTOS = ("cifar10-resnet18-pushpull-baseline", "cifar10-resnet18-pushpull-avg3")


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is trained and queried: 0 images are all, 0 epochs those of the recipe."""

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
FLAGS = {"--data-dir": DATA_DIR, "--device": {"default": "cpu"}}

# Mean over the seeds and its standard error, None with one seed.
Summary = list[float | None]


def trained(name: str, scale: Scale, samples: Samples, seed: int, device: str) -> nn.Module:
    """A hashing network of that row."""
    options = read_recipe(name).options
    options = dataclasses.replace(options, held_out=0, epochs=scale.epochs or options.epochs)
    model = hash_head(build(name, seed=seed), BITS, seed=seed).to(device)
    fitted = fit(model, samples, options, seed=seed, objective=HashingObjective(len(samples.classes), BITS))
    return fitted.model.requires_grad_(False)


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    device, embedded = flags.device, flags.data_dir is None
    if embedded and flags.scale != SMOKE:
        raise SystemExit(f"name the folder of {scale.data} by --data-dir")
    data = "fashion-mnist-1k" if embedded else scale.data
    folder = {"data_dir": flags.data_dir}
    train = geomrob.load_data(data, split="test" if embedded else "train", samples=scale.train or None, **folder)
    queries = geomrob.load_data(data, split="test", samples=scale.queries, **folder)
    start = time.perf_counter()
    networks = {
        model: [trained(model, scale, train, seed, device) for seed in range(scale.seeds)] for model in scale.models
    }
    seconds = time.perf_counter() - start
    measured = Retrieval(train.images.to(device), train.labels.to(device))
    ready = partial(load_corrupted, data, samples=scale.queries, **folder)
    table = geomrob.corruption_errors(
        networks,
        queries.images.to(device),
        queries.labels,
        severities=scale.severities,
        ready_made=ready if find_corrupted(data, **folder) else None,
        measure=measured,
        measured=measured.name,
        data=queries.name,
        indices=queries.indices,
        progress=lambda done, total: print(f"\r{done} of {total} cells", end="", flush=True),
    )
    print()
    return {
        "data": table.data,
        "source": table.source,
        "measure": table.measure,
        "bits": BITS,
        "queries": table.images,
        "database": scale.train,
        "severities": table.severities,
        "seeds": scale.seeds,
        "epochs": scale.epochs,
        "training_seconds": round(seconds, 1),
        "models": summaries(table),
    }


def summaries(table: CorruptionTable) -> Page:
    """Every number that the picture and the comparison need; the first model is the baseline."""

    def summary(values: Tensor) -> Summary:
        mean, error = mean_and_error(values)
        return [round(float(mean), 5), None if error.isnan() else round(float(error), 5)]

    scores = geomrob.corruption_scores(table, baseline=table.models[0])
    ratios = table.corruption_errors / table.corruption_errors[0].mean(0)
    rows: Page = {}
    for m, model in enumerate(table.models):
        rows[model] = {score: summary(values[m]) for score, values in scores.items()}
        rows[model]["CE"] = {one: summary(table.corruption_errors[m, :, c]) for c, one in enumerate(table.corruptions)}
        rows[model]["ratio"] = {one: summary(ratios[m, :, c]) for c, one in enumerate(table.corruptions)}
    return rows


def draw(page: Page) -> Figure:
    """Two panels: errors of both stems by corruption, and their ratio next to the published one."""
    base, other = page["models"].values()
    figure = blank(10, 7.2)
    source = "made by geomrob" if page["source"] == "made" else "of the distributed set"
    spread = f"; bars are standard errors over {page['seeds']} seeds" if page["seeds"] > 1 else ""
    figure_headline(
        figure,
        "Does a push-pull stem retrieve corrupted images better?",
        f"{page['measure']} of {page['bits']}-bit codes: {page['queries']:,} queries of {page['data']}, "
        f"corruptions {source}, means over severities {', '.join(map(str, page['severities']))}{spread}. "
        "Published: PushPull-Net, Table 5, ResNet-18 on CIFAR-10, read next to ours and not expected to be equal.",
    )
    top, bottom = figure.subplots(2, 1, sharex=True)
    for index, (row, label) in enumerate(((base, "standard stem"), (other, "push-pull stem, 3 x 3 average"))):
        values = [row["clean"], *(row["CE"][name] for name in PUBLISHED), row["mCE"]]
        points(top, [[None if one is None else 100 * one for one in pair] for pair in values], index, label)
    top.set_ylabel(f"error, {page['measure']} (%)\nlower is better")
    top.set_ylim(0, None)
    ours = [clean_ratio(base, other), *(other["ratio"][name] for name in PUBLISHED), other["mrCE"]]
    published = PUBLISHED_MEANS["clean"][1] / PUBLISHED_MEANS["clean"][0]
    theirs = [[value, None] for value in (published, *PUBLISHED.values(), PUBLISHED_MEANS["mrCE"])]
    bottom.axhline(1, color="black", lw=0.9)
    points(bottom, ours, 1, f"here ({page['data']}, ResNet-8)")
    points(bottom, theirs, 2, "published (CIFAR-10, ResNet-18)")
    bottom.set_ylabel("push-pull error / standard error\nbelow 1: push-pull is better")
    words = ["clean", *(name.replace("_", " ") for name in PUBLISHED), "mean (mCE, mrCE)"]
    bottom.set_xticks(range(len(words)), words, rotation=35, ha="right", rotation_mode="anchor", fontsize=8.5)
    for ax in (top, bottom):
        for at in (0.5, len(words) - 1.5):
            ax.axvline(at, color="#999999", lw=0.8, ls=":")
        ax.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return figure


def points(ax: Axes, values: list[Summary], index: int, label: str) -> None:
    """Draw one column of dots with their standard errors, a little next to the other series."""
    style = style_of(index)
    x = [at + 0.12 * (index % 2 * 2 - 1) for at in range(len(values))]
    errors = None if any(pair[1] is None for pair in values) else [pair[1] for pair in values]
    ax.errorbar(x, [pair[0] for pair in values], errors, fmt=style.marker, color=style.colour, label=label, capsize=2)
    tidy(ax)
    ax.margins(y=0.1)


def clean_ratio(base: Page, other: Page) -> Summary:
    """The clean error of the push-pull stem over that of the standard stem."""
    mean, error = other["clean"]
    return [mean / base["clean"][0], None if error is None else error / base["clean"][0]]


def text(pair: Summary) -> str:
    return f"{pair[0]:.3f}" if pair[1] is None else f"{pair[0]:.3f} ± {pair[1]:.3f}"


def compare(page: Page) -> list[Row]:
    """Errors of both stems, then the ratios of each group of corruptions and of each one."""
    base, other = page["models"].values()
    print(f"{page['measure']}, {page['seeds']} seeds; published: PushPull-Net, Tables 5 and 8")
    rows = []
    for score in ("clean", "mCE"):
        for stem, row, published in zip(("standard", "push-pull"), (base, other), PUBLISHED_MEANS[score], strict=True):
            rows.append(Row(f"{score}, {stem} stem", text(row[score]), f"{published:.3f}"))
    means = {"mrCE": ("mrCE", PUBLISHED_MEANS["mrCE"])}
    for group, names in SPLITS["push_pull"].items():
        published = sum(PUBLISHED[name] for name in names) / len(names)
        means[f"mrCE, {group} frequencies"] = (f"mrCE push_pull:{group}", published)
    ratios = {name: (other[score], published) for name, (score, published) in means.items()}
    ratios |= {name: (other["ratio"][name], published) for name, published in PUBLISHED.items()}
    for name, (pair, published) in ratios.items():
        same = (pair[0] - 1) * (published - 1) > 0
        rows.append(Row(name, text(pair), f"{published:.3f}", "same side of 1" if same else False))
    return rows


EXPERIMENT = Experiment("retrieval", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
