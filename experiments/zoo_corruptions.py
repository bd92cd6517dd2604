"""Claim: low-pass images, AugMix and PRIME help a network against common corruptions; adapted statistics add to it.

References and published numbers (thesis, chapter 5; CIFAR-10 and ImageNet-100 with a ResNet-18; here: small nets on
Fashion-MNIST):
- Table 5.1 (CIFAR-10): accuracy under corruptions 72.5 % standard, 79.8 low-pass, 82.8 AugMix without its consistency
  loss; low-pass helps under all blurs (glass 51.0 -> 85.3), harms under fog (88.0 -> 81.2) and contrast (76.1 -> 68.8).
- Table 5.2 (CIFAR-10): 74.0 standard, 88.6 AugMix, 89.8 PRIME. Table 5.3 (ImageNet-100): AugMix 55.2 without JSD, 60.7
  with it; PRIME 68.8 and 71.6.
- Table 5.4 (ImageNet-100): standard 49.7, single 53.8, partial 62.0, full 63.9; PRIME 71.6, 73.5, 75.3, 76.6.

    python -m experiments.train_zoo --data-dir DATA --out trained/zoo
    python -m experiments.zoo_corruptions --data-dir DATA --trained trained/zoo [--scale smoke|cpu|paper]
                                          [--only NAME ...]

--only measures these models and keeps the lines of the others. Without --trained the embedded weights are measured (one
seed each). Ends with the tables of docs/corruption-scores.md. One core: smoke a minute, cpu about 20 minutes, paper two
hours.
"""

import argparse
import statistics
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, TRAINED, Experiment, Page, Row, read, run, stroke
from experiments.zoo import cell, markdown, mean_and_error, members, ordering, short, trainings
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS
from geomrob.data.corruptions import corrupt
from geomrob.data.corruptions.precomputed import Corrupted
from geomrob.models.layers.preprocess import Preprocess
from geomrob.plot.style import blank, figure_headline, tidy

FILTER = "lowpass:14"
FILTERED = "fmnist-low-pass, filtered"
# Standard, then what is compared with it.
FAMILIES = {
    "fmnist-standard": (
        "fmnist-low-pass",
        FILTERED,
        "fmnist-flipped",
        "fmnist-augmix-no-jsd",
        "fmnist-augmix",
        "fmnist-prime-no-jsd",
        "fmnist-prime",
        "fmnist-prime-no-jsd-released",
        "fmnist-prime-released",
        "fmnist-pushpull-avg3",
        "fmnist-similarity",
    ),
    "fmnist-vgg": ("fmnist-hah",),
}
ADAPTED = ("fmnist-standard", "fmnist-low-pass", "fmnist-augmix", "fmnist-prime", "fmnist-prime-released")
HOWS = ("none", "single", "partial", "full")
WORDS = ("none", "single: n = 1, N = 16", "partial: n = 8, N = 16", "full: n = 400, N = 0")
# Images of the test set.
SCALES = {"smoke": 20, "cpu": 1000, "paper": 10000}
# What the thesis reports (left: the better).
PUBLISHED = (
    ("mean", "fmnist-low-pass", "fmnist-standard", "Table 5.1"),
    ("blur", "fmnist-low-pass", "fmnist-standard", "Table 5.1"),
    ("glass_blur", "fmnist-low-pass", "fmnist-augmix-no-jsd", "Table 5.1"),
    ("fog", "fmnist-standard", "fmnist-low-pass", "Table 5.1"),
    ("contrast", "fmnist-standard", "fmnist-low-pass", "Table 5.1"),
    ("mean", "fmnist-augmix-no-jsd", "fmnist-standard", "Table 5.1"),
    ("mean", "fmnist-augmix", "fmnist-standard", "Table 5.2"),
    ("mean", "fmnist-prime", "fmnist-augmix", "Table 5.2"),
    ("mean", "fmnist-prime-released", "fmnist-augmix", "Table 5.2"),
    ("mean", "fmnist-augmix", "fmnist-augmix-no-jsd", "Table 5.3"),
    ("mean", "fmnist-prime", "fmnist-prime-no-jsd", "Table 5.3"),
    ("mean", "fmnist-prime-released", "fmnist-prime-no-jsd-released", "Table 5.3"),
    ("noise", "fmnist-prime-no-jsd", "fmnist-augmix-no-jsd", "Table 5.3"),
    ("mean", "fmnist-pushpull-avg3", "fmnist-standard", "PushPull Table 1"),
)
FLAGS: dict[str, dict[str, Any]] = {
    "--data-dir": DATA_DIR,
    "--trained": TRAINED,
    "--only": {"nargs": "+", "choices": members(FAMILIES), "default": members(FAMILIES), "metavar": "NAME"},
}


def networks(name: str, flags: argparse.Namespace) -> list[nn.Module]:
    """The networks of one line of the table: its trainings, or the embedded one."""
    if name != FILTERED:
        return list(trainings(name, flags.trained).values())
    plain = trainings("fmnist-low-pass", flags.trained).values()
    return [nn.Sequential(Preprocess(FILTER), model).eval() for model in plain]


def kept(images: int, flags: argparse.Namespace) -> list[Page]:
    """The lines of the models that are not measured again."""
    if set(flags.only) == set(members(FAMILIES)):
        return []
    page = read(flags.path) if flags.path.is_file() else {"rows": [], "images": images}
    if page["images"] != images:
        raise SystemExit(f"--only must go with the scale of {flags.path}, {page['images']} images; got {flags.scale}")
    measured = {*flags.only, *(row["model"] for row in page["rows"])}
    missing = {first for first, others in FAMILIES.items() if {first, *others} & measured} - measured
    if missing:
        raise SystemExit(f"--only must leave no model without its standard; add {', '.join(sorted(missing))}")
    return [row for row in page["rows"] if row["model"] not in flags.only]


def measure(images: int, flags: argparse.Namespace) -> Page:
    others = kept(images, flags)
    full = flags.data_dir is not None and flags.scale != SMOKE
    test = geomrob.load_data("fashion-mnist" if full else "fashion-mnist-1k", data_dir=flags.data_dir)
    test = test.subset(torch.arange(images))
    listed = {name: networks(name, flags) for name in flags.only}
    rows: list[Page] = []

    @cache
    def made(name: str, severity: int) -> Corrupted:
        corrupted = corrupt(test.images, name, severity, indices=test.indices)
        return Corrupted(replace(test, images=corrupted), name, severity, "made")

    for how in HOWS:
        chosen = {name: nets for name, nets in listed.items() if nets and (how == "none" or name in ADAPTED)}
        for count in sorted({len(nets) for nets in chosen.values()}):
            table = corruption_errors(
                {name: nets for name, nets in chosen.items() if len(nets) == count},
                test.images,
                test.labels,
                adapt=how,
                ready_made=made,
                indices=test.indices,
                progress=partial(print, how, flush=True),
            )
            errors = zip(table.models, table.clean.tolist(), table.corruption_errors.tolist(), strict=True)
            rows += [{"model": name, "adapt": how, "clean": clean, "errors": each} for name, clean, each in errors]
    return {"images": len(test), "corruptions": BENCHMARK, "rows": rows + others}


def accuracies(page: Page, name: str, column: str, how: str = "none") -> list[float]:
    """One number a training in per cent: of a corruption, of a category, the mean or clean."""
    for row in page["rows"]:
        if (row["model"], row["adapt"]) == (name, how):
            if column == "clean":
                return [100 - 100 * error for error in row["clean"]]
            members = SPLITS["category"].get(column, BENCHMARK if column == "mean" else (column,))
            indices = [page["corruptions"].index(member) for member in members]
            return [100 - 100 * statistics.fmean(errors[index] for index in indices) for errors in row["errors"]]
    return []


def mean(page: Page, name: str, column: str) -> float:
    return mean_and_error(accuracies(page, name, column))[0]


def shown(page: Page) -> list[str]:
    measured = {row["model"] for row in page["rows"]}
    return [name for name in members(FAMILIES) if name in measured]


def tables(page: Page) -> str:
    """The tables of the docs: by category (as Table 5.3), by corruption (as Table 5.1), and adapted (as Table 5.4)."""
    columns, names = ("clean", "mean", *SPLITS["category"]), shown(page)
    category = [["accuracy (%)", "seeds", *columns]]
    for name in names:
        seeds = str(len(accuracies(page, name, "clean")))
        category.append([short(name), seeds, *(cell(accuracies(page, name, column)) for column in columns)])
    corruption = [["mean accuracy (%)", *map(short, names)]]
    corruption += [
        [column.replace("_", " "), *(f"{mean(page, name, column):.1f}" for name in names)]
        for column in page["corruptions"]
    ]
    adapted = [["accuracy under corruptions (%)", *HOWS, "clean, single"]]
    for name in ADAPTED:
        cells = [cell(accuracies(page, name, "mean", how)) for how in HOWS]
        adapted.append([short(name), *cells, cell(accuracies(page, name, "clean", "single"))])
    return "\n\n".join(map(markdown, (category, corruption, adapted)))


def draw(page: Page) -> Figure:
    """Above: accuracy less the standard's, by corruption. Below: accuracy by how the statistics are adapted."""
    figure = blank(12, 9)
    figure_headline(
        figure,
        "Which models of the zoo withstand common corruptions?",
        f"Above: accuracy (%, numbers) under each corruption, mean of five severities, on {page['images']:,} images of "
        "Fashion-MNIST. Colour: the difference from the standard (that of hah: vgg). Purple is better. Below: with "
        "batch-norm statistics fitted to the corrupted images (bars: standard error).",
    )
    upper, lower = figure.subplots(2, 1, height_ratios=(1.5, 1))
    draw_gains(upper, page)
    for index, name in enumerate(ADAPTED):
        values = [accuracies(page, name, "mean", how) for how in HOWS]
        if all(values):
            means, errors = zip(*map(mean_and_error, values), strict=True)
            lower.errorbar(range(len(HOWS)), means, yerr=errors, capsize=3, lw=1.4, label=short(name), **stroke(index))
    tidy(lower)
    lower.grid(visible=False, axis="x")
    lower.set_xticks(range(len(HOWS)), WORDS, fontsize=8.5)
    lower.set_ylabel("accuracy under corruptions (%)", fontsize=8.5)
    lower.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_gains(ax: Axes, page: Page) -> None:
    """Numbers: accuracies; colours: the difference from the standard of the family."""
    names, columns = shown(page), ("clean", "mean", *page["corruptions"])
    standard = {one: first for first, others in FAMILIES.items() for one in (first, *others)}
    values = torch.tensor([[mean(page, name, column) for column in columns] for name in names])
    gains = values - torch.tensor([[mean(page, standard[name], column) for column in columns] for name in names])
    image = ax.imshow(gains.numpy(), cmap="PuOr", vmin=-30, vmax=30, aspect="auto")
    for row, column in torch.cartesian_prod(torch.arange(len(names)), torch.arange(len(columns))).tolist():
        ink = "white" if abs(gains[row, column]) > 22 else "black"
        ax.text(column, row, f"{values[row, column]:.0f}", ha="center", va="center", fontsize=8, color=ink)
    ax.axvline(1.5, color="white", lw=3)
    ax.set_yticks(range(len(names)), [short(name) for name in names], fontsize=8.5)
    words = [column.replace("_", " ") for column in columns]
    ax.set_xticks(range(len(columns)), words, rotation=35, ha="right", rotation_mode="anchor", fontsize=8.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.01, fraction=0.03, extend="both")
    bar.set_label("points above the standard", fontsize=8.5)


def compare(page: Page) -> list[Row]:
    """Print the tables, then hold each published ordering against what was measured."""
    print(tables(page))
    rows = []
    for column, better, worse, source in PUBLISHED:
        one, other = accuracies(page, better, column), accuracies(page, worse, column)
        if one and other:
            here = f"{mean_and_error(one)[0]:.1f} against {mean_and_error(other)[0]:.1f}"
            name = f"{column}: {short(better)}, {short(worse)}"
            rows.append(Row(name, here, f"first is better ({source})", ordering(one, other)))
    return rows


EXPERIMENT = Experiment("zoo_corruptions", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
