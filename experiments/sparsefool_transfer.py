"""Claim: sparse perturbations transfer between networks to some extent only, and less than dense ones.

Reference: Modas, Robustness and invariance properties of image classifiers, EPFL 2022, Table 3.3 and section 3.4.1.
Published, 4,000 ImageNet images, SparseFool: off the diagonal 8 to 28 % (VGG-16, ResNet-101, DenseNet-161), more from
larger to smaller networks; dense perturbations are said to exploit more shared directions and to transfer more (no
figure given).

    python -m experiments.sparsefool_transfer [--scale smoke|cpu|paper]

Both embedded models. A minimal perturbation ends at the boundary of its own model, so how far it goes decides how much
it transfers: each is shown as found, and stretched by 1.5 and 3, then cut by the box. That is the same factor for
all, not the same length: the sparse ones are several times longer (l2) to begin with, and as their pixels lie near the
sides of the box already, the box takes most of what the factor adds.

One core: smoke 20 s, cpu (300 images) 3 minutes, paper (1,000) 10.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, facts, run, stroke
from geomrob.inference import is_adversarial
from geomrob.plot.style import blank, figure_headline, tidy

MODELS = ("fmnist-lenet", "fmnist-resnet8")
ATTACKS: dict[str, tuple[Callable[..., geomrob.AttackResult], dict[str, Any]]] = {
    "SparseFool": (geomrob.sparsefool, {}),
    "SparseFool, pruned": (geomrob.sparsefool, {"prune": True}),
    "DDN (l2, dense)": (geomrob.ddn, {"bounds": (0.0, 1.0)}),
}
FACTORS = (1.0, 1.5, 3.0)
# Points of the rate within which the number of a curve would lie on the mark of the next.
NEAR = 2.5
SCALES = {"smoke": 20, "cpu": 300, "paper": 1000}
SEED = 0
PUBLISHED = {"SparseFool": "8 to 28 %"}
WAYS = ((0, 1), (1, 0))


def further(attack: Callable[..., geomrob.AttackResult], factor: float) -> Callable[..., geomrob.AttackResult]:
    """The attack with each perturbation stretched by a factor, cut by the box and classified again."""

    def stretched(
        model: torch.nn.Module, inputs: torch.Tensor, labels: Any = None, **options: Any
    ) -> geomrob.AttackResult:
        result = attack(model, inputs, labels, **options)
        if factor == 1:
            return result
        perturbed = (result.inputs + factor * result.perturbation).clamp(0, 1)
        success = result.success & is_adversarial(model, perturbed, result.labels)
        return replace(result, perturbed=perturbed, success=success)

    return stretched


def measure(images: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    models = {name: geomrob.load_model(name) for name in MODELS}
    rows = []
    for name, (attack, options) in ATTACKS.items():
        for factor in FACTORS:
            matrix = geomrob.transfer_matrix(
                models,
                data.images,
                attack=further(attack, factor),
                labels=data.labels,
                data=data.name,
                seed=SEED,
                attack_name=name,
                **options,
            )
            row = {"attack": name, "factor": factor, "images": images, "rates": matrix.rates.tolist()}
            row |= {"found": matrix.found.double().mean(1).tolist(), "accuracy": matrix.accuracy.tolist()}
            rows.append({**row, "models": MODELS, "provenance": facts(matrix)})
            print(f"{name:20} x {factor:g}: {rates(rows[-1])}", flush=True)
    return {"rows": rows}


def rates(row: Page) -> str:
    ways = ", ".join(f"{MODELS[s]} to {MODELS[t]} {row['rates'][s][t]:.1%}" for s, t in WAYS)
    return f"{ways}; own {', '.join(f'{share:.0%}' for share in row['found'])}"


def draw(page: Page) -> Figure:
    """Two panels, a direction each: fooling rate on the other model, over how far the change goes."""
    figure = blank(9.5, 4.4)
    figure_headline(
        figure,
        "Do changes that fool one model fool the other?",
        f"{page['rows'][0]['images']} Fashion-MNIST images; all changes stay in [0, 1].",
    )
    for ax, (source, target) in zip(figure.subplots(1, 2, sharey=True), WAYS, strict=True):
        for index, name in enumerate(ATTACKS):
            own = [row for row in page["rows"] if row["attack"] == name]
            x, y = [row["factor"] for row in own], [100 * row["rates"][source][target] for row in own]
            ax.plot(x, y, label=name, **stroke(index))
            for at, value in zip(x, y, strict=True):
                # Below the mark where the next curve is so near above that its mark would cover the number.
                near = any(
                    0 < 100 * row["rates"][source][target] - value < NEAR for row in page["rows"] if row["factor"] == at
                )
                to = (0, -12 if near else 5)
                ax.annotate(f"{value:.0f}", (at, value), to, textcoords="offset points", fontsize=8, ha="center")
        tidy(ax)
        ax.set_title(f"made on {MODELS[source]}, shown to {MODELS[target]}", fontsize=10)
        ax.set_xlabel("factor of the change, then cut to [0, 1] (1: as found)", fontsize=8.5)
        ax.set_xticks(FACTORS)
    left = figure.axes[0]
    left.set(ylabel="images fooled on the other model (%)", ylim=(0, None))
    left.legend(fontsize=8.5, frameon=False, loc="upper left")
    return figure


def compare(page: Page) -> list[Row]:
    """The rates of each attack, then sparse and dense ones with one factor."""
    rows = [
        Row(f"{row['attack']} x {row['factor']:g}", rates(row), PUBLISHED.get(row["attack"], ""))
        for row in page["rows"]
    ]
    for factor in FACTORS:
        at = {row["attack"]: row["rates"] for row in page["rows"] if row["factor"] == factor}
        sparse, dense = ((at[name][0][1] + at[name][1][0]) / 2 for name in ("SparseFool", "DDN (l2, dense)"))
        here = f"sparse {sparse:.1%}, dense {dense:.1%}"
        rows.append(Row(f"mean of both ways x {factor:g}", here, "dense transfers more", dense > sparse))
    return rows


EXPERIMENT = Experiment("sparsefool_transfer", __doc__, SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
