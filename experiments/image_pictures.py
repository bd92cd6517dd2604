"""Claim: what perturbations and augmentations look like follows from norm, radius, band, cut and strength.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022): Fig. 1.1 (one image,
smallest perturbations of several norms), 3.7 (within several radii), 4.1 (in the lowest and highest DCT block, standard
and adversarially trained), 5.1 and 5.2 (PRIME), 5.6 to 5.8 and B.1 to B.3 (families of changes by cut and strength).
Published as pictures. Each is redrawn here, with a number that decides whether it shows what the text says.

    python -m experiments.image_pictures [--scale smoke|cpu|paper]

Fashion-MNIST, embedded networks. Also draws figures/augmentation_pictures.png. One core: smoke 10 seconds, cpu and
paper 2 minutes.
"""

import argparse
import math

from matplotlib.figure import Figure
from torch import Tensor

import geomrob
from experiments.harness import Experiment, Page, Row, run
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.augment.color_jitter import random_colors
from geomrob.augment.diffeomorphism import random_diffeomorphism
from geomrob.augment.prime import prime
from geomrob.augment.random_filter import random_filter
from geomrob.plot.style import blank, figure_headline
from geomrob.randomness import image_keys

SEED, MODEL = 0, "fmnist-lenet"
SCALES = {"smoke": 6, "cpu": 60, "paper": 200}
NORMS = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
RADII = (255, 100, 50, 25)
TRAINED = ("fmnist-standard", "fmnist-l2-adversarial")
# Each family: a low and a high value of its strength and of its cut (size, cut frequency).
FAMILIES = {
    "spectral": ({"strength": (0.5, 4.0)}, {"size": (3, 7)}),
    "spatial": ({"strength": (0.3, 1.0)}, {"cut": (3, 15)}),
    "colour": ({"strength": (0.02, 0.3)}, {"cut": (2, 20)}),
}
PUBLISHED = {
    "norms": "each norm has its own smallest perturbation",
    "radius": "more pixels within a smaller radius",
    "bands": "larger for the adversarially trained, most in the highest block",
    "families": "further from the image with more strength",
}


def changed(family: str, images: Tensor, indices: Tensor, **how: float) -> Tensor:
    """Images under one family of changes."""
    keys = image_keys(SEED, indices, use=family)
    if family == "spectral":
        return random_filter(images, keys, **{"size": 3, **how})  # type: ignore[arg-type]
    if family == "spatial":
        return random_diffeomorphism(images, keys, **{"cut": 10, **how})  # type: ignore[arg-type]
    return random_colors(images, keys, **{"cut": 10, "strength": 0.1, **how})  # type: ignore[arg-type]


def away(images: Tensor, others: Tensor) -> float:
    """The mean root mean square distance."""
    return float((images - others).square().flatten(1).mean(1).sqrt().mean())


def measure(count: int, _: argparse.Namespace) -> Page:
    data = geomrob.load_data("fashion-mnist-1k", samples=count, seed=SEED)
    model = geomrob.load_model(MODEL)
    found = {name: geomrob.deepfool(model, data.images, norm=p, bounds=(0.0, 1.0)) for name, p in NORMS.items()}
    norms = {
        name: {other: float(result.distances(p).median()) for other, p in NORMS.items()}
        for name, result in found.items()
    }
    pixels = {}
    for radius in RADII:
        counted = sparsefool(model, data.images, radius=radius / 255).pixels.double()
        pixels[str(radius)] = float(counted.sort().values[len(counted) // 2])
    bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))
    ends = {}
    for name in TRAINED:
        curve = geomrob.margin_curve(geomrob.load_model(name), data.images, subspaces=[bands[0], bands[-1]])
        ends[name] = curve.quantiles(0.5).flatten().tolist()
    families = {
        family: {
            key: [away(data.images, changed(family, data.images, data.indices, **{key: value})) for value in values]
            for options in parts
            for key, values in options.items()
        }
        for family, parts in FAMILIES.items()
    }
    mixed = away(data.images, prime(data.images, image_keys(SEED, data.indices)))
    return {"images": count, "norms": norms, "pixels": pixels, "bands": ends, "families": families, "prime": mixed}


def draw(page: Page) -> dict[str, Figure]:
    """One sheet of perturbations, one of augmentations."""
    return {"image_pictures": perturbations(), "augmentation_pictures": augmentations()}


def sheet(figure: Figure, rows: list[dict[str, Tensor]]) -> None:
    """Draw pictures in a grid, each under its name; differences, which are negative too, in red and blue."""
    grid = figure.subplots(len(rows), max(map(len, rows)), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for ax in axes[len(row) :]:
            ax.set_axis_off()
        for ax, (name, image) in zip(axes, row.items(), strict=False):
            far = float(image.abs().max())
            signed = bool((image < -1e-6).any())
            ax.imshow(
                image[0], cmap="RdBu" if signed else "gray", vmin=-far if signed else 0, vmax=far if signed else 1
            )
            ax.set(xticks=[], yticks=[])
            ax.set_title(name, fontsize=8)


def perturbations() -> Figure:
    """One image, and its perturbations by norm, by radius, by band."""
    data = geomrob.load_data("fashion-mnist-1k", samples=1, seed=SEED)
    model = geomrob.load_model(MODEL)
    figure = blank(9.5, 6.4)
    figure_headline(
        figure,
        "How does the smallest perturbation of one image look?",
        "First line: by norm (DeepFool), each scaled for itself. Second: SparseFool within a radius. Third: in the "
        "lowest and the highest block of the DCT, standard network and one trained on l2 PGD images.",
    )
    by_norm = {"image": data.images[0]} | {
        name: geomrob.deepfool(model, data.images, norm=p, bounds=(0.0, 1.0)).perturbation[0]
        for name, p in NORMS.items()
    }
    by_radius = {f"{radius}/255": sparsefool(model, data.images, radius=radius / 255).perturbed[0] for radius in RADII}
    bands = geomrob.bands("blocks", geomrob.basis("dct", data.images.shape[-2:]))
    by_band = {
        f"{name.removeprefix('fmnist-')}, {where}": geomrob.deepfool(
            geomrob.load_model(name), data.images, subspace=band
        ).perturbation[0]
        for name in TRAINED
        for where, band in (("lowest", bands[0]), ("highest", bands[-1]))
    }
    sheet(figure, [by_norm, by_radius, by_band])
    return figure


def augmentations() -> Figure:
    """One image under PRIME, and under each family with little and much strength and cut."""
    data = geomrob.load_data("fashion-mnist-1k", samples=1, seed=SEED)
    figure = blank(9.5, 8.2)
    figure_headline(
        figure,
        "What do PRIME and its families of changes do to an image?",
        "First line: the image and draws of PRIME. Below: each family with less and more strength, and with a low "
        "and a high cut (size of the filter, highest frequency).",
    )
    rows = [
        {"image": data.images[0]}
        | {f"PRIME, draw {draw + 1}": prime(data.images, image_keys(draw, data.indices))[0] for draw in range(3)}
    ]
    for family, parts in FAMILIES.items():
        rows.append(
            {
                f"{family}, {key} {value:g}": changed(family, data.images, data.indices, **{key: value})[0]
                for options in parts
                for key, values in options.items()
                for value in values
            }
        )
    sheet(figure, rows)
    return figure


def own_norm(page: Page) -> bool:
    """Whether each norm's own attack finds the smallest distance in it."""
    return all(
        page["norms"][name][name] <= 1.001 * min(row[name] for row in page["norms"].values()) for name in page["norms"]
    )


def compare(page: Page) -> list[Row]:
    """The number of each picture."""
    here = ", ".join(f"{name} {row[name]:.3g}" for name, row in page["norms"].items())
    pixels = [page["pixels"][str(radius)] for radius in RADII]
    (low, high), (robust_low, robust_high) = (page["bands"][name] for name in TRAINED)
    gains = robust_low / low, robust_high / high
    strengths = {family: row["strength"] for family, row in page["families"].items()}
    return [
        Row("median distances", here, PUBLISHED["norms"], own_norm(page)),
        Row("pixels by radius", str(pixels), PUBLISHED["radius"], pixels == sorted(pixels)),
        Row("gain of the blocks", f"x {gains[0]:.2f}, x {gains[1]:.2f}", PUBLISHED["bands"], 1 < gains[0] < gains[1]),
        Row("families, less and more strength", str(strengths), PUBLISHED["families"]),
    ]


EXPERIMENT = Experiment("image_pictures", __doc__ or "", SCALES, measure, draw, compare)

if __name__ == "__main__":
    run(EXPERIMENT)
