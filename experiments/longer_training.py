"""Claim: what small networks trained for a few epochs do not show appears once they are trained for longer.

Reference: Bennabhaktula et al., PushPull-Net, 2024, section 4.2 and Table 1 (CIFAR-10: a ResNet-18 with a push-pull
stem has an mrCE of 0.97); Attias, Pehlevan, Obeid, "A brain-inspired regularizer", 2024, section 4 and Fig. 3 (40
epochs; gains in noise and under transferred FGSM).

Here: the small ResNet-8 of the zoo on Fashion-MNIST, once with as few epochs as the sweeps of push-pull stems and of
the pixel-similarity regulariser, where neither gains in noise, and once with four times as many. Nothing else differs.

    python -m experiments.longer_training --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke ten seconds, cpu (12,000 images, 5 and 20 epochs, two seeds, 12 trainings) 25 minutes, paper (all
images, 10 and 40 epochs, three seeds) a day. Trainings are kept and found again.
"""

import argparse
from dataclasses import dataclass

from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.measures import noise_accuracy
from experiments.trainings import TRAININGS, changed, corrupted, errors_of, trained
from experiments.zoo import cell, mean_and_error, ordering
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.data import Samples
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy

CASES = {
    "standard": "fmnist-standard",
    "push-pull": "fmnist-pushpull-avg3",
    "similarity": "fmnist-similarity",
}
"""Recipe and network of each case."""
MEASURES = {"clean": "clean", "mean": "15 corruptions", "noise": "noise of 0.1", "FGSM": "FGSM 0.05, transferred"}
CLAIMS = {"push-pull": ("mean",), "similarity": ("noise", "FGSM")}
"""What each is claimed to raise above the standard network."""
FGSM_STEP = 0.05
# Epochs of the published trainings on CIFAR-10.
PUBLISHED = {"similarity": 40}


@dataclass(frozen=True)
class Scale:
    """Training images (0: all), the two numbers of epochs, seeds; test images and severities of their corruptions."""

    train: int
    epochs: tuple[int, int]
    seeds: tuple[int, ...]
    test: int
    severities: tuple[int, ...]


SCALES = {
    "smoke": Scale(60, (1, 2), (0,), 10, (3,)),
    "cpu": Scale(12_000, (5, 20), (0, 1), 300, (1, 3, 5)),
    "paper": Scale(0, (10, 40), (0, 1, 2), 1000, (1, 2, 3, 4, 5)),
}


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of Fashion-MNIST by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    test = geomrob.load_data("fashion-mnist-1k", samples=scale.test, seed=0)
    under = corrupted(test, BENCHMARK[::5] if smoke else BENCHMARK, scale.severities)
    rows: list[Page] = []
    for seed in scale.seeds:
        for epochs in scale.epochs:
            models = {}
            for case, name in CASES.items():
                data = "fashion-mnist-1k" if smoke else ""
                recipe = changed(name, samples=scale.train, data=data, epochs=epochs)
                models[case] = trained(recipe, seed, folder, flags.data_dir)
                errors = errors_of(models[case], test, under)
                row: Page = {"case": case, "epochs": epochs, "seed": seed}
                row |= {"clean": 100 - errors["clean"], "mean": 100 - errors["mean"]}
                row["noise"] = 100 * noise_accuracy(models[case], test)
                moved = fgsm(
                    models["standard"], test.images, test.labels, epsilon=FGSM_STEP, source=models["standard"]
                ).perturbed
                attacked = Samples(moved, test.labels, test.classes, test.indices, test.name)
                row["FGSM"] = 100 * accuracy(models[case], attacked)
                rows.append(row)
                print(case, epochs, seed, {key: round(float(row[key]), 1) for key in MEASURES}, flush=True)
    return {"test": len(test), "train": scale.train, "rows": rows}


def of(page: Page, case: str, epochs: int, name: str) -> list[float]:
    """Accuracies in per cent, a number a seed."""
    return [row[name] for row in page["rows"] if (row["case"], row["epochs"]) == (case, epochs)]


def lengths(page: Page) -> list[int]:
    """The numbers of epochs that were measured."""
    return sorted({row["epochs"] for row in page["rows"]})


def draw(page: Page) -> Figure:
    """A panel a measure: the accuracy of each case after few and after many epochs."""
    figure = blank(11.5, 3.9)
    epochs = lengths(page)
    figure_headline(
        figure,
        "Do robust networks only need longer training?",
        f"ResNet-8, Fashion-MNIST, {page['train']:,} training images, {' and '.join(map(str, epochs))} epochs. "
        f"Accuracy on {page['test']} test images, mean and standard error over seeds.",
    )
    panels = figure.subplots(1, len(MEASURES))
    for ax, (name, words) in zip(panels, MEASURES.items(), strict=True):
        for index, case in enumerate(CASES):
            pairs = [mean_and_error(of(page, case, each, name)) for each in epochs]
            at = [place + 0.06 * (index - 1) for place in range(len(epochs))]
            ax.errorbar(
                at, [m for m, _ in pairs], yerr=[e for _, e in pairs], marker="os^"[index], capsize=2, label=case
            )
        ax.set(xticks=range(len(epochs)), xlabel="epochs", title=words)
        ax.set_xticklabels([str(each) for each in epochs])
        tidy(ax)
    panels[0].set_ylabel("correct (%)")
    panels[0].legend(fontsize=8, framealpha=0.85, edgecolor="none")
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracies, and each claimed ordering after few and after many epochs."""
    rows = []
    for epochs in lengths(page):
        for case in CASES:
            here = ", ".join(f"{name} {cell(of(page, case, epochs, name))}" for name in MEASURES)
            rows.append(Row(f"{case}, {epochs} epochs (%)", here))
        for case, names in CLAIMS.items():
            for name in names:
                both = of(page, case, epochs, name), of(page, "standard", epochs, name)
                here = " against ".join(map(cell, both))
                rows.append(Row(f"{case} above standard, {epochs} epochs: {name}", here, "above", ordering(*both)))
    return rows


EXPERIMENT = Experiment(
    "longer_training", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
