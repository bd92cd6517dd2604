"""Claim: each way to search leaves its own spectrum, and the two embedded models differ in every one of them.

Reference: Attias, Pehlevan and Obeid, "A brain-inspired regularizer for adversarial robustness" (2024), Fig. 7 (spectra
of boundary-attack perturbations: power and its radial mean); Modas, Robustness and invariance properties of image
classifiers, EPFL 2022, Fig. 4.12 (DCT energy of perturbations: "always concentrated in the low frequencies").
Published without numbers: perturbations of a network lie mostly at low frequencies, more so for more robust networks.
Here: DeepFool, the decision-based boundary attack with white proposals, the sparse SparseFool, and DeepFool held to one
DCT block, whose energy outside the block must be under 1e-6 of the whole. The default proposals of the boundary attack
are smooth, which leaves more energy at low frequencies than the boundary asks for: how much more is measured too.

    python -m experiments.perturbation_spectra [--scale smoke|cpu|paper]

One core: smoke half a minute, cpu (100 images) about 5 minutes, paper (1,000 images) about an hour.
"""

import argparse
import math
from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, facts, run, stroke
from geomrob.analysis.spectra.band_energy import band_energy
from geomrob.analysis.spectra.spectra import perturbation_spectrum
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data import Samples
from geomrob.plot.style import SEQUENTIAL, blank, figure_headline, tidy
from geomrob.results import AttackResult
from geomrob.spectral.spectra import ring_index
from geomrob.spectral.subspaces import Subspace, blocks

MODELS = ("fmnist-lenet", "fmnist-resnet8")
SHAPE = (28, 28)
# Images, and queries of the boundary attack.
SCALES = {"smoke": (8, 300), "cpu": (100, 5000), "paper": (1000, 5000)}
BLOCKS = blocks(geomrob.basis("dct", SHAPE))
LOW, HIGH = BLOCKS[0], BLOCKS[-1]
SEED = 0
# Largest share of the energy outside a block, and the radius up to which frequencies are called low.
LEAK, LOW_RADIUS = 1e-6, 7
PUBLISHED = "mostly low frequencies"

SMOOTH = "boundary attack, smooth proposals"
"""Measured for its shares, not drawn."""


def walk(smoothness: float) -> Callable[[torch.nn.Module, Samples, int], AttackResult]:
    """The boundary attack with proposals of that smoothness."""
    return lambda model, data, queries: boundary(
        model, data.images, budget=queries, smoothness=smoothness, seed=SEED, indices=data.indices
    )


ATTACKS: dict[str, Callable[[torch.nn.Module, Samples, int], AttackResult]] = {
    "DeepFool": lambda model, data, _: geomrob.deepfool(model, data.images),
    "boundary attack": walk(0.0),
    SMOOTH: walk(1.0),
    "SparseFool": lambda model, data, _: sparsefool(model, data.images),
    f"DeepFool in {LOW.name}": lambda model, data, _: geomrob.deepfool(model, data.images, subspace=LOW),
    f"DeepFool in {HIGH.name}": lambda model, data, _: geomrob.deepfool(model, data.images, subspace=HIGH),
}
HELD = {f"DeepFool in {band.name}": band for band in (LOW, HIGH)}


def leak(result: AttackResult, band: Subspace) -> tuple[float, float]:
    """The share of the perturbations' energy outside their band: of all together, and of the worst one.

    What is there is rounding: an image plus a perturbation is a float32 image, which costs about 1e-13 of energy, more
    than a millionth only of perturbations smaller than 1e-3.
    """
    outside = Subspace(band.basis, ~band.mask, f"outside {band.name}", math.nan, (math.nan, math.nan))
    energy = band_energy(result, [outside])
    return float((energy.shares[0] * energy.energy).sum() / energy.energy.sum()), float(energy.shares.max())


def measure(size: tuple[int, int], _: argparse.Namespace) -> Page:
    images, queries = size
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    spectra = []
    for model in MODELS:
        network = geomrob.load_model(model)
        for name, attack in ATTACKS.items():
            result = attack(network, data, queries)
            # Each image counts the same: else the few that need large changes would be all there is to see.
            spectrum = perturbation_spectrum(result, name=model, data=data.name, attack=name, unit_norm=True)
            energy = band_energy(result, BLOCKS, name=model, data=data.name, attack=name)
            pixels = spectrum.values.numel()
            row = {
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
                "outside": leak(result, HELD[name]) if name in HELD else None,
                "provenance": facts(spectrum),
            }
            spectra.append(row)
            print(f"{model} {name}: median l2 {row['median_l2']:.3f}, {row['left_out']} left out", flush=True)
    return {"spectra": spectra}


def draw(page: Page) -> Figure:
    """One row a model: a plane for each attack on one colour scale, and the radial means."""
    spectra = [row for row in page["spectra"] if row["attack"] != SMOOTH]
    names = list(dict.fromkeys(row["attack"] for row in spectra))
    models = list(dict.fromkeys(row["model"] for row in spectra))
    figure = blank(2.1 * len(names) + 4.6, 2.45 * len(models) + 1.6)
    figure_headline(
        figure,
        "Which spatial frequencies do the perturbations use?",
        f"Mean power spectrum of {spectra[0]['images']} Fashion-MNIST images' perturbations, each scaled to norm 1. "
        "Frequency in cycles per image, zero in the middle: coarse patterns; borders: fine. Right: mean over each "
        "ring, with its 95 % confidence band. Grey line: white noise. Above: more than noise of that size would have.",
    )
    grid = figure.subplots(len(models), len(names) + 1, width_ratios=[1] * len(names) + [1.75], squeeze=False)
    for row in spectra:
        at, index = models.index(row["model"]), names.index(row["attack"])
        ax = grid[at, index]
        image = plane(ax, row)
        ax.set_title(row["attack"].replace(" in ", "\nin DCT ") if at == 0 else "", fontsize=9)
        ax.set_xlabel("horizontal" if at == len(models) - 1 else "", fontsize=8)
        ax.set_ylabel(f"{row['model']}\nvertical" if index == 0 else "", fontsize=8)
        radial, error = torch.tensor(row["radial"]), 1.96 * torch.tensor(row["error"])
        rings, how = range(len(radial)), stroke(index)
        low = (radial - error).clamp(min=1e-3)
        grid[at, -1].fill_between(rings, low, radial + error, color=how["color"], alpha=0.2, lw=0)
        grid[at, -1].plot(rings, radial.clamp(min=1e-3), ms=3, lw=1.5, label=row["attack"], **how)
    for model, ax in zip(models, grid[:, -1], strict=True):
        ax.axhline(1, color="#999999", lw=0.8)
        tidy(ax)
        ax.tick_params(labelsize=7)
        ax.set(yscale="log", ylim=(1e-2, 3e2), xticks=range(0, len(radial), 5))
        ax.set_ylabel("mean power in the ring", fontsize=8)
        ax.set_title(model, fontsize=9)
    grid[-1, -1].set_xlabel("radius (cycles per image): coarse to fine", fontsize=8)
    grid[-1, -1].legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2)
    bar = figure.colorbar(image, ax=grid[:, :-1], orientation="horizontal", shrink=0.5, aspect=50, extend="both")
    bar.set_label("power, 1 = that of white noise of the same energy", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def plane(ax: Axes, row: Page) -> object:
    """One power spectrum, with the median norm of the perturbations on it."""
    side = len(row["power"])
    low, high = -side // 2 - 0.5, side // 2 - 0.5
    power = torch.tensor(row["power"]).clamp(min=1e-2).numpy()
    norm = LogNorm(1e-2, 1e2, clip=True)
    image = ax.imshow(power, norm=norm, cmap=SEQUENTIAL, extent=(low, high, high, low))
    left = f", {row['left_out']} not found" if row["left_out"] else ""
    style = {"color": "white", "fontsize": 7, "ha": "center", "va": "bottom"}
    ax.text(0.5, 0.02, f"median $\\ell_2$ {row['median_l2']:.2f}{left}", transform=ax.transAxes, **style)
    ax.tick_params(labelsize=7)
    return image


def compare(page: Page) -> list[Row]:
    """The share of low frequencies, and how much energy leaks out of a block."""
    white = float((ring_index(SHAPE) <= LOW_RADIUS).double().mean())
    rows = []
    for row in page["spectra"]:
        low = sum(row["shares"][: LOW_RADIUS + 1])
        name = f"{row['model']} {row['attack']}"
        here = f"median l2 {row['median_l2']:6.3f}, below 7.5 cycles {low:6.1%}"
        if row["outside"] is None:
            rows.append(Row(name, here, PUBLISHED, f"white noise: {white:.1%}"))
        else:
            whole, worst = row["outside"]
            rows.append(Row(name, here))
            rows.append(Row("  energy outside", f"{whole:.1e} (worst image {worst:.1e})", f"< {LEAK:g}", whole < LEAK))
    return rows


EXPERIMENT = Experiment("perturbation_spectra", __doc__, SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
