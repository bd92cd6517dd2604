"""Claim: low-pass images, AugMix and PRIME help a network against common corruptions; adapted statistics add to it.

References and published numbers (thesis, chapter 5; CIFAR-10 and ImageNet-100 with a ResNet-18; here: small nets on
Fashion-MNIST):
- Table 5.1 (CIFAR-10): accuracy under corruptions 72.5 % standard, 79.8 low-pass, 82.8 AugMix without its consistency
  loss; low-pass helps under all blurs (glass 51.0 -> 85.3), harms under fog (88.0 -> 81.2) and contrast (76.1 -> 68.8).
- Table 5.2 (CIFAR-10): 74.0 standard, 88.6 AugMix, 89.8 PRIME. Table 5.3 (ImageNet-100): AugMix 55.2 without JSD, 60.7
  with it; PRIME 68.8 and 71.6.
- Table 5.4 (ImageNet-100): standard 49.7, single 53.8, partial 62.0, full 63.9; PRIME 71.6, 73.5, 75.3, 76.6.

    python experiments/train_zoo.py --data-dir DATA --out trained/zoo
    python experiments/zoo_corruptions.py --data-dir DATA --trained trained/zoo [--scale smoke|cpu|paper] [--draw-only]
                                          [--only NAME ...]

--only measures these models and keeps the lines of the others. Without --trained the embedded weights are measured (one
seed each). Writes figures/zoo_corruptions.json, then the picture and the tables of docs/corruption-scores.md from the
JSON alone. One core: smoke a minute, cpu about 20 minutes, paper two hours.
"""

import argparse
import json
import math
import statistics
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from geomrob.analysis.corruptions.errors import corruption_errors
from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS
from geomrob.data.corruptions import corrupt
from geomrob.data.corruptions.precomputed import Corrupted
from geomrob.models.layers.preprocess import Preprocess

FIGURES = Path("figures")
NAME = "zoo_corruptions"
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
SEEDS = (0, 1, 2)
# Images of the test set.
SCALES = {"smoke": 20, "cpu": 1000, "paper": 10000}
# What the thesis found (left: the better), to be held against what is measured here.
ORDERINGS = (
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


def networks(name: str, trained: Path | None) -> list[nn.Module]:
    """The networks of one line of the table: its trainings, or the embedded one."""
    plain = "fmnist-low-pass" if name == FILTERED else name
    if trained is None:
        found = [geomrob.load_model(plain)]
    else:
        files = [trained / f"{plain}-{seed}" / "model.safetensors" for seed in SEEDS]
        found = [geomrob.load_model(plain, weights=file) for file in files if file.is_file()]
    return [nn.Sequential(Preprocess(FILTER), model).eval() for model in found] if name == FILTERED else found


def measure(scale: str, data_dir: Path | None, trained: Path | None, only: list[str]) -> dict[str, Any]:
    full = data_dir is not None and scale != "smoke"
    test = geomrob.load_data("fashion-mnist" if full else "fashion-mnist-1k", data_dir=data_dir)
    test = test.subset(torch.arange(SCALES[scale]))
    listed = {name: networks(name, trained) for name in only}
    rows: list[dict[str, Any]] = []

    @cache
    def made(name: str, severity: int) -> Corrupted:
        images = corrupt(test.images, name, severity, indices=test.indices)
        return Corrupted(replace(test, images=images), name, severity, "made")

    for how in HOWS:
        chosen = {name: nets for name, nets in listed.items() if nets and (how == "none" or name in ADAPTED)}
        for count in sorted({len(nets) for nets in chosen.values()}):
            alike = {name: nets for name, nets in chosen.items() if len(nets) == count}
            table = corruption_errors(
                alike,
                test.images,
                test.labels,
                adapt=how,
                ready_made=made,
                indices=test.indices,
                progress=partial(print, how, flush=True),
            )
            for place, name in enumerate(table.models):
                clean, errors = table.clean[place].tolist(), table.corruption_errors[place].tolist()
                rows.append({"model": name, "adapt": how, "clean": clean, "errors": errors})
    return {"images": len(test), "corruptions": BENCHMARK, "rows": rows}


def accuracies(page: dict[str, Any], name: str, column: str, how: str = "none") -> list[float]:
    """One number a training in per cent: of a corruption, of a category, the mean or clean."""
    for row in page["rows"]:
        if (row["model"], row["adapt"]) == (name, how):
            if column == "clean":
                return [100 - 100 * error for error in row["clean"]]
            members = SPLITS["category"].get(column, BENCHMARK if column == "mean" else (column,))
            places = [page["corruptions"].index(member) for member in members]
            return [100 - 100 * statistics.fmean(errors[place] for place in places) for errors in row["errors"]]
    return []


def summary(values: list[float]) -> tuple[float, float]:
    """Mean and standard error (0 of one training)."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def cell(values: list[float]) -> str:
    if not values:
        return "-"
    mean, error = summary(values)
    return f"{mean:.1f}" + (f" ± {error:.1f}" if len(values) > 1 else "")


def models() -> list[str]:
    return [name for standard, others in FAMILIES.items() for name in (standard, *others)]


def shown(page: dict[str, Any]) -> list[str]:
    measured = {row["model"] for row in page["rows"]}
    return [name for name in models() if name in measured]


def tables(page: dict[str, Any]) -> str:
    """The tables of the docs: by category (as Table 5.3), by corruption (as Table 5.1), and adapted (as Table 5.4)."""
    columns = ("clean", "mean", *SPLITS["category"])
    lines = ["| accuracy (%) | seeds | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for name in shown(page):
        cells = [cell(accuracies(page, name, column)) for column in columns]
        lines.append(f"| {short(name)} | {len(accuracies(page, name, 'clean'))} | " + " | ".join(cells) + " |")
    lines += ["", "| mean accuracy (%) | " + " | ".join(short(name) for name in shown(page)) + " |"]
    lines.append("|---" * (len(shown(page)) + 1) + "|")
    for column in page["corruptions"]:
        cells = [f"{summary(accuracies(page, name, column))[0]:.1f}" for name in shown(page)]
        lines.append(f"| {column.replace('_', ' ')} | " + " | ".join(cells) + " |")
    lines += ["", "| accuracy under corruptions (%) | " + " | ".join(HOWS) + " | clean, single |", "|---" * 6 + "|"]
    for name in ADAPTED:
        cells = [cell(accuracies(page, name, "mean", how)) for how in HOWS]
        cells.append(cell(accuracies(page, name, "clean", "single")))
        lines.append(f"| {short(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short(name: str) -> str:
    return name.removeprefix("fmnist-")


def draw(path: Path) -> Figure:
    """Above: accuracy less the standard's, by corruption. Below: accuracy by how the statistics are adapted."""
    page = json.loads(path.read_text())
    names = shown(page)
    columns = ("clean", "mean", *page["corruptions"])
    figure = Figure(figsize=(12, 8.6), dpi=150)
    upper, lower = figure.subplots(2, 1, height_ratios=(1.5, 1))
    standard = {one: first for first, others in FAMILIES.items() for one in (first, *others)}
    values = [[summary(accuracies(page, name, column))[0] for column in columns] for name in names]
    gains = [
        [
            value - summary(accuracies(page, standard[name], column))[0]
            for value, column in zip(row, columns, strict=True)
        ]
        for name, row in zip(names, values, strict=True)
    ]
    image = upper.imshow(gains, cmap="PuOr", vmin=-30, vmax=30, aspect="auto")
    for row, cells in enumerate(values):
        for column, value in enumerate(cells):
            ink = "white" if abs(gains[row][column]) > 22 else "black"
            upper.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=ink)
    upper.axvline(1.5, color="white", lw=3)
    upper.set_yticks(range(len(names)), [short(name) for name in names], fontsize=8.5)
    words = [column.replace("_", " ") for column in columns]
    upper.set_xticks(range(len(columns)), words, rotation=35, ha="right", rotation_mode="anchor", fontsize=8.5)
    upper.tick_params(length=0)
    upper.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=upper, pad=0.01, fraction=0.03, extend="both")
    bar.set_label("points above the standard", fontsize=8.5)
    upper.set_title(
        f"Accuracy (%, numbers) under each corruption, mean of five severities, on {page['images']:,} images of "
        "Fashion-MNIST.\nColour: the difference from the standard (that of hah: vgg). Purple is better.",
        loc="left", fontsize=9.5,
    )  # fmt: skip
    marks = ("o", "s", "^", "D", "v")
    for mark, colour, name in zip(marks, ("#000000", "#56B4E9", "#E69F00", "#0072B2", "#CC79A7"), ADAPTED, strict=True):
        found = [accuracies(page, name, "mean", how) for how in HOWS]
        if not all(found):
            continue
        means, errors = zip(*(summary(one) for one in found), strict=True)
        lower.errorbar(range(4), means, yerr=errors, marker=mark, color=colour, capsize=3, lw=1.4, label=short(name))
    words = ("none", "single: n = 1, N = 16", "partial: n = 8, N = 16", "full: n = 400, N = 0")
    lower.set_xticks(range(4), words, fontsize=8.5)
    lower.set_ylabel("accuracy under corruptions (%)", fontsize=8.5)
    lower.set_title(
        "With batch-norm statistics fitted to the corrupted images (bars: standard error)", loc="left", fontsize=9.5
    )
    lower.grid(axis="y", color="#dddddd", lw=0.7)
    lower.spines[["top", "right"]].set_visible(False)
    lower.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    return figure


def compare(path: Path) -> None:
    """Print the tables, then each published ordering beside what was measured."""
    page = json.loads(path.read_text())
    print(tables(page))
    for column, better, worse, source in ORDERINGS:
        one, other = accuracies(page, better, column), accuracies(page, worse, column)
        if not one or not other:
            continue
        (mean, error), (base, spread) = summary(one), summary(other)
        room = math.hypot(error, spread)
        word = "holds" if mean > base + room else "DIFFERS" if mean < base - room else "within the standard error"
        print(f"{source:18} {column:10} {short(better)} {mean:.1f} against {short(worse)} {base:.1f}: {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trained", type=Path, help="folder with MODEL-SEED/model.safetensors")
    parser.add_argument("--only", nargs="+", choices=models(), default=models(), metavar="NAME")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        kept: dict[str, Any] = {"rows": [], "images": SCALES[given.scale]}
        if path.is_file() and set(given.only) < set(models()):
            kept = json.loads(path.read_text())
        if kept["images"] != SCALES[given.scale]:
            parser.error(
                f"--only must go with the scale of {path}, {kept['images']} images; got {given.scale}: change it"
            )
        there = {*given.only, *(row["model"] for row in kept["rows"])}
        needed = {first for first, others in FAMILIES.items() if {first, *others} & there} - there
        if needed:
            parser.error(f"--only must leave no model without its standard; got no {', '.join(sorted(needed))}: add it")
        page = measure(given.scale, given.data_dir, given.trained, given.only)
        page["rows"] += [row for row in kept["rows"] if row["model"] not in given.only]
        words = (" --data-dir DATA" if given.data_dir else "") + (" --trained trained/zoo" if given.trained else "")
        page = {"command": f"python experiments/{NAME}.py --scale {given.scale}{words}", **page}
        path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
