"""Claim: push-pull turns learned kernels into band-pass filters, lifts edges out of noise, and learns both signs.

Reference: Bennabhaktula et al., "PushPull-Net", 2024, Figs. 3 (push kernels and their pull kernels), 4 (signal to noise
of an edge, 20 log10 A_s/A_n), 5 (spectra over alpha and average) and 6 (learned inhibition: both signs, mostly below 1,
from a larger range with the 3 x 3 average), supplement Fig. 10 (negative alpha from -1 to 0 changes little). Published
as pictures, of the 64 kernels of a ResNet-50 trained on ImageNet.

Here: the six 5 x 5 kernels of the embedded LeNet, and the learned inhibitions of the embedded push-pull networks.

    python -m experiments.push_pull_kernels [--scale smoke|cpu|paper]

One core: a few seconds at every scale.
"""

import argparse
import math
import statistics

import torch
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import Experiment, Page, Row, run, stroke
from geomrob.analysis.spectra.spectra import kernel_spectrum
from geomrob.models.layers.push_pull import PushPullConv2d
from geomrob.plot.style import SEQUENTIAL, blank, figure_headline, tidy
from geomrob.spectral.push_pull_kernel import edge_snr, pull_kernel

KERNELS = "fmnist-lenet"
LEARNED = ("fmnist-pushpull-avg3", "fmnist-pushpull-avg5", "cifar10-pushpull-avg5")
ALPHAS, BOXES = (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 6.0), (0, 3, 5)
SNR_ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SCALES = {"smoke": 2, "cpu": 20, "paper": 20}
"""Draws of the noise behind the edge."""
SIZE = 16
PUBLISHED = {
    "pull": "opposite contrast",
    "snr": "rises with push-pull",
    "band-pass": "band-pass for small alpha",
    "signs": "both signs, mostly below 1",
    "wider": "larger range with the 3 x 3 average",
    "negative": "little changed from -1 to 0",
}


def first(model: nn.Module) -> torch.Tensor:
    return next(module.weight for module in model.modules() if isinstance(module, nn.Conv2d)).detach()


def measure(draws: int, _: argparse.Namespace) -> Page:
    kernels = first(geomrob.load_model(KERNELS))
    pull = pull_kernel(kernels)
    spectra = {}
    for alpha in ALPHAS:
        for box in BOXES:
            spectrum = kernel_spectrum(kernels, alpha=alpha, box=box, size=SIZE)
            spectra[f"{alpha:g}, {box}"] = {
                "plane": [[float(f"{value:.4g}") for value in line] for line in spectrum.values.tolist()],
                "radial": spectrum.radial.tolist(),
            }
    ratios: Page = {}
    for box in BOXES[:2]:
        values = torch.stack(
            [
                torch.stack([edge_snr(kernels, alpha, box=box, seed=seed) for seed in range(draws)])
                for alpha in SNR_ALPHAS
            ]
        )
        # Filters that do not answer to the edge at all have no ratio.
        known = values.isfinite().all(0).all(0)
        ratios[str(box)] = values[:, :, known].mean(1).T.tolist()
    inhibitions = {}
    for name in LEARNED:
        layer = next(module for module in geomrob.load_model(name).modules() if isinstance(module, PushPullConv2d))
        inhibitions[name] = layer.inhibition.flatten().tolist()
    pairs = zip(kernels.flatten(1), pull.flatten(1), strict=True)
    return {
        "kernels": kernels[:, 0].tolist(),
        "pull": pull[:, 0].tolist(),
        "correlation": [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs],
        "spectra": spectra,
        "snr": ratios,
        "inhibition": inhibitions,
    }


def dc(page: Page, alpha: float, box: int = 0) -> float:
    """The amplitude at frequency zero over the largest of the radial means: 1 for a low-pass filter."""
    radial = page["spectra"][f"{alpha:g}, {box}"]["radial"]
    return radial[0] / max(radial)


def alike(page: Page, alpha: float, box: int = 0) -> float:
    """The correlation of a plane with that of alpha 0."""
    planes = [torch.tensor(page["spectra"][f"{a:g}, {box}"]["plane"]).flatten() for a in (alpha, 0.0)]
    return float(torch.corrcoef(torch.stack(planes))[0, 1])


def gains(page: Page, box: str = "0") -> list[float]:
    """Decibels that the best alpha adds, filter by filter."""
    return [max(values[1:]) - values[0] for values in page["snr"][box]]


def draw(page: Page) -> Figure:
    """Kernels, spectra over alpha and average, signal to noise, learned inhibitions."""
    figure = blank(13, 9.5)
    figure_headline(
        figure,
        "What does push-pull do to learned kernels?",
        f"Top: the kernels of {KERNELS} and, below each, its pull kernel. Middle: mean spectrum of the combined "
        "kernels, zero frequency in the middle, each on its own scale. Bottom: how far an edge rises above noise, "
        "filter by filter, and the inhibitions that networks learn.",
    )
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=[0.8, 1.6, 1])
    grid = top.subplots(2, len(page["kernels"]))
    for column, pair in enumerate(zip(page["kernels"], page["pull"], strict=True)):
        for row, kernel in enumerate(pair):
            grid[row, column].imshow(kernel, cmap="gray")
            grid[row, column].set_axis_off()
    planes = middle.subplots(len(BOXES), len(ALPHAS))
    for row, box in enumerate(BOXES):
        for column, alpha in enumerate(ALPHAS):
            ax = planes[row, column]
            ax.imshow(page["spectra"][f"{alpha:g}, {box}"]["plane"], cmap=SEQUENTIAL)
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"$\\alpha$ = {alpha:g}" if row == 0 else "", fontsize=9)
            ax.set_ylabel(f"average {box}" if column == 0 else "", fontsize=9)
    left, right = bottom.subplots(1, 2)
    for index, (box, filters) in enumerate(page["snr"].items()):
        for number, values in enumerate(filters):
            how = {**stroke(index), "marker": ""}
            left.plot(SNR_ALPHAS, values, label=f"average {box}" if number == 0 else None, **how)
    left.set(xlabel="inhibition $\\alpha$", ylabel="edge over noise (dB)")
    for index, (name, values) in enumerate(page["inhibition"].items()):
        right.plot(sorted(values), [(i + 1) / len(values) for i in range(len(values))], label=name, **stroke(index))
    right.set(xlabel="learned inhibition $\\alpha$", ylabel="share of the filters below")
    right.axvline(0, color="#999999", lw=0.8)
    for ax in (left, right):
        tidy(ax)
        ax.legend(fontsize=8)
    return figure


def compare(page: Page) -> list[Row]:
    """Each picture of the paper as a number."""
    added = gains(page)
    values = [value for name in LEARNED[:2] for value in page["inhibition"][name]]
    below = sum(abs(value) < 1 for value in values) / len(values)
    both = min(values) < 0 < max(values)
    spread = {name: statistics.pstdev(page["inhibition"][name]) for name in LEARNED}
    ends = f"at zero {dc(page, 0.25):.2f} for alpha 0.25, {dc(page, 6.0):.2f} for 6"
    return [
        Row(
            "correlation of push and pull",
            max(page["correlation"]),
            PUBLISHED["pull"],
            max(page["correlation"]) < -0.99,
        ),
        Row("edge over noise, best alpha", f"{statistics.fmean(added):+.1f} dB", PUBLISHED["snr"], min(added) > 0),
        Row(
            "spectrum", ends, PUBLISHED["band-pass"], dc(page, 0.25) < dc(page, 6.0) and math.isclose(dc(page, 6.0), 1)
        ),
        Row("learned inhibitions", f"{below:.0%} below 1", PUBLISHED["signs"], both and below > 0.5),
        Row("spread, averages 3 and 5", f"{spread[LEARNED[0]]:.2f}, {spread[LEARNED[1]]:.2f}", PUBLISHED["wider"]),
        Row("alpha -1 and 0, correlation", alike(page, -1.0), PUBLISHED["negative"], alike(page, -1.0) > 0.9),
    ]


EXPERIMENT = Experiment("push_pull_kernels", __doc__ or "", SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
