"""Claim: `robust_accuracy` calls no image robust that AutoAttack (standard) fools, at 5 % of its evaluations or fewer.

Reference: Croce, Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse attacks",
ICML 2020. One run of ours serves all epsilons of a model and norm, AutoAttack runs at each; both are counted in calls
of the model an image, forward and backward, on the first images of the set.

    pip install 'geomrob[autoattack]'
    python -m experiments.robust_benchmarks [--scale smoke|cpu|paper] [--kept FOLDER]

What AutoAttack finds is kept in FOLDER, one file a model, norm and epsilon, and read from there the next time; without
the extra, only what is kept is compared. One core: smoke a minute; cpu 2 minutes, with AutoAttack half an hour.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import Experiment, Page, Row, run, stroke
from geomrob.data import Samples
from geomrob.errors import UsageError
from geomrob.interop.autoattack import autoattack
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.results.accuracy.robust_accuracy import shown_epsilon

# Goal of the project: that share of the evaluations of AutoAttack, and no image that it fools alone.
PUBLISHED = {"share": 0.05}
SCALES = {"smoke": 4, "cpu": 50, "paper": 1000}
NORMS = {"linf": math.inf, "l2": 2.0}
# From about 90 % to 5 % of the images, on adversarially trained networks.
CELLS = {
    ("fmnist-linf-adversarial", "linf"): tuple(level / 255 for level in (10, 16, 20, 24, 32, 40)),
    ("fmnist-l2-adversarial", "l2"): (0.75, 1.25, 1.75, 2.25, 3.0, 4.0),
    ("fmnist-linf-adversarial", "l2"): (0.5, 0.75, 1.0, 1.5, 2.0, 2.5),
    ("fmnist-l2-adversarial", "linf"): tuple(level / 255 for level in (8, 16, 24, 28, 32, 48)),
}
DATA = "fashion-mnist-1k"
# Most evaluations of ours, as a share of AutoAttack's at all epsilons.
FLAGS = {
    "--kept": {"type": Path, "metavar": "FOLDER", "default": Path("autoattack-kept"), "help": "results of AutoAttack"}
}


def measure(images: int, flags: argparse.Namespace) -> Page:
    data, rows = geomrob.load_data(DATA, samples=images), []
    for (name, norm), epsilons in CELLS.items():
        model, start = geomrob.load_model(name), time.process_time()
        found = geomrob.robust_accuracy(
            model, data.images, data.labels, norm=NORMS[norm], epsilons=epsilons, indices=data.indices
        )
        row = {
            "model": name,
            "norm": norm,
            "clean": found.clean,
            "forwards": float(found.forwards.double().mean()),
            "backwards": float(found.backwards.double().mean()),
            "cpu_s": time.process_time() - start,
            "epsilons": [],
        }
        for at, epsilon in enumerate(epsilons):
            robust = found.robust[at]
            cell: Page = {"epsilon": epsilon, "accuracy": float(robust.double().mean())}
            reference = kept(flags.kept, name, model, norm, epsilon, data)
            if reference is not None:
                fooled = torch.tensor(reference["fooled"])
                cell |= {
                    "autoattack": float((~fooled).double().mean()),
                    "autoattack_alone": int((robust & fooled).sum()),
                    "geomrob_alone": int((~robust & ~fooled).sum()),
                    "forwards": reference["forwards"],
                    "backwards": reference["backwards"],
                }
            row["epsilons"].append(cell)
            print(name, norm, {key: round(value, 4) for key, value in cell.items()}, flush=True)
        rows.append(row)
    return {"data": DATA, "images": images, "rows": rows}


def kept(folder: Path, name: str, model: nn.Module, norm: str, epsilon: float, data: Samples) -> Page | None:
    """What AutoAttack finds at one epsilon: read from the folder, else measured and kept; None where it cannot be."""
    path = folder / f"{name}-{norm}-{epsilon:.6f}-{len(data)}.json"
    if not path.exists():
        try:
            found = autoattack(model, data.images, data.labels, epsilon=epsilon, norm=NORMS[norm])
        except UsageError as error:
            print(f"AutoAttack skipped: {error}")
            return None
        page = {
            "fooled": (found.success | (model(data.images).argmax(1) != data.labels)).tolist(),
            "forwards": float(found.forwards.double().mean()),
            "backwards": float(found.backwards.double().mean()),
        }
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(page))
    return json.loads(path.read_text())


def draw(page: Page) -> Figure:
    """A panel a model and norm: both curves over epsilon."""
    figure = blank(11, 6.6)
    figure_headline(
        figure,
        "Does AutoAttack fool images that geomrob calls robust?",
        f"Accuracy on {page['images']} images of {page['data']}. geomrob: one run for all epsilons; AutoAttack "
        "(standard): one run at each.",
    )
    panels = figure.subplots(2, 2, sharey=True)
    for ax, row in zip(panels.flat, page["rows"], strict=True):
        factor = 255 if row["norm"] == "linf" else 1
        points = [(0, row["clean"]), *((factor * cell["epsilon"], cell["accuracy"]) for cell in row["epsilons"])]
        ax.plot(*zip(*points, strict=True), lw=2, label="geomrob", **stroke(0))
        other = [(factor * cell["epsilon"], cell["autoattack"]) for cell in row["epsilons"] if "autoattack" in cell]
        if other:
            ax.plot(
                *zip(*other, strict=True), ms=10, label="AutoAttack", **{**stroke(1), "linestyle": "", "marker": "x"}
            )
        ax.set(xlabel=f"epsilon in {row['norm']}" + (" (1/255)" if factor > 1 else ""), title=row["model"], ylim=(0, 1))
        tidy(ax)
    panels[0, 0].set_ylabel("accuracy")
    panels[1, 0].set_ylabel("accuracy")
    panels[0, 0].legend()
    return figure


def compare(page: Page) -> list[Row]:
    """A row an epsilon: who fools what; then the evaluations at all epsilons that both were measured at."""
    rows = []
    for row in page["rows"]:
        name, both = f"{row['model']}, {row['norm']}", [cell for cell in row["epsilons"] if "autoattack" in cell]
        for cell in row["epsilons"]:
            size = shown_epsilon(NORMS[row["norm"]], cell["epsilon"])
            there = "not measured"
            if "autoattack" in cell:
                there = f"{cell['autoattack']:.0%} with {cell['forwards']:,.0f} + {cell['backwards']:,.0f}"
            alone = f", AutoAttack alone fools {cell['autoattack_alone']}" if "autoattack" in cell else ""
            held = not cell["autoattack_alone"] if "autoattack" in cell else None
            rows.append(Row(f"{name} {size}", f"{cell['accuracy']:.0%}{alone}", there, held))
        if both:
            ours = row["forwards"] + row["backwards"]
            theirs = sum(cell["forwards"] + cell["backwards"] for cell in both)
            here = f"{row['forwards']:.0f} + {row['backwards']:.0f}: {ours / theirs:.1%} of AutoAttack's {theirs:,.0f}"
            rows.append(
                Row(f"{name}: evaluations", here, f"<= {PUBLISHED['share']:.0%}", ours <= PUBLISHED["share"] * theirs)
            )
    return rows


EXPERIMENT = Experiment("robust_benchmarks", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
