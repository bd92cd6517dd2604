"""Claim: on real images a network's margin grows with the frequency; in a random basis no band stands out.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), Figs. 4.3 and 4.4;
Ortiz-Jimenez, Modas et al., "Hold me tight!", NeurIPS 2020. Published, for a LeNet on MNIST: the median margin rises by
about an order of magnitude from the lowest to the highest diagonal DCT block and is flat over the blocks of a random
basis. The curves there are DeepFool's; the second attack here shows how much of the height is the search's and not the
model's.

    python -m experiments.margin_by_band [--scale smoke|cpu|paper]

Two cores: smoke half a minute, cpu about 10 minutes, paper (1,000 images) about 100.
"""

import argparse

from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, facts, run, stroke
from geomrob.plot.style import blank, figure_headline, tidy

MODELS = ("fmnist-lenet", "fmnist-resnet8")
METHODS = ("deepfool", "tight")
BASES = ("dct", "random")
# Last over first band.
PUBLISHED = {"dct": "about 10", "random": "about 1"}
SCALES = {"smoke": 8, "cpu": 100, "paper": 1000}
SEED = 0


def measure(images: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    curves = []
    for model in MODELS:
        network = geomrob.load_model(model)
        for basis in BASES:
            bands = geomrob.bands("blocks", geomrob.basis(basis, data.images.shape[-2:], seed=SEED))
            for method in METHODS:
                curve = geomrob.margin_curve(
                    network,
                    data.images,
                    subspaces=bands,
                    attack=method,
                    labels=data.labels,
                    indices=data.indices,
                    name=model,
                    data=data.name,
                    band_kind="blocks",
                    seed=SEED,
                )
                curves.append(curve_facts(curve))
                print(f"{model} {basis} {method}: {curve.provenance.seconds:.0f} s", flush=True)
    return {"curves": curves}


def curve_facts(curve: geomrob.MarginCurve) -> Page:
    return {
        "model": curve.model,
        "data": curve.data,
        "basis": curve.basis,
        "method": curve.attack,
        "images": len(curve.indices),
        "accuracy": curve.accuracy,
        "bands": curve.bands,
        "frequency": curve.frequency.tolist(),
        "quantiles": dict(zip(("05", "50", "95"), curve.quantiles(0.05, 0.5, 0.95).T.tolist(), strict=True)),
        "interval": curve.interval.tolist(),
        "reached": curve.reached.tolist(),
        "forwards": float(curve.forwards.mean()),
        "backwards": float(curve.backwards.mean()),
        "provenance": facts(curve),
    }


def draw(page: Page) -> Figure:
    """Two panels: left the DCT, right the random basis; both models, both attacks."""
    figure = blank(11, 5.2)
    figure_headline(
        figure,
        "How far must an image move, inside one band, to change its class?",
        f"Median of {page['curves'][0]['images']} Fashion-MNIST images. Dashed, open marks: DeepFool, as published. "
        "Solid: geomrob's tight search, with its 95 % interval. Lower is a closer boundary.",
    )
    axes = figure.subplots(1, 2, sharey=True)
    for curve in page["curves"]:
        ax, how = axes[BASES.index(curve["basis"])], stroke(MODELS.index(curve["model"]))
        at = curve["frequency"] if curve["basis"] == "dct" else range(len(curve["bands"]))
        label = f"{curve['model']} ({curve['accuracy']:.0%} correct), {curve['method']}"
        if curve["method"] == "tight":
            how |= {"linestyle": "-"}
            ax.fill_between(at, *zip(*curve["interval"], strict=True), color=how["color"], alpha=0.18, lw=0)
        else:
            how |= {"linestyle": "--", "markerfacecolor": "white"}
        ax.plot(at, curve["quantiles"]["50"], markersize=4, label=label, **how)
    axes[0].set(
        yscale="log",
        xlabel="frequency of the band (cycles per image): coarse to fine",
        ylabel="median margin: $\\ell_2$ distance to the\ndecision boundary ([0, 1] pixel units)",
        title="DCT: fine patterns need larger changes",
    )
    axes[1].set(xlabel="band of a random orthonormal basis", title="Random basis: no band stands out")
    axes[0].set_yticks([0.3, 0.5, 1, 2, 3, 5])
    axes[0].minorticks_off()
    axes[1].set_xticks(range(0, 21, 4))
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0].legend(fontsize=8, framealpha=0.9)
    for ax in axes:
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """How much the median rises from the first band to the last."""
    rows = []
    for curve in page["curves"]:
        median = curve["quantiles"]["50"]
        rise, spread = median[-1] / median[0], max(median) / min(median)
        here = f"last/first {rise:5.2f}, max/min {spread:5.2f}, found {min(curve['reached']):.0%}"
        cost = f"{curve['forwards']:.1f} fwd + {curve['backwards']:.1f} bwd a pair"
        rows.append(Row(f"{curve['model']} {curve['basis']} {curve['method']}", here, PUBLISHED[curve["basis"]], cost))
    return rows


EXPERIMENT = Experiment("margin_by_band", __doc__, SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
