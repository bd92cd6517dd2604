"""Claim: during adversarial training the perturbations keep to low frequencies, and to high ones on flipped images.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), Figs. 4.12 and A.1
(95th percentile of the energy in the diagonal DCT blocks, 1,000 samples an epoch, l2 PGD of radius 1 on CIFAR-10,
DenseNet-121), Table A.6 (LeNet on MNIST, radius 2, 7 steps: 98.32 % clean, 76.01 % adversarial; flipped 98.29, 74.68).

Here: a LeNet on MNIST and on flipped MNIST, radius 2; the perturbations of some training samples after each epoch.

    python -m experiments.adversarial_energy --data-dir DATA [--scale smoke|cpu|paper]

Without --data-dir, smoke trains on the embedded test images of Fashion-MNIST. One core: smoke 10 seconds, cpu (10,000
images, 4 epochs) 5 minutes, paper (25 epochs) some hours.
"""

import argparse
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from geomrob.data import Samples
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.spectral.spectra import band_shares
from geomrob.training import Options, accuracy, fit
from geomrob.training.losses.adversarial import adversarial_images
from geomrob.training.recipe import Adversarial

SEED = 0
HOW = Adversarial(norm="l2", epsilon=2.0, steps=7)
KINDS = {"original": (None, "mnist-lenet"), "flipped": ("flip", "mnist-lenet-flipped")}


@dataclass(frozen=True)
class Scale:
    """Training images, epochs, and images whose perturbations are observed."""

    train: int
    epochs: int
    observed: int


SCALES = {"smoke": Scale(60, 2, 20), "cpu": Scale(10_000, 4, 300), "paper": Scale(60_000, 25, 1000)}
# Table A.6: clean and adversarial accuracy, per cent.
PUBLISHED = {"original": (98.32, 76.01), "flipped": (98.29, 74.68)}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    embedded = flags.data_dir is None or flags.scale == SMOKE
    if embedded and flags.scale != SMOKE:
        raise SystemExit("name the folder of MNIST by --data-dir")
    source = "fashion-mnist-1k" if embedded else "mnist"
    folder = {} if embedded else {"data_dir": flags.data_dir}
    rows: Page = {}
    for kind, (edit, name) in KINDS.items():
        split = "test" if embedded else "train"
        train = geomrob.load_data(source, split=split, samples=scale.train, transform=edit, seed=SEED, **folder)
        test = geomrob.load_data(source, samples=scale.observed, transform=edit, seed=SEED, **folder)
        few = train.subset(torch.arange(scale.observed))
        model = build(name, seed=SEED)
        epochs: list[list[float]] = []
        options = Options(epochs=scale.epochs, adversarial=HOW)
        fit(
            model,
            train,
            options,
            seed=SEED,
            on_epoch=lambda _, model=model, few=few, to=epochs: to.append(energy(model, few)),
        )
        attacked = Samples(moved(model, test), test.labels, test.classes, test.indices, test.name)
        rows[kind] = {"epochs": epochs, "clean": 100 * accuracy(model, test), "robust": 100 * accuracy(model, attacked)}
        print(kind, {key: round(rows[kind][key], 1) for key in ("clean", "robust")}, flush=True)
    return {"data": source, "observed": scale.observed, "rows": rows}


def moved(model: torch.nn.Module, samples: Samples) -> torch.Tensor:
    """The samples as adversarial training moves them."""
    return adversarial_images(model, samples.images, samples.labels, HOW, torch.Generator().manual_seed(SEED))


def energy(model: torch.nn.Module, few: Samples) -> list[float]:
    """The 95th percentile over samples of the share of energy in each block of the DCT's diagonal."""
    delta = moved(model, few) - few.images
    bands = geomrob.bands("blocks", geomrob.basis("dct", few.images.shape[-2:]))
    return band_shares(delta, bands)[0].nan_to_num().quantile(0.95, dim=1).tolist()


def ends(page: Page, kind: str) -> tuple[float, float]:
    """The energy of the lowest and of the highest block, mean over the epochs."""
    epochs = page["rows"][kind]["epochs"]
    return tuple(sum(epoch[at] for epoch in epochs) / len(epochs) for at in (0, -1))  # type: ignore[return-value]


def draw(page: Page) -> Figure:
    """A panel a version of the images, a line an epoch."""
    figure = blank(10, 4.4)
    figure_headline(
        figure,
        "Which frequencies do perturbations use during adversarial training?",
        f"95th percentile over {page['observed']} training images of the share of energy in each block of the DCT, "
        f"after each epoch. LeNet, {page['data']}, l2 PGD of radius 2, 7 steps.",
    )
    for ax, (kind, row) in zip(figure.subplots(1, 2, sharey=True), page["rows"].items(), strict=True):
        for index, epoch in enumerate(row["epochs"]):
            ax.plot(range(len(epoch)), epoch, label=f"epoch {index + 1}", ms=3, **stroke(index % 8))
        ax.set(title=f"{kind} images", xlabel="block along the diagonal: coarse to fine")
        tidy(ax)
    figure.axes[0].set_ylabel("share of the energy (95th percentile)")
    figure.axes[0].legend(fontsize=8)
    return figure


def compare(page: Page) -> list[Row]:
    """Energy at both ends of the diagonal, and accuracies."""
    rows = []
    for kind, published in PUBLISHED.items():
        low, high = ends(page, kind)
        good = low > high if kind == "original" else high > low
        claim = "low frequencies" if kind == "original" else "high frequencies"
        rows.append(Row(f"{kind}: lowest, highest block", f"{low:.2f}, {high:.3f}", claim, good))
        for key, value in zip(("clean", "robust"), published, strict=True):
            rows.append(Row(f"{kind}: {key} (%)", page["rows"][kind][key], value))
    return rows


EXPERIMENT = Experiment("adversarial_energy", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR})

if __name__ == "__main__":
    run(EXPERIMENT)
