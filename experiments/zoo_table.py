"""Claim: push-pull stems, HaH blocks and the pixel-similarity regulariser make a small network harder to mislead.

References and published numbers (CIFAR-10, the papers' own nets; here: small nets on Fashion-MNIST):
- Bennabhaktula et al., PushPull-Net, 2024, Table 1: clean error .069 -> .071 (avg3), noise errors x 0.86.
- Cekic et al., HaH, 2022, Table 1: clean 92.5 -> 87.3 %, noise of 0.1 26.6 -> 64.0 %, linf 2/255 10.4 -> 21.5 %,
  l2 0.25 13.9 -> 27.6 %; Table 3: without the cost 50.4, with batch normalisation 46.7, without threshold 37.5 % under
  noise; Fig. 5: larger mean minimum norms.
- Attias et al., pixel similarities, 2024, Figs. 3 and 5: robust to Gaussian noise, little lost on clean images.

    python experiments/train_zoo.py --data-dir DATA --out trained/zoo
    python experiments/zoo_table.py --data-dir DATA --trained trained/zoo [--scale smoke|cpu|paper] [--draw-only]

Without --trained the embedded weights are measured (one seed each). Writes figures/zoo_table.json, then the picture
and the table of docs/zoo.md from the JSON alone. One core: smoke a minute, cpu about 25 minutes, paper a day.
"""

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from geomrob.analysis.minimum_norms import SEARCHES, minimum_norms
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.data.entry import Samples
from geomrob.interop.foolbox_import import from_foolbox
from geomrob.training import accuracy

FIGURES = Path("figures")
NAME = "zoo_table"
FAMILIES = {
    "fmnist-standard": (
        "fmnist-pushpull-avg3",
        "fmnist-pushpull-avg5",
        "fmnist-pushpull-fixed",
        "fmnist-similarity",
        "fmnist-l2-adversarial",
        "fmnist-linf-adversarial",
    ),
    "fmnist-vgg": ("fmnist-hah", "fmnist-hah-no-cost", "fmnist-hah-batch-norm", "fmnist-hah-no-threshold"),
}
SEEDS = (0, 1, 2)
SIGMA, DRAWS = 0.1, 3
BALLS = {"linf": (2 / 255, math.inf), "l2": (0.25, 2.0)}
NORMS = ("pixels", "l1", "l2", "linf")
# Images attacked with PGD, images whose minimum norms are searched; steps of PGD.
SCALES = {"smoke": (20, 4, 5), "cpu": (500, 50, 20), "paper": (10000, 1000, 100)}
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
# What the papers found (left: better under this column), to be held against what is measured here.
ORDERINGS = (
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


def models() -> list[str]:
    return [name for standard, others in FAMILIES.items() for name in (standard, *others)]


def weights(trained: Path | None) -> list[tuple[str, int, Path | None]]:
    """Every (model, seed) with its weights file; the embedded ones without a folder of trainings."""
    if trained is None:
        return [(name, 0, None) for name in models()]
    files = [(name, seed, trained / f"{name}-{seed}" / "model.safetensors") for name in models() for seed in SEEDS]
    return [(name, seed, file) for name, seed, file in files if file.is_file()]


def measure(model: nn.Module, test: Samples, few: Samples, scale: str) -> dict[str, Any]:
    attacked, searched, steps = SCALES[scale]
    chosen = test.subset(torch.arange(min(len(test), 10 if scale == "smoke" else len(test))))
    row: dict[str, Any] = {"clean": 100 * accuracy(model, chosen)}
    shares = []
    for seed in range(DRAWS):
        images = noisy(chosen.images, epsilon=SIGMA, seed=seed, indices=chosen.indices)
        shares.append(accuracy(model, Samples(images, chosen.labels, chosen.classes, chosen.indices, chosen.name)))
    row["noise"] = 100 * statistics.fmean(shares)
    part = few.subset(torch.arange(min(len(few), attacked)))
    for name, (epsilon, norm) in BALLS.items():
        held = torch.ones(len(part), dtype=torch.bool)
        for loss in ("cross-entropy", "margin"):
            found = pgd(
                model,
                part.images,
                part.labels,
                epsilon=epsilon,
                norm=norm,
                steps=steps,
                loss=loss,
                indices=part.indices,
            )
            held &= ~found.success
        row[name] = 100 * float(held.double().mean())
    with torch.no_grad():
        right = (model(few.images).argmax(1) == few.labels).nonzero().flatten()[:searched]
    searches = {**SEARCHES, **{f"fmn-{norm}": from_foolbox(f"fmn-{norm}") for norm in ("l1", "linf")}}
    found = minimum_norms(
        {"model": model},
        few.images[right],
        few.labels[right],
        norms=NORMS,
        searches=searches,
        indices=few.indices[right],
    )
    for index, norm in enumerate(NORMS):
        values = found.values[0, index]
        reached = values[values.isfinite()]
        row[f"norm_{norm}"] = float(reached.mean()) * (255 if norm == "linf" else 1) if len(reached) else None
        row[f"missed_{norm}"] = int((~values.isfinite()).sum())
    row["searched"] = len(right)
    return row


def summary(rows: list[dict[str, Any]], name: str, column: str) -> tuple[float, float | None, int]:
    """Mean, standard error and number of seeds of one cell."""
    values = [row[column] for row in rows if row["model"] == name and row[column] is not None]
    if not values:
        return math.nan, None, 0
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.fmean(values), error, len(values)


def cell(rows: list[dict[str, Any]], name: str, column: str) -> str:
    mean, error, _ = summary(rows, name, column)
    digits = 2 if column in ("norm_l2", "norm_l1", "norm_linf") else 1
    return f"{mean:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def table(page: dict[str, Any]) -> str:
    """The table of the docs."""
    rows = page["rows"]
    head = ("model", "seeds", *COLUMNS.values())
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in models():
        seeds = summary(rows, name, "clean")[2]
        if seeds:
            cells = (cell(rows, name, column) for column in COLUMNS)
            lines.append(f"| `{name}` | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines).replace("$", "").replace(r"\ell_\infty", "linf").replace(r"\ell_", "l")


def draw(path: Path) -> Figure:
    """A panel a column, a line a model: mean and standard error, the standard of each family as a dashed line."""
    page = json.loads(path.read_text())
    rows = page["rows"]
    listed = [name for name in models() if summary(rows, name, "clean")[2]]
    figure = Figure(figsize=(11.5, 6.4), dpi=150)
    panels = figure.subplots(2, 4, sharey=True)
    for ax, (column, title) in zip(panels.flat, COLUMNS.items(), strict=True):
        for standard, others in FAMILIES.items():
            family = [name for name in (standard, *others) if name in listed]
            if not family:
                continue
            colour, mark = ("#0072B2", "o") if standard == "fmnist-standard" else ("#D55E00", "s")
            places = [listed.index(name) for name in family]
            means, errors, _ = zip(*(summary(rows, name, column) for name in family), strict=True)
            spans = [0 if error is None else error for error in errors]
            ax.errorbar(means, places, xerr=spans, fmt=mark, color=colour, ms=6, capsize=3, lw=1.4)
            ax.plot([means[0]] * 2, [places[0] - 0.4, places[-1] + 0.4], ls="--", lw=1, color=colour)
        ax.set_title(title, fontsize=10)
        ax.grid(axis="x", color="#dddddd", lw=0.7)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_yticks(range(len(listed)), [name.removeprefix("fmnist-") for name in listed])
    panels[0, 0].invert_yaxis()
    figure.suptitle(
        "The zoo on Fashion-MNIST: accuracy (above) and mean smallest perturbation that changes the decision (below); "
        "right is more robust.\n"
        f"Blue circles: small ResNet-8; orange squares: small VGG; dashed: the standard of each. Bars: standard error "
        f"over seeds. Images: {page['test']:,}; PGD: {page['attacked']:,}; norms: {page['searched']}.",
        x=0.01, ha="left", fontsize=9.5,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    return figure


def compare(path: Path) -> None:
    """Print the table, then each published ordering beside what was measured."""
    page = json.loads(path.read_text())
    print(table(page))
    for column, better, worse, source in ORDERINGS:
        (one, error_one, seeds), (other, error_other, others) = (
            summary(page["rows"], name, column) for name in (better, worse)
        )
        if not seeds or not others:
            continue
        spread = math.hypot(error_one or 0, error_other or 0)
        word = "holds" if one > other + spread else "DIFFERS" if one < other - spread else "within the standard error"
        print(f"{source:24} {column:12} {better} {one:.2f} against {worse} {other:.2f}: {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trained", type=Path, help="folder with MODEL-SEED/model.safetensors")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        full = given.data_dir is not None and given.scale != "smoke"
        test = geomrob.load_data("fashion-mnist" if full else "fashion-mnist-1k", data_dir=given.data_dir)
        few = test if given.scale == "paper" else geomrob.load_data("fashion-mnist-1k")
        rows = []
        for name, seed, file in weights(given.trained):
            rows.append({"model": name, "seed": seed, **measure(load(name, file), test, few, given.scale)})
            print(
                {key: round(value, 2) if isinstance(value, float) else value for key, value in rows[-1].items()},
                flush=True,
            )
        page = {
            "command": f"python experiments/{NAME}.py --scale {given.scale}"
            + (" --data-dir DATA" if full else "")
            + (" --trained trained/zoo" if given.trained else ""),
            "test": len(test),
            "attacked": min(SCALES[given.scale][0], len(few)),
            "searched": SCALES[given.scale][1],
            "steps": SCALES[given.scale][2],
            "rows": rows,
        }
        path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


def load(name: str, file: Path | None) -> nn.Module:
    return geomrob.load_model(name, weights=file)


if __name__ == "__main__":
    main()
