"""Claim: robust layers move the boundary away, most in the high frequencies, and turn perturbations to low ones.

Reference: Bennabhaktula et al., PushPull-Net, 2024 (more robust to high frequencies, Table 4); Cekic et al., HaH, 2022,
Fig. 5 (larger minimum norms); Attias, Pehlevan, Obeid, "A brain-inspired regularizer", 2024, Fig. 7: power spectrum of
boundary-attack perturbations and its radial mean, more at low frequencies for the regularised network. None of the
three shows margins by band.

Here, for the push-pull, HaH and pixel-similarity networks of the zoo next to their standard twins, on Fashion-MNIST,
and for the same networks in colour on CIFAR-10:
margins in DCT bands and in the whole space; spectra of DeepFool, of the boundary attack with white proposals (as
published: geomrob's own default prefers low frequencies), and of SparseFool; and how often each network is right when
images move along one Fourier direction (heat maps).

    python -m experiments.train_zoo --data-dir DATA --out trained/zoo
    python -m experiments.robust_networks [--trained trained/zoo] [--scale smoke|cpu|paper]
    python -m experiments.robust_networks --data cifar10 --data-dir DATA [--trainings FOLDER] --tag cifar10

Without --trained the embedded networks alone, one seed; the trainings on CIFAR-10 are those of `colour_networks`. One
core: smoke a minute, cpu with three seeds 40 minutes a data set, paper (1,000 images, 10,000 queries) days.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, TRAINED, Experiment, Page, Row, run, stroke
from experiments.small_networks import SWEEPS, images_of, network_of
from experiments.trainings import TRAININGS
from experiments.zoo import cell, mean_and_error, ordering, short, trainings
from geomrob.analysis.spectra.fourier_heat_map import heat_map
from geomrob.analysis.spectra.spectra import perturbation_spectrum
from geomrob.attacks import tight
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data import Samples
from geomrob.plot.style import SEQUENTIAL, blank, figure_headline, tidy

PANELS = {
    "fashion-mnist": {
        "small ResNet-8": ("fmnist-standard", "fmnist-pushpull-avg3", "fmnist-similarity"),
        "small VGG": ("fmnist-vgg", "fmnist-hah"),
    },
    "cifar10": {"small ResNet-8": ("standard", "push-pull", "similarity"), "small VGG": ("VGG", "HaH")},
}
"""The networks on each data set by their family, the standard one first."""
TITLES = {"fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
ATTACKS = ("DeepFool", "boundary attack", "SparseFool")
SEED = 0
EPSILON = 2.0
"""Length of a step along a Fourier direction."""
LOW_RADIUS = 7
PUBLISHED = {
    "pushpull": "gain in the highest band (Table 4)",
    "similarity": "more power at low frequencies (Fig. 7)",
    "hah": "larger smallest perturbations (Fig. 5)",
}


@dataclass(frozen=True)
class Scale:
    """Images, queries of the boundary attack, every how many-th band, the most seeds."""

    images: int
    queries: int
    step: int
    seeds: int = 3


SCALES = {"smoke": Scale(3, 60, 10, 1), "cpu": Scale(12, 500, 3), "paper": Scale(1000, 10000, 1)}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    colour = flags.data == "cifar10"
    data = (
        images_of(scale.images, flags)
        if colour
        else geomrob.load_data("fashion-mnist-1k", samples=scale.images, seed=SEED)
    )
    rows = []
    for name in names_on(flags.data):
        seeds = range(min(scale.seeds, flags.seeds))
        models = (
            {seed: network_of(name, seed, SWEEPS[flags.scale], flags) for seed in seeds}
            if colour
            else trainings(name, flags.trained, seeds)
        )
        for seed, model in models.items():
            row = {"model": name, "seed": seed, **margins(model, data, scale), **spectra(model, data, scale)}
            seen = heat_map(model, data.images, data.labels, epsilon=EPSILON, indices=data.indices, seed=SEED)
            row["heat"] = [[round(value, 4) for value in line] for line in seen.accuracy.tolist()]
            row["heat_radial"] = seen.radial.tolist()
            rows.append(row)
            print(name, seed, {key: round(row["low"][key], 3) for key in ATTACKS}, flush=True)
    return {"data": flags.data, "images": scale.images, "queries": scale.queries, "epsilon": EPSILON, "rows": rows}


def names_on(data: str) -> list[str]:
    """The networks on a data set."""
    return [name for names in PANELS[data].values() for name in names]


def margins(model: nn.Module, data: Samples, scale: Scale) -> Page:
    """Quantiles of the margins in bands and in the whole space."""
    bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))[:: scale.step]
    about = {"labels": data.labels, "indices": data.indices, "data": data.name, "seed": SEED}
    curve = geomrob.margin_curve(model, data.images, subspaces=bands, band_kind="blocks", **about)
    whole = tight(model, data.images).distances().sort().values
    quantiles = dict(zip(("05", "50", "95"), curve.quantiles(0.05, 0.5, 0.95).T.tolist(), strict=True))
    return {
        "accuracy": curve.accuracy,
        "frequency": curve.frequency.tolist(),
        "quantiles": quantiles,
        "whole": [round(value, 5) for value in whole.tolist()],
    }


def spectra(model: nn.Module, data: Samples, scale: Scale) -> Page:
    """Radial profiles of the perturbations of three attacks, and their shares of energy up to `LOW_RADIUS`."""
    found = {
        "DeepFool": geomrob.deepfool(model, data.images),
        "boundary attack": boundary(
            model, data.images, budget=scale.queries, smoothness=0.0, seed=SEED, indices=data.indices
        ),
        "SparseFool": sparsefool(model, data.images),
    }
    radial, low, l2 = {}, {}, {}
    for name, result in found.items():
        spectrum = perturbation_spectrum(result, attack=name, unit_norm=True)
        radial[name] = (spectrum.radial * spectrum.values.numel()).tolist()
        low[name] = float(spectrum.shares[: LOW_RADIUS + 1].sum())
        l2[name] = float(result.distances().median())
    return {"radial": radial, "low": low, "l2": l2}


def of(page: Page, name: str) -> list[Page]:
    return [row for row in page["rows"] if row["model"] == name]


def medians(page: Page, name: str, band: int) -> list[float]:
    """The median margin of each training in a band."""
    return [row["quantiles"]["50"][band] for row in of(page, name)]


def whole(page: Page, name: str) -> list[float]:
    """The median margin of each training in the whole space."""
    return [row["whole"][len(row["whole"]) // 2] for row in of(page, name)]


def lows(page: Page, name: str, attack: str) -> list[float]:
    return [row["low"][attack] for row in of(page, name)]


def means(curves: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Mean over trainings and its standard error, place by place."""
    pairs = [mean_and_error(values) for values in zip(*curves, strict=True)]
    return [mean for mean, _ in pairs], [error for _, error in pairs]


def line(ax: Axes, at: Sequence[float], curves: Sequence[Sequence[float]], index: int, label: str) -> None:
    """Draw the mean over trainings, with its standard error as a shade."""
    middle, error = means(curves)
    how = stroke(index)
    ax.plot(at, middle, ms=4, lw=1.6, label=label, **how)
    pairs = list(zip(middle, error, strict=True))
    lower, upper = [max(m - e, 1e-3) for m, e in pairs], [m + e for m, e in pairs]
    ax.fill_between(at, lower, upper, color=how["color"], alpha=0.18, lw=0)


def draw(page: Page) -> Figure:
    """Margins by band and in the whole space, radial profiles of three attacks, and heat maps."""
    figure = blank(14, 12.5)
    data = page.get("data", "fashion-mnist")
    everyone = names_on(data)
    seeds = max(len(of(page, name)) for name in everyone)
    figure_headline(
        figure,
        "What do push-pull, HaH and pixel similarity do to boundary and perturbations?",
        f"Above: median margins in bands, and how far the boundary is at all. Middle: power of perturbations (norm 1 "
        f"each, 1 = white noise). Below: accuracy after a step of {page['epsilon']:g} along one Fourier direction, "
        f"zero in the middle. {page['images']} images of {TITLES[data]}; shades: standard errors of {seeds} seeds.",
    )
    rows = figure.subfigures(3, 1, height_ratios=[1, 1, 0.8])
    top = rows[0].subplots(1, 3)
    for ax, (title, names) in zip(top, PANELS[data].items(), strict=False):
        for name in names:
            curves = [row["quantiles"]["50"] for row in of(page, name)]
            line(ax, of(page, name)[0]["frequency"], curves, everyone.index(name), short(name))
        ax.set(yscale="log", title=f"{title}: margins by band", xlabel="frequency (cycles per image)")
        ax.set_ylabel("median margin ($\\ell_2$)")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "236" else "")
    for index, name in enumerate(everyone):
        values = sorted(value for row in of(page, name) for value in row["whole"] if math.isfinite(value))
        share = [(rank + 1) / len(values) for rank in range(len(values))]
        top[2].step(values, share, where="post", label=short(name), **{**stroke(index), "marker": ""})
    top[2].set(xscale="log", title="all directions", xlabel="margin ($\\ell_2$)", ylabel="share of images below")
    for ax, attack in zip(rows[1].subplots(1, 3, sharey=True), ATTACKS, strict=True):
        for index, name in enumerate(everyone):
            curves = [row["radial"][attack] for row in of(page, name)]
            line(ax, range(len(curves[0])), curves, index, short(name))
        ax.axhline(1, color="#999999", lw=0.8)
        title = f"{attack}{', white proposals' * (attack == 'boundary attack')}"
        ax.set(yscale="log", title=title, xlabel="radius (cycles per image)", ylabel="power in the ring")
        tidy(ax)
    for ax in top:
        tidy(ax)
        ax.legend(fontsize=8, framealpha=0.85, edgecolor="none")
    planes = rows[2].subplots(1, len(everyone))
    for ax, name in zip(planes, everyone, strict=True):
        values = torch.tensor([row["heat"] for row in of(page, name)]).mean(0)
        half = values.shape[-1] // 2
        image = ax.imshow(100 * values.numpy(), vmin=0, vmax=100, cmap=SEQUENTIAL, extent=(-half, half, half, -half))
        ax.set_title(short(name), fontsize=9)
        ax.tick_params(labelsize=7)
    bar = rows[2].colorbar(image, ax=planes, shrink=0.8)
    bar.set_label("correct (%)")
    return figure


def twins(data: str) -> dict[str, str]:
    """The standard network of each robust one."""
    return {name: names[0] for names in PANELS[data].values() for name in names[1:]}


def compare(page: Page) -> list[Row]:
    """Margins and shares of low frequencies of each robust network and its twin, over the seeds."""
    rows = []
    for name, twin in twins(page.get("data", "fashion-mnist")).items():
        kind = next(kind for kind in PUBLISHED if kind in name.lower().replace("-p", "p"))
        for words, ours, theirs, claim in (
            ("margin, lowest band", medians(page, name, 0), medians(page, twin, 0), ""),
            ("margin, highest band", medians(page, name, -1), medians(page, twin, -1), "pushpull"),
            ("margin, all directions", whole(page, name), whole(page, twin), "hah"),
            *(
                (f"low share, {attack}", lows(page, name, attack), lows(page, twin, attack), "similarity")
                for attack in ATTACKS
            ),
        ):
            here = f"{cell(ours, 3)} against {cell(theirs, 3)}"
            published = PUBLISHED[kind] if claim == kind else ""
            rows.append(Row(f"{short(name)}: {words}", here, published, ordering(ours, theirs) if published else ""))
    return rows


FLAGS = {
    "--data": {"choices": tuple(PANELS), "default": "fashion-mnist", "help": "data set of the networks"},
    "--trained": TRAINED,
    "--data-dir": DATA_DIR,
    "--trainings": TRAININGS,
    "--seeds": {"type": int, "default": 3, "metavar": "N", "help": "trainings of each network, up to three"},
}
EXPERIMENT = Experiment("robust_networks", __doc__ or "", SCALES, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
