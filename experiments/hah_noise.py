"""Claim: HaH keeps accuracy as noise grows, over 16 corruptions, with sparser activations and less noise in each layer.

Reference: Cekic, Bakiskan, Madhow, "Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks", 2022, Figs. 2
(Hoyer ratio of activations), 3 (signal to noise at the inputs of blocks) and 4 (accuracy over the noise, 64 against 26
% at 0.1), Table 2 (mean over 16 corruptions: standard 53.0, trained on linf 8/255 images 63.1, HaH 67.7; in fog and
contrast the second has 29.7 and 18.0 %). VGG-16 on CIFAR-10.

Here: the small VGG of the zoo on Fashion-MNIST, and the ResNet-8 trained on linf PGD images of radius 8/255.

    python -m experiments.hah_noise [--trained trained/zoo] [--scale smoke|cpu|paper]

Without --trained the embedded networks alone, one seed. One core: smoke half a minute, cpu 4 minutes, paper an hour.
"""

import argparse
import statistics

from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import TRAINED, Experiment, Page, Row, run, stroke
from experiments.zoo import cell, mean_and_error, ordering, short, trainings
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.data import Samples
from geomrob.data.corruptions import corrupt
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy

NAMES = ("fmnist-vgg", "fmnist-hah", "fmnist-linf-adversarial")
SIGMAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
SIXTEEN = (
    *("gaussian_noise", "shot_noise", "speckle_noise", "impulse_noise"),
    *("snow", "fog", "frost", "brightness"),
    *("defocus_blur", "gaussian_blur", "motion_blur", "zoom_blur"),
    *("contrast", "elastic_transform", "pixelate", "spatter"),
)
SEED = 0
# Images under noise and corruptions, images at the layers.
SCALES = {"smoke": (10, 4), "cpu": (200, 50), "paper": (1000, 1000)}
# Table 2, in per cent.
PUBLISHED = {"fmnist-vgg": 53.0, "fmnist-linf-adversarial": 63.1, "fmnist-hah": 67.7}
BAD = {"fog": 29.7, "contrast": 18.0}


def measure(size: tuple[int, int], flags: argparse.Namespace) -> Page:
    images, few = size
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    changed = {("noise", sigma): noisy(data.images, kind="gaussian", epsilon=sigma, seed=SEED) for sigma in SIGMAS[1:]}
    changed |= {
        (name, severity): corrupt(data.images, name, severity, indices=data.indices)
        for name in SIXTEEN
        for severity in range(1, 6)
    }
    rows = []
    for name in NAMES:
        for seed, model in trainings(name, flags.trained).items():
            known = {key: 100 * accuracy(model, with_images(data, given)) for key, given in changed.items()}
            clean = 100 * accuracy(model, data)
            rows.append(
                {
                    "model": name,
                    "seed": seed,
                    "noise": [clean, *(known["noise", sigma] for sigma in SIGMAS[1:])],
                    "corruptions": {
                        name: statistics.fmean(known[name, severity] for severity in range(1, 6)) for name in SIXTEEN
                    },
                    **(at_layers(model, data, few) if name != "fmnist-linf-adversarial" else {}),
                }
            )
            print(name, seed, [round(value, 1) for value in rows[-1]["noise"]], flush=True)
    return {"images": images, "sigmas": list(SIGMAS), "rows": rows}


def with_images(data: Samples, images: object) -> Samples:
    return Samples(images, data.labels, data.classes, data.indices, data.name)  # type: ignore[arg-type]


def at_layers(model: nn.Module, data: Samples, few: int) -> Page:
    """Sparsity of what leaves, and signal to noise of what enters, each convolution's block."""
    part = data.subset(list(range(few)))
    outputs = geomrob.layers(model, part.images, at="output", indices=part.indices, seed=SEED)
    inputs = geomrob.layers(model, part.images, at="input", indices=part.indices, seed=SEED)
    return {
        "layers": [record["layer"] for record in inputs.records()],
        "hoyer": [float(record["sparsity"]) for record in outputs.records()],
        "snr": [float(record["snr_db"]) for record in inputs.records()],
    }


def of(page: Page, name: str) -> list[Page]:
    return [row for row in page["rows"] if row["model"] == name]


def mean_corrupted(page: Page, name: str) -> list[float]:
    """The mean over the 16 corruptions, a number a training."""
    return [statistics.fmean(row["corruptions"].values()) for row in of(page, name)]


def under(page: Page, name: str, corruption: str) -> list[float]:
    return [row["corruptions"][corruption] for row in of(page, name)]


def draw(page: Page) -> Figure:
    """Accuracy over noise; by corruption; sparsity and signal to noise by layer."""
    figure = blank(13, 9)
    figure_headline(
        figure,
        "What do HaH blocks do under noise and corruptions?",
        f"{page['images']} Fashion-MNIST images. Above: accuracy under Gaussian noise (bars: standard errors over "
        "trainings) and under each of 16 corruptions, mean of 5 severities. Below: Hoyer ratio of outputs (lower is "
        "sparser) and signal to noise at inputs of layers, for noise of 0.1.",
    )
    (left, right), (low, high) = figure.subplots(2, 2, width_ratios=[1, 1.6])
    for index, name in enumerate(NAMES):
        curves = list(zip(*(row["noise"] for row in of(page, name)), strict=True))
        pairs = [mean_and_error(values) for values in curves]
        how = stroke(index)
        left.errorbar(page["sigmas"], [m for m, _ in pairs], [e for _, e in pairs], label=short(name), capsize=2, **how)
        values = [statistics.fmean(under(page, name, one)) for one in SIXTEEN]
        right.plot(range(len(SIXTEEN)), values, **{**how, "linestyle": "none"}, label=short(name))
        if "snr" in of(page, name)[0]:
            for ax, key in ((low, "hoyer"), (high, "snr")):
                middle = [
                    statistics.fmean(values) for values in zip(*(row[key] for row in of(page, name)), strict=True)
                ]
                ax.plot(range(len(middle)), middle, label=short(name), **how)
    left.set(xlabel="standard deviation of the noise", ylabel="correct (%)")
    right.set(ylabel="correct (%)")
    right.set_xticks(
        range(len(SIXTEEN)), [name.replace("_", " ") for name in SIXTEEN], rotation=40, ha="right", fontsize=8
    )
    low.set(xlabel="layer", ylabel="Hoyer ratio of outputs")
    high.set(xlabel="layer", ylabel="signal to noise of inputs (dB)")
    for ax in (left, right, low, high):
        tidy(ax)
        ax.legend(fontsize=8)
    return figure


def compare(page: Page) -> list[Row]:
    """Noise at 0.1, the means over 16 corruptions, fog and contrast, sparsity and signal to noise."""
    at = page["sigmas"].index(0.1)
    noise = {name: [row["noise"][at] for row in of(page, name)] for name in NAMES}
    here = f"{cell(noise['fmnist-hah'])} against {cell(noise['fmnist-vgg'])}"
    rows = [Row("noise of 0.1: hah, vgg", here, "64 against 26", ordering(noise["fmnist-hah"], noise["fmnist-vgg"]))]
    for name, published in PUBLISHED.items():
        rows.append(Row(f"16 corruptions: {short(name)}", cell(mean_corrupted(page, name)), f"{published}"))
    for corruption, published in BAD.items():
        here = ", ".join(f"{short(name)} {cell(under(page, name, corruption))}" for name in NAMES)
        rows.append(Row(corruption, here, f"adversarial {published}"))
    for key in ("hoyer", "snr"):
        means = {
            name: [round(statistics.fmean(v), 3) for v in zip(*(row[key] for row in of(page, name)), strict=True)]
            for name in NAMES[:2]
        }
        rows.append(Row(key, f"hah {means['fmnist-hah']}, vgg {means['fmnist-vgg']}"))
    return rows


EXPERIMENT = Experiment("hah_noise", __doc__ or "", SCALES, measure, draw, compare, {"--trained": TRAINED})

if __name__ == "__main__":
    run(EXPERIMENT)
