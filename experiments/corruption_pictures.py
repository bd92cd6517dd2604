"""Claim: the 15 corruptions change different frequencies, noises the high ones and weather the low ones.

Reference: Attias, Pehlevan, Obeid, "A brain-inspired regularizer", 2024, Fig. 25 (mean amplitude of what a corruption
changes, E|F(C(X) - X)|, severity 3, log(1 + x)), Fig. 11 (Gaussian, uniform, salt-and-pepper noise); Bennabhaktula et
al., PushPull-Net, 2024, supplement Fig. 9 (75 corruptions of one image). Published as pictures.

    python -m experiments.corruption_pictures [--scale smoke|cpu|paper]

Fashion-MNIST, corruptions made by geomrob. Also draws figures/noise_pictures.png. One core: a minute at every scale.
"""

import argparse
import statistics

from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, run
from geomrob.analysis.corruptions.scores import BENCHMARK, SPLITS
from geomrob.analysis.spectra.spectra import corruption_spectrum
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.data.corruptions import corrupt
from geomrob.plot.style import SEQUENTIAL, blank, figure_headline

SCALES = {"smoke": 8, "cpu": 200, "paper": 1000}
SEED, SEVERITY, SEVERITIES = 0, 3, (1, 2, 3, 4, 5)
NOISES = {"gaussian": 0.1, "uniform": 0.1, "salt-pepper": 0.1}
PUBLISHED = {"frequency": "low, mid, high groups", "noise": "strength 0.1", "sheet": "75 pictures"}


def measure(images: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    spectra, distances = {}, {}
    for name in BENCHMARK:
        changed = {severity: corrupt(data.images, name, severity, indices=data.indices) for severity in SEVERITIES}
        spectrum = corruption_spectrum(data.images, changed[SEVERITY], name=name)
        weights = spectrum.radial * spectrum.counts
        radii = list(range(len(spectrum.radial)))
        spectra[name] = {
            "plane": [[float(f"{value:.4g}") for value in line] for line in spectrum.values.log1p().tolist()],
            "radial": spectrum.radial.tolist(),
            "centre": float(sum(r * w for r, w in zip(radii, weights.tolist(), strict=True)) / weights.sum()),
        }
        distances[name] = [float((changed[s] - data.images).square().mean().sqrt()) for s in SEVERITIES]
    noises = {}
    for kind, strength in NOISES.items():
        image = data.images[:1] * 0 + 0.5
        many = noisy(image.repeat(images, 1, 1, 1), kind=kind, epsilon=strength, seed=SEED, indices=data.indices)
        noises[kind] = {"deviation": float((many - 0.5).std()), "changed": float((many != 0.5).double().mean())}
    return {"images": images, "severity": SEVERITY, "spectra": spectra, "distances": distances, "noises": noises}


def centres(page: Page) -> dict[str, float]:
    """The mean centre of the spectra of each group of the paper, in cycles per image."""
    groups = SPLITS["pixel_similarity"]
    return {
        group: statistics.fmean(page["spectra"][name]["centre"] for name in names) for group, names in groups.items()
    }


def rising(page: Page) -> list[str]:
    """Corruptions whose distance from the image grows with each severity."""
    return [name for name, values in page["distances"].items() if values == sorted(values)]


def draw(page: Page) -> dict[str, Figure]:
    """The planes of the 15 corruptions, each on its own scale."""
    figure = blank(11, 7.6)
    figure_headline(
        figure,
        "Which frequencies does each corruption change?",
        f"log(1 + mean amplitude of the change), {page['images']} Fashion-MNIST images, severity {page['severity']}; "
        "zero frequency in the middle, each on its own scale. Number: the mean frequency, cycles per image.",
    )
    for ax, (name, one) in zip(figure.subplots(3, 5).flat, page["spectra"].items(), strict=True):
        ax.imshow(one["plane"], cmap=SEQUENTIAL)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name.replace('_', ' ')} ({one['centre']:.1f})", fontsize=9)
    return {"corruption_pictures": figure, "noise_pictures": noise_sheet()}


def noise_sheet() -> Figure:
    """An image under the three noises of the paper."""
    figure = blank(8, 2.9)
    figure_headline(figure, "What do the three noises look like?", "Strength 0.1 each; far left: the image itself.")
    image = geomrob.load_data("fashion-mnist-1k", samples=1, seed=SEED).images
    shown = {"image": image} | {
        kind: noisy(image, kind=kind, epsilon=strength, seed=SEED) for kind, strength in NOISES.items()
    }
    for ax, (name, one) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        ax.imshow(one[0, 0], cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9)
    return figure


def compare(page: Page) -> list[Row]:
    """Centres of the groups, deviations of the noises, how many corruptions grow with severity."""
    at = centres(page)
    here = ", ".join(f"{group} {value:.2f}" for group, value in at.items())
    rows = [Row("mean frequency", here, PUBLISHED["frequency"], at["low"] < at["mid"] < at["high"])]
    for kind, found in page["noises"].items():
        here = f"deviation {found['deviation']:.3f}, {found['changed']:.0%} changed"
        rows.append(Row(kind, here, PUBLISHED["noise"]))
    return [*rows, Row("grow with severity", f"{len(rising(page))} of {len(page['distances'])}", PUBLISHED["sheet"])]


EXPERIMENT = Experiment("corruption_pictures", __doc__ or "", SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
