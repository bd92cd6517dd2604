"""Claim: push-pull stems, HaH blocks and the pixel-similarity regulariser make a small network more robust.

References and published numbers (CIFAR-10, the papers' own nets; here: small nets on Fashion-MNIST):
- Bennabhaktula et al., PushPull-Net, 2024, Table 1: clean error .069 -> .071 (avg3), noise errors x 0.86.
- Cekic et al., HaH, 2022, Table 1: clean 92.5 -> 87.3 %, noise of 0.1 26.6 -> 64.0 %, linf 2/255 10.4 -> 21.5 %,
  l2 0.25 13.9 -> 27.6 %; Table 3: without the cost 50.4, with batch normalisation 46.7, without threshold 37.5 % under
  noise; Fig. 5: larger mean minimum norms.
- Attias et al., pixel similarities, 2024, Figs. 3 and 5: robust to Gaussian noise, little lost on clean images.

    python -m experiments.train_zoo --data-dir DATA --out trained/zoo
    python -m experiments.zoo_table --data-dir DATA --trained trained/zoo [--scale smoke|cpu|paper]

Without --trained the embedded weights are measured (one seed each). Ends with the table of docs/zoo.md. One core: smoke
a minute, cpu about 25 minutes, paper a day.
"""

import argparse
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, TRAINED, Experiment, Page, Row, run, stroke
from experiments.measures import BALLS, noise_accuracy, robust_accuracy
from experiments.zoo import FAMILIES, cell, markdown, mean_and_error, members, ordering, short, trainings
from geomrob.analysis.minimum_norms import SEARCHES, minimum_norms
from geomrob.data import Samples
from geomrob.interop.foolbox_import import from_foolbox
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy


@dataclass(frozen=True)
class Scale:
    """Images attacked with PGD, images whose minimum norms are searched, steps of PGD, and the most clean images."""

    attacked: int
    searched: int
    steps: int
    clean: int | None = None


SCALES = {"smoke": Scale(20, 4, 5, clean=10), "cpu": Scale(500, 50, 20), "paper": Scale(10000, 1000, 100)}
NORMS = ("pixels", "l1", "l2", "linf")
COLUMNS = {
    "clean": "clean accuracy (%)",
    "noise": "noise of 0.1 (%)",
    "linf": r"PGD $\ell_\infty$ 2/255 (%)",
    "l2": r"PGD $\ell_2$ 0.25 (%)",
    "norm_pixels": r"$\ell_0$ (pixels)",
    "norm_l1": r"$\ell_1$",
    "norm_l2": r"$\ell_2$",
    "norm_linf": r"$\ell_\infty$ (1/255)",
}
# What the papers report (left: better under this column).
PUBLISHED = (
    ("noise", "fmnist-pushpull-avg3", "fmnist-standard", "PushPull Table 1"),
    ("noise", "fmnist-similarity", "fmnist-standard", "pixel similarity Fig. 5"),
    ("noise", "fmnist-hah", "fmnist-vgg", "HaH Table 1"),
    ("linf", "fmnist-hah", "fmnist-vgg", "HaH Table 1"),
    ("l2", "fmnist-hah", "fmnist-vgg", "HaH Table 1"),
    ("noise", "fmnist-hah", "fmnist-hah-no-cost", "HaH Table 3"),
    ("noise", "fmnist-hah", "fmnist-hah-batch-norm", "HaH Table 3"),
    ("noise", "fmnist-hah", "fmnist-hah-no-threshold", "HaH Table 3"),
    ("linf", "fmnist-hah", "fmnist-hah-no-cost", "HaH Table 3"),
    ("norm_pixels", "fmnist-hah", "fmnist-vgg", "HaH Fig. 5"),
    ("norm_l1", "fmnist-hah", "fmnist-vgg", "HaH Fig. 5"),
    ("norm_l2", "fmnist-hah", "fmnist-vgg", "HaH Fig. 5"),
    ("norm_linf", "fmnist-hah", "fmnist-vgg", "HaH Fig. 5"),
    ("l2", "fmnist-l2-adversarial", "fmnist-standard", "adversarial training"),
    ("linf", "fmnist-linf-adversarial", "fmnist-standard", "adversarial training"),
)
FLAGS = {"--data-dir": DATA_DIR, "--trained": TRAINED}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    full = flags.data_dir is not None and flags.scale != SMOKE
    test = geomrob.load_data("fashion-mnist" if full else "fashion-mnist-1k", data_dir=flags.data_dir)
    few = test if flags.scale == "paper" else geomrob.load_data("fashion-mnist-1k")
    rows = []
    for name in members():
        for seed, model in trainings(name, flags.trained).items():
            rows.append({"model": name, "seed": seed, **measured(model, test, few, scale)})
            print({k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    attacked = min(scale.attacked, len(few))
    return {"test": len(test), "attacked": attacked, "searched": scale.searched, "steps": scale.steps, "rows": rows}


def measured(model: nn.Module, test: Samples, few: Samples, scale: Scale) -> Page:
    chosen = test.subset(torch.arange(min(len(test), scale.clean or len(test))))
    row: Page = {"clean": 100 * accuracy(model, chosen), "noise": 100 * noise_accuracy(model, chosen)}
    part = few.subset(torch.arange(min(len(few), scale.attacked)))
    row |= {ball: 100 * robust_accuracy(model, part, ball, scale.steps) for ball in BALLS}
    with torch.no_grad():
        right = (model(few.images).argmax(1) == few.labels).nonzero().flatten()[: scale.searched]
    searches = {**SEARCHES, **{f"fmn-{norm}": from_foolbox(f"fmn-{norm}") for norm in ("l1", "linf")}}
    smallest = minimum_norms(
        {"model": model},
        few.images[right],
        few.labels[right],
        norms=NORMS,
        searches=searches,
        indices=few.indices[right],
    )
    for index, norm in enumerate(NORMS):
        values = smallest.values[0, index]
        reached = values[values.isfinite()]
        row[f"norm_{norm}"] = float(reached.mean()) * (255 if norm == "linf" else 1) if len(reached) else None
        row[f"missed_{norm}"] = int((~values.isfinite()).sum())
    return {**row, "searched": len(right)}


def column(page: Page, name: str, key: str) -> list[float]:
    """One number a training."""
    return [row[key] for row in page["rows"] if row["model"] == name and row[key] is not None]


def table(page: Page) -> str:
    """The table of the docs."""
    rows = [["model", "seeds", *COLUMNS.values()]]
    for name in members():
        if seeds := len(column(page, name, "clean")):
            digits = {key: 2 if key in ("norm_l2", "norm_l1", "norm_linf") else 1 for key in COLUMNS}
            rows.append([f"`{name}`", str(seeds), *(cell(column(page, name, key), digits[key]) for key in COLUMNS)])
    return markdown(rows).replace("$", "").replace(r"\ell_\infty", "linf").replace(r"\ell_", "l")


def draw(page: Page) -> Figure:
    """A panel a column, a line a model: mean and standard error, the standard of each family as a dashed line."""
    figure = blank(11.5, 6.8)
    figure_headline(
        figure,
        "How robust are the models of the zoo on Fashion-MNIST?",
        "Accuracy (above) and mean smallest perturbation that is adversarial (below); right is more robust. Blue "
        "circles: small ResNet-8; orange squares: small VGG; dashed: the standard of each. Bars: standard errors. "
        f"Images: {page['test']:,}; PGD: {page['attacked']:,}; norms: {page['searched']}.",
    )
    listed = [name for name in members() if column(page, name, "clean")]
    panels = figure.subplots(2, 4, sharey=True)
    for ax, (key, title) in zip(panels.flat, COLUMNS.items(), strict=True):
        for index, (standard, others) in enumerate(FAMILIES.items()):
            family = [name for name in (standard, *others) if name in listed]
            if not family:
                continue
            how, at = stroke(index), [listed.index(name) for name in family]
            means, errors = zip(*(mean_and_error(column(page, name, key)) for name in family), strict=True)
            ax.errorbar(means, at, xerr=errors, fmt=how["marker"], color=how["color"], ms=6, capsize=3, lw=1.4)
            ax.plot([means[0]] * 2, [at[0] - 0.4, at[-1] + 0.4], ls="--", lw=1, color=how["color"])
        tidy(ax)
        ax.grid(visible=False, axis="y")
        ax.set_title(title, fontsize=10)
    panels[0, 0].set_yticks(range(len(listed)), [short(name) for name in listed])
    panels[0, 0].invert_yaxis()
    return figure


def compare(page: Page) -> list[Row]:
    """Print the table, then hold each published ordering against what was measured."""
    print(table(page))
    rows = []
    for key, better, worse, source in PUBLISHED:
        one, other = column(page, better, key), column(page, worse, key)
        if one and other:
            here = f"{mean_and_error(one)[0]:.2f} against {mean_and_error(other)[0]:.2f}"
            name = f"{key}: {short(better)}, {short(worse)}"
            rows.append(Row(name, here, f"first is better ({source})", ordering(one, other)))
    return rows


EXPERIMENT = Experiment("zoo_table", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
