"""Claim: mixed changes of one family look like corruptions, and PRIME's images are more diverse than AugMix's.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022): Fig. 5.3 and section
5.4.2 (pictures of ImageNet: mixed spectral changes look like brightness and contrast, mixed spatial ones like zoom
blur, mixed colour ones like noise); Fig. 5.11 (100 versions of each of 3 photographs in the embedding of a ResNet-50,
first two principal components: those of PRIME spread wider than those of AugMix). Both are judged by eye there.

Here they are numbers: the least cosine distance of mixed versions of each family to a corrupted image, in an embedding
(eq. 5.8), and the total variance of the embedded versions of an image. CIFAR-10, the embedding of a ResNet-20; PRIME
for small images, for the first question with the colour curves for ImageNet, of which Fig. 5.3 is made.

    python -m experiments.prime_pictures --data-dir DATA [--scale smoke|cpu]

One core: smoke five seconds (embedded grey images), cpu (30 images, 100 versions of each) about 2 minutes.
"""

import argparse
import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.zoo import cell, mean_and_error
from geomrob.analysis.embedding_distance import embedding_distance, features
from geomrob.augment.augmix import augmix
from geomrob.augment.prime import Prime, prime
from geomrob.data import Samples
from geomrob.data.corruptions import corrupt
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.randomness import image_keys

SEED, SEVERITY, DRAWN = 0, 3, 3
FAMILIES = ("spectral", "spatial", "color")
PUBLISHED = {"brightness": "spectral", "contrast": "spectral", "zoom_blur": "spatial", "gaussian_noise": "color"}
"""The family whose mixed changes look like a corruption."""
COLORS = Prime(color_cut=500, color_strength=0.05, color_band=20)
"""For small images, with the colours for ImageNet: these act on values, whatever the size of the images."""
SCHEMES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"AugMix": augmix, "PRIME": prime}


@dataclass(frozen=True)
class Scale:
    """Data set, network of the embedding, images, versions of each."""

    data: str
    embedding: str
    images: int
    versions: int


SCALES = {
    "smoke": Scale("fashion-mnist-1k", "fmnist-resnet8", 3, 5),
    "cpu": Scale("cifar10", "cifar10-resnet20", 30, 100),
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    if flags.data_dir is None and flags.scale != SMOKE:
        raise SystemExit(f"name the folder of {scale.data} by --data-dir")
    where = {} if flags.scale == SMOKE else {"data_dir": flags.data_dir}
    data = geomrob.load_data(scale.data, split="test", samples=scale.images, seed=SEED, **where)
    embedding = features(geomrob.load_model(scale.embedding))
    distances, panels = looks(data, embedding, scale.versions)
    variances, clouds = spread(data, embedding, scale.versions)
    facts = {"data": scale.data, "embedding": scale.embedding, "images": scale.images, "versions": scale.versions}
    return {**facts, "distances": distances, "panels": panels, "variances": variances, "clouds": clouds}


def drawn(scheme: Callable[[Tensor, Tensor], Tensor], data: Samples, versions: int, use: str) -> Tensor:
    """Versions of each image, (N, versions, C, H, W)."""
    images = data.images[:]
    keys = (image_keys(SEED, data.indices, view=view, use=use) for view in range(versions))
    return torch.stack([scheme(images, key) for key in keys], 1)


def looks(data: Samples, embedding: Callable[[Tensor], Tensor], versions: int) -> tuple[Page, Page]:
    """Least distances (x 1000) to each corruption, a number an image, and the nearest picture of the claimed family."""
    made = {"image itself": data.images[:][:, None]}
    for family in FAMILIES:
        how = replace(COLORS, primitives=(family,))
        made[family] = drawn(lambda images, keys, how=how: prime(images, keys, how), data, versions, family)
    distances: Page = {}
    panels: Page = {}
    for corruption, family in PUBLISHED.items():
        changed = corrupt(data.images[:], corruption, SEVERITY, indices=data.indices)
        apart = {
            name: embedding_distance(embedding, changed[:, None], augmented)[:, 0] for name, augmented in made.items()
        }
        distances[corruption] = {name: (1000 * values).tolist() for name, values in apart.items()}
        at = int((apart[family] / apart["image itself"].clamp_min(1e-6)).argmin())
        each = torch.stack(
            [
                embedding_distance(embedding, changed[at : at + 1, None], one[None, None])[0, 0]
                for one in made[family][at]
            ]
        )
        three = torch.stack([data.images[at], made[family][at, int(each.argmin())], changed[at]])
        panels[corruption] = {"shape": list(three.shape), "bytes": _packed(three)}
    return distances, panels


def spread(data: Samples, embedding: Callable[[Tensor], Tensor], versions: int) -> tuple[Page, Page]:
    """Total variance of the embedded versions of each image, and the versions of three in two principal components."""
    variances: Page = {}
    points: dict[str, Tensor] = {}
    others = [int((data.labels == label).nonzero()[0]) for label in data.labels.unique()[:DRAWN]]
    for name, scheme in SCHEMES.items():
        made = drawn(scheme, data, versions, name)
        with torch.no_grad():
            embedded = torch.stack([embedding(one) for one in made])
        variances[name] = embedded.var(1).sum(1).tolist()
        points[name] = embedded[others]
    stacked = torch.cat([each.flatten(0, 1) for each in points.values()])
    centre = stacked.mean(0)
    axes = torch.linalg.svd(stacked - centre, full_matrices=False).Vh[:2]
    clouds = {name: torch.round((each - centre) @ axes.T, decimals=3).tolist() for name, each in points.items()}
    return variances, clouds


def _packed(images: Tensor) -> str:
    """Images in [0, 1] as bytes in letters."""
    return base64.b64encode((images * 255).round().to(torch.uint8).numpy().tobytes()).decode()


def _unpacked(panel: Page) -> np.ndarray:
    """The images again, (3, H, W, C)."""
    whole = np.frombuffer(base64.b64decode(panel["bytes"]), np.uint8).reshape(panel["shape"])
    return whole.transpose(0, 2, 3, 1)


def nearest(page: Page, corruption: str) -> str:
    """The family whose versions come nearest, mean over images."""
    means = {name: mean_and_error(page["distances"][corruption][name])[0] for name in FAMILIES}
    return min(means, key=lambda name: means[name])


def draw(page: Page) -> dict[str, Figure]:
    """The pictures with the distances, and the clouds of versions."""
    return {"prime_pictures": _draw_looks(page), "prime_clouds": _draw_clouds(page)}


def _draw_looks(page: Page) -> Figure:
    figure = blank(9.5, 8.4)
    figure_headline(
        figure,
        "Which of PRIME's mixed changes look like a corruption?",
        f"{page['data']}; each row: an image, the nearest of its {page['versions']} mixed versions of the family that "
        f"the thesis names (orange), the corrupted image. Bars: least cosine distance to the corrupted image, features "
        f"of {page['embedding']}, mean and standard error over {page['images']} images.",
    )
    axes = figure.subplots(len(PUBLISHED), 4, width_ratios=[1, 1, 1, 2.2])
    for line, (corruption, family) in zip(axes, PUBLISHED.items(), strict=True):
        titles = ("image", f"{family}, mixed", corruption.replace("_", " "))
        for ax, picture, title in zip(line, _unpacked(page["panels"][corruption]), titles, strict=False):
            ax.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.set_title(title, fontsize=9)
            ax.axis("off")
        names = ("image itself", *FAMILIES)
        pairs = [mean_and_error(page["distances"][corruption][name]) for name in names]
        colors = ["#999999", *("C1" if name == family else "C0" for name in FAMILIES)]
        line[3].barh(names, [m for m, _ in pairs], xerr=[e for _, e in pairs], color=colors, height=0.65)
        line[3].invert_yaxis()
        tidy(line[3])
    axes[-1][3].set_xlabel("least cosine distance x 1000")
    return figure


def _draw_clouds(page: Page) -> Figure:
    figure = blank(9.5, 4.6)
    figure_headline(
        figure,
        "How far do the augmented versions of an image spread?",
        f"{page['versions']} versions of each of {DRAWN} images of {page['data']} (colours), features of "
        f"{page['embedding']}, the first two principal components of all of them.",
    )
    axes = figure.subplots(1, len(SCHEMES), sharex=True, sharey=True)
    for ax, (name, clouds) in zip(axes, page["clouds"].items(), strict=True):
        for index, cloud in enumerate(clouds):
            ax.scatter(*zip(*cloud, strict=True), s=9, alpha=0.6, color=f"C{index}")
        ax.set(title=f"{name}: total variance {cell(page['variances'][name], 2)}", xlabel="first component")
        tidy(ax)
    axes[0].set_ylabel("second component")
    return figure


def compare(page: Page) -> list[Row]:
    """The nearest family beside the published one, and the variances."""
    rows = []
    for corruption, family in PUBLISHED.items():
        apart = ", ".join(f"{name} {cell(values, 2)}" for name, values in page["distances"][corruption].items())
        near = nearest(page, corruption)
        rows.append(Row(f"{corruption}: nearest", f"{near} ({apart})", family, near == family))
    means = {name: mean_and_error(page["variances"][name])[0] for name in SCHEMES}
    here = ", ".join(f"{name} {cell(page['variances'][name], 2)}" for name in SCHEMES)
    return [*rows, Row("total variance of versions", here, "PRIME wider", means["PRIME"] > means["AugMix"])]


EXPERIMENT = Experiment("prime_pictures", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR})

if __name__ == "__main__":
    run(EXPERIMENT)
