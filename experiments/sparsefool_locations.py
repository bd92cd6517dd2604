"""Claim: the pixels that SparseFool changes lie where the object is; between two models they are partly shared.

Reference: Modas, Robustness and invariance properties of image classifiers, EPFL 2022, section 3.4.1, Figs. 3.8 and
3.9. Published as pictures only: the perturbation lies around the important parts of the image for every network, but
how it concentrates or spreads differs.

    python -m experiments.sparsefool_locations [--scale smoke|cpu|paper]

One core: smoke 20 s, cpu and paper (all 1,000 images) 2 minutes.
"""

import argparse

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import Experiment, Page, Row, run

MODELS = ("fmnist-lenet", "fmnist-resnet8")
SCALES = {"smoke": 60, "cpu": 1000, "paper": 1000}
RESAMPLES = 2000
SEED = 0
PUBLISHED = "pictures only"
# Fields of `Overlap`.
SHARES = {
    "smaller": "pixels of the smaller perturbation that are in the other model's too",
    "expected": "the same, if pixels lay anywhere",
    "elsewhere": "the same, with the other model's perturbation of another image",
    "union": "changed pixels that are shared, of all",
}


def measure(images: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    about = {"labels": data.labels, "indices": data.indices, "classes": data.classes, "data": data.name, "repeats": 1}
    one, other = (
        geomrob.sparsity(geomrob.load_model(name), data.images, name=name, seed=SEED, **about) for name in MODELS
    )
    return {"sparsefool_maps": geomrob.locations(one, by="label"), "sparsefool_overlap": geomrob.overlap(one, other)}


def draw(page: Page) -> Figure:
    """The maps of the changed pixels, over the mean image of each class."""
    clothes = geomrob.load_data("fashion-mnist-1k")
    means = torch.stack([clothes.images[clothes.labels == label].mean(0) for label in range(10)])
    return geomrob.plot_locations(page["sparsefool_maps"], images=means)


def compare(page: Page) -> list[Row]:
    """Shares of pixels: means over the images that both models were fooled on, with 95 % bootstrap intervals."""
    overlap = page["sparsefool_overlap"]
    values = torch.stack([getattr(overlap, name) for name in SHARES])
    values = values[:, ~values.isnan().any(0)]
    drawn = torch.randint(values.shape[1], (RESAMPLES, values.shape[1]), generator=torch.Generator().manual_seed(SEED))
    means = values[:, drawn].mean(2).sort(1).values
    low, high = means[:, int(0.025 * RESAMPLES)], means[:, int(0.975 * RESAMPLES)]
    return [
        Row(text, f"{mean:.1%} ({a:.1%} to {b:.1%})", PUBLISHED)
        for text, mean, a, b in zip(SHARES.values(), values.mean(1), low, high, strict=True)
    ]


EXPERIMENT = Experiment("sparsefool_locations", __doc__, SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
