"""Claim: PRIME comes nearer to corruptions than AugMix, mixing helps, both cost little and gain at every severity.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022): Table 5.6 (least
cosine distance of 100 augmented versions to each corruption in an embedding, mean x 1000: none 25.38, AugMix 17.48,
PRIME 7.71, without mixing 10.61), section 5.3 (a training costs 1.20 and 1.27 times the standard one),
Table B.3 (CIFAR-10 accuracy from severity 1 to 5: standard 87.4 to 56.7, PRIME 92.8 to 85.6 %). Bennabhaktula et al.,
PushPull-Net, 2024: one layer changed, small overhead.

Here: Fashion-MNIST, the embedding of the embedded ResNet-8, networks of the zoo, steps of a ResNet-18 on 32 x 32.

    python -m experiments.augmentation_reach [--trained trained/zoo] [--scale smoke|cpu|paper]

One core: smoke 20 seconds, cpu 3 minutes, paper an hour.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import geomrob
from experiments.harness import TRAINED, Experiment, Page, Row, run, stroke
from experiments.zoo import cell, mean_and_error, short, trainings
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.analysis.embedding_distance import embedding_distance, features
from geomrob.augment.augmix import augmix
from geomrob.augment.prime import Prime, prime
from geomrob.data import Samples
from geomrob.data.corruptions import corrupt
from geomrob.models.architectures.resnet import resnet18
from geomrob.models.push_pull_stem import with_push_pull
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.randomness import image_keys
from geomrob.training import Options, accuracy
from geomrob.training.losses.objective import Objective

SEED, BATCH = 0, 32
EMBEDDING = "fmnist-resnet8"
NAMES = ("fmnist-standard", "fmnist-augmix", "fmnist-prime")
SCHEMES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "PRIME, not mixed": lambda images, keys: prime(images, keys, Prime(mixing="none")),
    "AugMix": augmix,
    "PRIME": prime,
}
SEVERITIES = (1, 2, 3, 4, 5)
# Images in the embedding and versions of each; images under corruptions; rounds of the timing.
SCALES = {"smoke": (2, 4, 10, 1), "cpu": (30, 40, 200, 4), "paper": (200, 100, 1000, 10)}
# Table 5.6, mean x 1000; section 5.3; Table B.3 at severities 1 and 5.
PUBLISHED = {
    "none": 25.38,
    "PRIME, not mixed": 10.61,
    "AugMix": 17.48,
    "PRIME": 7.71,
}
COSTS = {"AugMix": 1.20, "PRIME": 1.27, "push-pull stem": "no number"}
LEVELS = {"fmnist-standard": (87.4, 56.7), "fmnist-prime": (92.8, 85.6)}


def measure(size: tuple[int, int, int, int], flags: argparse.Namespace) -> Page:
    few, versions, images, rounds = size
    data = geomrob.load_data("fashion-mnist-1k", samples=images, seed=SEED)
    return {
        "images": [few, versions, images],
        "distances": reach(data.subset(torch.arange(few)), versions),
        "severities": severities(data, flags),
        "costs": costs(rounds),
    }


def reach(data: Samples, versions: int) -> Page:
    """Mean and median least distance (x 1000) of each scheme to 15 corruptions at 5 severities."""
    changed = [corrupt(data.images, name, level, indices=data.indices) for name in BENCHMARK for level in SEVERITIES]
    corrupted, embedding = torch.stack(changed, 1), features(geomrob.load_model(EMBEDDING))
    made = {"none": data.images[:, None]}
    for name, scheme in SCHEMES.items():
        drawn = [scheme(data.images, image_keys(SEED, data.indices, view=view, use=name)) for view in range(versions)]
        made[name] = torch.stack(drawn, 1)
    found = {name: embedding_distance(embedding, corrupted, augmented) for name, augmented in made.items()}
    return {name: [1000 * float(values.mean()), 1000 * float(values.median())] for name, values in found.items()}


def severities(data: Samples, flags: argparse.Namespace) -> Page:
    """Mean accuracy over the 15 corruptions at each severity, a list a training."""
    changed = {
        (name, level): corrupt(data.images, name, level, indices=data.indices)
        for name in BENCHMARK
        for level in SEVERITIES
    }
    rows: Page = {}
    for name in NAMES:
        rows[name] = []
        for model in trainings(name, flags.trained).values():
            known = {
                key: 100 * accuracy(model, Samples(given, data.labels, data.classes, data.indices, data.name))
                for key, given in changed.items()
            }
            rows[name].append([statistics.fmean(known[one, level] for one in BENCHMARK) for level in SEVERITIES])
        print(name, rows[name], flush=True)
    return rows


def costs(rounds: int) -> dict[str, float]:
    """The least CPU time of a training step over that of a standard one, taken in turn."""
    facts = {"shape": (3, 32, 32), "classes": 10, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    images, labels = torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(BATCH) % 10
    plain, inhibited = resnet18(), with_push_pull(resnet18, average=3, **facts)
    steps: dict[str, tuple[nn.Module, Callable[[Tensor, Tensor], Tensor] | None]] = {
        "standard": (plain, None),
        "AugMix": (plain, augmix),
        "PRIME": (plain, prime),
        "push-pull stem": (inhibited, None),
    }
    best = dict.fromkeys(steps, float("inf"))
    for turn in range(rounds + 1):
        for name, (model, augment) in steps.items():
            objective = Objective(model.train(), Options(), images)
            start = time.process_time()
            given = images if augment is None else augment(images, image_keys(SEED, torch.arange(BATCH), epoch=turn))
            objective(model, given, labels, torch.Generator().manual_seed(0)).backward()
            best[name] = min(best[name], time.process_time() - start)
            model.zero_grad()
    return {name: seconds / best["standard"] for name, seconds in best.items()}


def levels(page: Page, name: str, severity: int) -> list[float]:
    """The accuracy at a severity, a number a training."""
    return [row[severity - 1] for row in page["severities"][name]]


def draw(page: Page) -> Figure:
    """Distances to corruptions, and accuracy by severity."""
    figure = blank(10.5, 4.4)
    few, versions, images = page["images"]
    figure_headline(
        figure,
        "How near does augmentation come to corruptions, and what does it gain?",
        f"Left: least cosine distance of {versions} augmented versions to each of 75 corruptions, {few} images, "
        f"features of {EMBEDDING}. Right: accuracy over 15 corruptions by severity, {images} images; standard errors.",
    )
    left, right = figure.subplots(1, 2)
    names = list(page["distances"])
    left.barh(names, [page["distances"][name][0] for name in names], color=stroke(0)["color"])
    left.invert_yaxis()
    left.set_xlabel("mean least distance x 1000")
    for index, name in enumerate(NAMES):
        pairs = [mean_and_error(levels(page, name, level)) for level in SEVERITIES]
        how = stroke(index)
        right.errorbar(SEVERITIES, [m for m, _ in pairs], [e for _, e in pairs], label=short(name), capsize=2, **how)
    right.set(xlabel="severity", ylabel="correct (%)")
    right.legend(fontsize=8)
    tidy(left)
    tidy(right)
    return figure


def compare(page: Page) -> list[Row]:
    """Distances, costs and severities next to the published ones."""
    rows = [Row(f"distance, {name}", page["distances"][name][0], value) for name, value in PUBLISHED.items()]
    rows += [Row(f"cost, {name}", page["costs"][name], value) for name, value in COSTS.items()]
    for name, (first, last) in LEVELS.items():
        here = f"{cell(levels(page, name, 1))} to {cell(levels(page, name, 5))}"
        rows.append(Row(f"severity 1 to 5, {short(name)}", here, f"{first} to {last}"))
    return rows


EXPERIMENT = Experiment("augmentation_reach", __doc__ or "", SCALES, measure, draw, compare, {"--trained": TRAINED})

if __name__ == "__main__":
    run(EXPERIMENT)
