"""Claim: each way to search leaves its own spectrum, and the two embedded models differ in every one of them.

Reference: Attias, Pehlevan and Obeid, "A brain-inspired regularizer for adversarial robustness" (2024), Fig. 7 (spectra
of boundary-attack perturbations: power and its radial mean); Modas, thesis (2022), Fig. 4.12 (DCT energy of
perturbations: "always concentrated in the low frequencies"). Published without numbers: perturbations of a network lie
mostly at low frequencies, more so for more robust networks. Here: DeepFool, the decision-based boundary attack, the
sparse SparseFool, and DeepFool held to one DCT block, whose energy outside the block must be under 1e-6 of the whole.

    python experiments/perturbation_spectra.py [--scale smoke|cpu|paper] [--draw-only]

Writes figures/perturbation_spectra.json, then figures/perturbation_spectra.png from the JSON alone.
One core: smoke half a minute, cpu (100 images) about 5 minutes, paper (1,000 images) about an hour.
"""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import geomrob
from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.spectra import perturbation_spectrum
from geomrob.attacks.decision_based.boundary import boundary as walk
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data.entry import Samples
from geomrob.results import AttackResult
from geomrob.spectral.spectra import ring_index
from geomrob.spectral.subspaces import Subspace, blocks

MODELS = ("fmnist-lenet", "fmnist-resnet8")
SHAPE = (28, 28)
IMAGES = {"smoke": 8, "cpu": 100, "paper": 1000}
QUERIES = {"smoke": 300, "cpu": 5000, "paper": 5000}
BLOCKS = blocks(geomrob.basis("dct", SHAPE))
LOW, HIGH = BLOCKS[0], BLOCKS[-1]
SEED = 0
LEAK = 1e-6
FIGURES = Path("figures")
NAME = "perturbation_spectra"

Attack = Callable[[torch.nn.Module, Samples, int], AttackResult]


def boundary(model: torch.nn.Module, data: Samples, queries: int) -> AttackResult:
    return walk(model, data.images, budget=queries, seed=SEED, indices=data.indices)


ATTACKS: dict[str, Attack] = {
    "DeepFool": lambda model, data, _: geomrob.deepfool(model, data.images),
    "boundary attack": boundary,
    "SparseFool": lambda model, data, _: sparsefool(model, data.images),
    f"DeepFool in {LOW.name}": lambda model, data, _: geomrob.deepfool(model, data.images, subspace=LOW),
    f"DeepFool in {HIGH.name}": lambda model, data, _: geomrob.deepfool(model, data.images, subspace=HIGH),
}

BANDS = {f"DeepFool in {band.name}": band for band in (LOW, HIGH)}


def outside(band: Subspace) -> Subspace:
    """What a band leaves out."""
    return Subspace(band.basis, ~band.mask, f"outside {band.name}", math.nan, (math.nan, math.nan))


def leak(result: AttackResult, band: Subspace) -> tuple[float, float]:
    """The share of the perturbations' energy outside their band: of all together, and of the worst one.

    What is there is rounding: an image plus a perturbation is a float32 image, which costs about 1e-13 of energy, more
    than a millionth only of perturbations smaller than 1e-3.
    """
    energy = band_energy(result, [outside(band)])
    return float((energy.shares[0] * energy.energy).sum() / energy.energy.sum()), float(energy.shares.max())


def measure(images: int, queries: int) -> list[dict[str, Any]]:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    found = []
    for model in MODELS:
        network = geomrob.load_model(model)
        for name, attack in ATTACKS.items():
            result = attack(network, data, queries)
            # Each image counts the same: else the few that need large changes would be all there is to see.
            spectrum = perturbation_spectrum(result, name=model, data=data.name, method=name, unit_norm=True)
            energy = band_energy(result, BLOCKS, name=model, data=data.name, attack=name)
            pixels = spectrum.values.numel()
            fact = {
                "model": model,
                "attack": name,
                "images": len(spectrum.rings),
                "left_out": spectrum.left_out,
                "median_l2": float(result.distances().quantile(0.5)),
                "power": [[float(f"{value:.4g}") for value in row] for row in (spectrum.values * pixels).tolist()],
                "radial": (spectrum.radial * pixels).tolist(),
                "error": (spectrum.error * pixels).tolist(),
                "shares": spectrum.shares.tolist(),
                "bands": energy.quantiles(0.05, 0.5, 0.95).tolist(),
                "band_frequency": energy.frequency.tolist(),
                "outside": leak(result, BANDS[name]) if name in BANDS else None,
                "provenance": {key: value for key, value in vars(spectrum.provenance).items() if key != "command"},
            }
            found.append(fact)
            print(f"{model} {name}: median l2 {fact['median_l2']:.3f}, {fact['left_out']} left out", flush=True)
    return found


def draw(path: Path) -> Figure:
    """One row a model: a plane for each attack on one colour scale, and the radial means."""
    facts = json.loads(path.read_text())["spectra"]
    names = list(dict.fromkeys(fact["attack"] for fact in facts))
    models = list(dict.fromkeys(fact["model"] for fact in facts))
    figure = Figure(figsize=(2.1 * len(names) + 4.6, 2.45 * len(models) + 1.6), dpi=150)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 0.865))
    grid = figure.subplots(len(models), len(names) + 1, width_ratios=[1] * len(names) + [1.75], squeeze=False)
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555")
    looks = {
        name: (colours[i], ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))[i], "osD^v"[i]) for i, name in enumerate(names)
    }
    for fact in facts:
        row, column = models.index(fact["model"]), names.index(fact["attack"])
        ax, curves = grid[row, column], grid[row, -1]
        side = len(fact["power"])
        edge = (-side // 2 - 0.5, side // 2 - 0.5)
        power = torch.tensor(fact["power"]).clamp(min=1e-2).numpy()
        image = ax.imshow(power, norm=LogNorm(1e-2, 1e2, clip=True), cmap="viridis", extent=(*edge, edge[1], edge[0]))
        ax.set_title(fact["attack"].replace(" in ", "\nin DCT ") if row == 0 else "", fontsize=9)
        ax.tick_params(labelsize=7)
        ax.set_xlabel("horizontal" if row == len(models) - 1 else "", fontsize=8)
        ax.set_ylabel(f"{fact['model']}\nvertical" if column == 0 else "", fontsize=8)
        left = f", {fact['left_out']} not found" if fact["left_out"] else ""
        ax.text(
            0.5,
            0.02,
            f"median $\\ell_2$ {fact['median_l2']:.2f}{left}",
            transform=ax.transAxes,
            color="white",
            fontsize=7,
            ha="center",
            va="bottom",
        )
        colour, line, mark = looks[fact["attack"]]
        radial, error = torch.tensor(fact["radial"]), 1.96 * torch.tensor(fact["error"])
        rings = range(len(radial))
        curves.fill_between(rings, (radial - error).clamp(min=1e-3), radial + error, color=colour, alpha=0.2, lw=0)
        curves.plot(
            rings, radial.clamp(min=1e-3), color=colour, ls=line, marker=mark, ms=3, lw=1.5, label=fact["attack"]
        )
        curves.set(yscale="log", ylim=(1e-2, 3e2), xticks=range(0, len(radial), 5))
    for row, curves in enumerate(grid[:, -1]):
        curves.axhline(1, color="#999999", lw=0.8)
        curves.grid(color="#dddddd", lw=0.6)
        curves.spines[["top", "right"]].set_visible(False)
        curves.tick_params(labelsize=7)
        curves.set_ylabel("mean power in the ring", fontsize=8)
        curves.set_title(models[row], fontsize=9)
    grid[0, -1].legend(fontsize=6.5, framealpha=0.85, edgecolor="none")
    grid[-1, -1].set_xlabel("radius (cycles per image): coarse to fine", fontsize=8)
    bar = figure.colorbar(image, ax=grid[:, :-1], orientation="horizontal", shrink=0.5, aspect=50, extend="both")
    bar.set_label("power, 1 = that of white noise of the same energy", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    text = (
        f"Mean power spectrum of {facts[0]['images']} Fashion-MNIST images' perturbations, each scaled to norm 1. "
        "Frequency in cycles per image, zero in the middle: coarse patterns; borders: fine.\n"
        "Right: mean over each ring, with its 95 % confidence band. Grey line: white noise. Above it: "
        "more than noise of that size would have."
    )
    figure.text(0.01, 0.985, "Which spatial frequencies do the perturbations use?", fontweight="bold", va="top")
    figure.text(0.01, 0.945, text, fontsize=8.5, va="top", color="#666666")
    return figure


def compare(path: Path) -> None:
    """Print the claims beside what was measured."""
    print("published: energy concentrated in the low frequencies, hardly any in the high; no numbers given")
    for fact in json.loads(path.read_text())["spectra"]:
        low = sum(fact["shares"][:8])
        told = f"below 7.5 cycles {low:6.1%}, white noise would have {sum_white(7):.1%}"
        if fact["outside"] is not None:
            whole, worst = fact["outside"]
            held = "under" if whole < LEAK else "NOT under"
            told += f"; outside the block {whole:.1e} of all energy, {held} {LEAK:g} (worst image {worst:.1e})"
        print(f"{fact['model']:15} {fact['attack']:26} median l2 {fact['median_l2']:6.3f}  {told}")


def sum_white(radius: int) -> float:
    """The share of all bins in rings up to a radius: what white noise has there."""
    return float((ring_index(SHAPE) <= radius).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=IMAGES, default="cpu")
    parser.add_argument("--draw-only", action="store_true", help="draw the picture from the JSON that is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{NAME}.json"
    if not given.draw_only:
        found = measure(IMAGES[given.scale], QUERIES[given.scale])
        page = {"command": f"python experiments/perturbation_spectra.py --scale {given.scale}", "spectra": found}
        path.write_text(json.dumps(page, indent=1) + "\n")
    draw(path).savefig(FIGURES / f"{NAME}.png")
    compare(path)


if __name__ == "__main__":
    main()
