"""Claim: sparse perturbations transfer between networks to some extent only, and less than dense ones.

Reference: Modas, thesis, 2022, Table 3.3 and section 3.4.1. Published, 4,000 ImageNet images, SparseFool: off the
diagonal 8 to 28 % (VGG-16, ResNet-101, DenseNet-161), more from larger to smaller networks; dense perturbations are
said to exploit more shared directions and to transfer more (no figure given).

    python experiments/sparsefool_transfer.py [--scale smoke|cpu|paper]

Both embedded models. A minimal perturbation ends at the boundary of its own model, so how far it goes decides how much
it transfers: each is shown as found, and stretched by 1.5 and 3, then cut by the box. That is the same factor for
all, not the same length: the sparse ones are several times longer (l2) to begin with, and as their pixels lie near the
sides of the box already, the box takes most of what the factor adds.

Writes figures/sparsefool_transfer.json, then the picture from the JSON alone. One core: smoke 20 s, cpu (300 images) 3
minutes, paper (1,000) 10.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import geomrob
from geomrob.inference import is_adversarial
from geomrob.plot.style import look, tidy

MODELS = ("fmnist-lenet", "fmnist-resnet8")
ATTACKS: dict[str, tuple[Callable[..., geomrob.AttackResult], dict[str, Any]]] = {
    "SparseFool": (geomrob.sparsefool, {}),
    "SparseFool, pruned": (geomrob.sparsefool, {"prune": True}),
    "DDN (l2, dense)": (geomrob.ddn, {"bounds": (0.0, 1.0)}),
}
FACTORS = (1.0, 1.5, 3.0)
IMAGES = {"smoke": 20, "cpu": 300, "paper": 1000}
SEED = 0
FIGURES = Path("figures")
NAME = "sparsefool_transfer"


def further(attack: Callable[..., geomrob.AttackResult], factor: float) -> Callable[..., geomrob.AttackResult]:
    """The attack with each perturbation stretched by a factor, cut by the box and asked again."""

    def run(model: torch.nn.Module, inputs: torch.Tensor, labels: Any = None, **options: Any) -> geomrob.AttackResult:
        found = attack(model, inputs, labels, **options)
        if factor == 1:
            return found
        perturbed = (found.inputs + factor * found.perturbation).clamp(0, 1)
        return replace(
            found, perturbed=perturbed, success=found.success & is_adversarial(model, perturbed, found.labels)
        )

    return run


def measure(images: int) -> list[dict[str, Any]]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    models = {name: geomrob.load_model(name) for name in MODELS}
    rows = []
    for name, (attack, options) in ATTACKS.items():
        for factor in FACTORS:
            how = {"labels": data.labels, "data": data.name, "seed": SEED, "attack_name": name, **options}
            matrix = geomrob.transfer_matrix(models, data.images, attack=further(attack, factor), **how)
            facts = {key: value for key, value in vars(matrix.provenance).items() if key != "command"}
            rates, found = matrix.rates.tolist(), matrix.found.double().mean(1).tolist()
            row = {"attack": name, "factor": factor, "images": images, "rates": rates, "found": found}
            rows.append({**row, "accuracy": matrix.accuracy.tolist(), "models": MODELS, "provenance": facts})
            print(f"{name:20} x {factor:g}: {told(rates)}", flush=True)
    return rows


def told(rates: list[list[float]]) -> str:
    ways = ((0, 1), (1, 0))
    return ", ".join(f"{MODELS[s]} to {MODELS[t]} {rates[s][t]:.1%}" for s, t in ways)


def draw(path: Path) -> Figure:
    """Two panels from the JSON, a direction each: fooling rate on the other model, over how far the change goes."""
    rows = json.loads(path.read_text())["rows"]
    figure = Figure(figsize=(9.5, 4.2), dpi=150, layout="constrained")
    for ax, (source, target) in zip(figure.subplots(1, 2, sharey=True), ((0, 1), (1, 0)), strict=True):
        for index, name in enumerate(ATTACKS):
            own, how = [row for row in rows if row["attack"] == name], look(index)
            x, y = [row["factor"] for row in own], [100 * row["rates"][source][target] for row in own]
            ax.plot(x, y, color=how.colour, linestyle=how.line, marker=how.marker, label=name)
            for at, value in zip(x, y, strict=True):
                ax.annotate(f"{value:.0f}", (at, value), (0, 5), textcoords="offset points", fontsize=8, ha="center")
        tidy(ax)
        ax.set_title(f"made on {MODELS[source]}, shown to {MODELS[target]}", fontsize=10)
        ax.set_xlabel("factor of the change, then cut to [0, 1] (1: as found)", fontsize=8.5)
        ax.set_xticks(FACTORS)
    left = figure.axes[0]
    left.set(ylabel="images fooled on the other model (%)", ylim=(0, None))
    left.legend(fontsize=8.5, frameon=False, loc="upper left")
    figure.suptitle(
        f"Do changes that fool one model fool the other? {rows[0]['images']} Fashion-MNIST images; all changes stay in "
        "[0, 1].",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    return figure


def compare(path: Path) -> None:
    """Print the claims beside what was measured."""
    print("published: 8 to 28 % off the diagonal (other networks, ImageNet); dense perturbations transfer more")
    rows = json.loads(path.read_text())["rows"]
    for row in rows:
        print(f"{row['attack']:20} x {row['factor']:g}: {told(row['rates'])}; own {row['found']}")
    for factor in FACTORS:
        at = {row["attack"]: row["rates"] for row in rows if row["factor"] == factor}
        sparse, dense = ((at[name][0][1] + at[name][1][0]) / 2 for name in ("SparseFool", "DDN (l2, dense)"))
        print(f"x {factor:g}: sparse {sparse:.1%}, dense {dense:.1%}: {'as' if dense > sparse else 'NOT as'} published")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        rows = measure(IMAGES[given.scale])
        page = {"command": f"python experiments/{NAME}.py", "rows": rows}
        path.write_text(json.dumps(page, indent=1, allow_nan=False) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
