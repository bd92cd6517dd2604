"""Claim: HaH blocks are robust (Cekic et al., HaH, 2022, Table 1 and Fig. 5), also to gradients of a smooth surrogate.

Reference: Cekic et al., Layerwise Hebbian/anti-Hebbian (HaH) learning, 2022.

Published (CIFAR-10, VGG-16 with and without HaH blocks): accuracy under linf PGD of 2/255 10.4 -> 21.5 %, under l2 PGD
of 0.25 13.9 -> 27.6 %; larger mean minimum norms in l0, l1, l2 and linf. The audit finds HaH's gradients shattered by
its threshold; here the same searches run with the model's own gradients and with those of a sigmoid in place of the
jump (`geomrob.models.surrogate_gradients`), and a boundary attack, which needs no gradient, goes on from there.

    python -m experiments.hah_surrogates [--scale smoke|cpu|paper] [--models NAME ...] [--data NAME]
                                              [--data-dir DATA]

Defaults to fmnist-vgg and fmnist-hah on the embedded images; for CIFAR-10: --models cifar10-hah --data cifar10
--data-dir DATA --tag cifar10. One core: smoke a minute, cpu about 10 minutes.
"""

import argparse
import math
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, Experiment, Page, Row, run, stroke
from experiments.measures import first_correct
from geomrob.analysis.minimum_norms import SEARCHES, Attack, minimum_norms
from geomrob.attacks import boundary, tight
from geomrob.data import Samples
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.models import surrogate_gradients
from geomrob.plot.style import blank, figure_headline, tidy


@dataclass(frozen=True)
class Scale:
    """Images of each model, correctly classified; queries of the boundary attack."""

    images: int
    queries: int


SCALES = {"smoke": Scale(4, 100), "cpu": Scale(24, 1000), "paper": Scale(500, 5000)}
NORMS = ("pixels", "l1", "l2", "linf")
EPSILONS = {"linf": (math.inf, (1 / 255, 2 / 255, 4 / 255)), "l2": (2.0, (0.1, 0.25, 0.5))}
# The balls of Table 1; the norms of Fig. 5.
PUBLISHED = {("linf", 2 / 255): "10.4 -> 21.5 %", ("l2", 0.25): "13.9 -> 27.6 %"}
LONG = 200
STEPS, TARGETS = 20, 1
FLAGS = {
    "--models": {"nargs": "+", "default": ["fmnist-vgg", "fmnist-hah"], "metavar": "NAME"},
    "--data": {"default": "fashion-mnist-1k"},
    "--data-dir": DATA_DIR,
}


def in_one_block(search: Attack) -> Attack:
    """The same search, with all images in one call of the model, which is padded no further."""
    return lambda model, images, labels: search(Prepared(model, images, block=len(images)), images, labels)


FEW = {name: in_one_block(search) for name, search in SEARCHES.items() if name != "sparsefool"}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    data = geomrob.load_data(flags.data, data_dir=flags.data_dir, samples=min(1000, 4 * scale.images + 16))
    rows = []
    for name in flags.models:
        model = geomrob.load_model(name)
        chosen = first_correct(model, data, scale.images)
        for gradients in ("own", "surrogate"):
            try:
                used = model if gradients == "own" else surrogate_gradients(model)
            except UsageError:
                continue
            rows.append({"model": name, "gradients": gradients, **measured(model, used, chosen, scale)})
            print({key: value for key, value in rows[-1].items() if key != "values"}, flush=True)
    return {"data": flags.data, "images": scale.images, "queries": scale.queries, "rows": rows}


def measured(model: nn.Module, used: nn.Module, data: Samples, scale: Scale) -> Page:
    """Minimum norms and robust accuracies with these gradients, by image; the boundary attack asks the bare model."""
    images, labels, block = data.images, data.labels, min(64, len(data))
    values: Page = {}
    with Prepared(used, images, block=block) as ready:
        smallest = minimum_norms({"model": ready}, images, labels, norms=NORMS, searches=FEW, indices=data.indices)
        values |= {f"norm {norm}": smallest.values[0, at].tolist() for at, norm in enumerate(NORMS)}
        long = tight(ready, images, bounds=(0.0, 1.0), budget=LONG)
        polished = boundary(
            model, images, starts=long.perturbed, budget=scale.queries, smoothness=0, indices=data.indices
        )
        values |= {"long l2": long.distances().tolist(), "polished l2": polished.distances().tolist()}
        for norm, (p, epsilons) in EPSILONS.items():
            ball = {"norm": p, "epsilons": epsilons, "steps": STEPS, "targets": TARGETS, "indices": data.indices}
            found = geomrob.robust_accuracy(ready, images, labels, **ball)
            values[f"ball {norm}"] = found.distances.tolist()
    return {"values": values, "medians": {key: float(torch.tensor(row).median()) for key, row in values.items()}}


def table(page: Page) -> list[Page]:
    """A row a model and kind of gradients, and one of the least of both."""
    rows = []
    for name in dict.fromkeys(row["model"] for row in page["rows"]):
        own = {
            row["gradients"]: torch.tensor(list(row["values"].values())) for row in page["rows"] if row["model"] == name
        }
        keys = list(page["rows"][0]["values"])
        if len(own) > 1:
            own["both"] = torch.stack(list(own.values())).amin(0)
        for gradients, values in own.items():
            by = dict(zip(keys, values, strict=True))
            row: Page = {"model": name, "gradients": gradients}
            row |= {
                key: float(value[value.isfinite()].mean()) for key, value in by.items() if not key.startswith("ball")
            }
            for norm, (_, epsilons) in EPSILONS.items():
                row |= {
                    (norm, at): float((by[f"ball {norm}"] > epsilon).float().mean())
                    for at, epsilon in enumerate(epsilons)
                }
            rows.append(row)
    return rows


def draw(page: Page) -> Figure:
    figure = blank(10.5, 4.4)
    figure_headline(
        figure,
        "What is left of HaH's robustness when gradients pass its threshold?",
        f"{page['images']} correct images of {page['data']} a model: share not fooled at each size. Solid: "
        "own gradients, dotted: those of a smooth surrogate.",
    )
    panels = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(row["model"] for row in page["rows"]))
    for ax, norm in zip(panels, EPSILONS, strict=True):
        for row in page["rows"]:
            sizes = torch.tensor(row["values"][f"ball {norm}"]).sort().values * (255 if norm == "linf" else 1)
            own = row["gradients"] == "own"
            style = {**stroke(names.index(row["model"])), "marker": "", "linestyle": "-" if own else ":", "lw": 2}
            shares = 1 - torch.arange(1, len(sizes) + 1) / len(sizes)
            ax.step(
                torch.cat((torch.zeros(1), sizes)),
                torch.cat((torch.ones(1), shares)),
                where="post",
                label=f"{row['model']}, {row['gradients']}",
                **style,
            )
        ax.set(xlabel=f"{norm} size" + (" (1/255)" if norm == "linf" else ""), xlim=(0, 8 if norm == "linf" else 0.8))
        tidy(ax)
    panels[0].set_ylabel("accuracy")
    panels[1].legend(fontsize=8.5)
    return figure


def compare(page: Page) -> list[Row]:
    """Each norm and ball of each row next to the paper's; then whether HaH is ahead under the stronger gradients."""
    rows, measured_rows = [], table(page)
    for row in measured_rows:
        name = f"{row['model']}, {row['gradients']}"
        norms = " ".join(
            f"{key} {value * (255 if 'linf' in key else 1):.3g}" for key, value in row.items() if " " in key
        )
        rows.append(Row(name, norms, "means; linf in 1/255"))
        for norm, (_, epsilons) in EPSILONS.items():
            here = " ".join(f"{epsilon:.3g}: {row[norm, at]:.0%}" for at, epsilon in enumerate(epsilons))
            rows.append(Row(f"  accuracy in {norm}", here, PUBLISHED.get((norm, epsilons[2]), "")))
    best = {row["model"]: row for row in measured_rows}
    if {"fmnist-vgg", "fmnist-hah"} <= {*best}:
        for norm in NORMS:
            hah, vgg = (best[name][f"norm {norm}"] for name in ("fmnist-hah", "fmnist-vgg"))
            rows.append(Row(f"Fig. 5, {norm}", f"{hah:.3g} against {vgg:.3g}", "HaH is larger", hah > vgg))
        for norm in EPSILONS:
            hah, vgg = (best[name][norm, 1] for name in ("fmnist-hah", "fmnist-vgg"))
            rows.append(Row(f"Table 1, {norm}", f"{hah:.0%} against {vgg:.0%}", "HaH is larger", hah > vgg))
    return rows


EXPERIMENT = Experiment("hah_surrogates", __doc__, SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
