"""Claim: a source that is adversarially trained within a small radius transfers best to containers not seen before.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), section 4.5 and
Figs. 4.14, 4.17, 4.18: six strategies on the filling levels of C-CCM photographs, from scratch by standard (ST) or
adversarial training (AT), and from ImageNet networks trained by either (ST or AT) by standard (FT) or adversarial
fine-tuning (AFT); ResNet-18, 30 epochs, rate falling from 0.1 (scratch) or 0.005 (transfer), classes balanced, l2 PGD
of 10 steps. ST->FT is best with one fixed stage (78.34, 65.63, 82.32 % on three splits), AT->FT with source radii of
0.05, 1 and 0.5 (80.97, 73.27, 88.23 %); AT->FT is best on most unseen containers, by about 30 points on the champagne
flute; adversarial training at the target may harm.

Here: the source is Fashion-MNIST, the target a few MNIST digits as they are; unseen containers are other looks of test
digits: thick strokes, elastic deformation, inverted, low contrast, fog. As published, the radius is chosen on the test
images, which favours AT->FT, and is that of the target too (published: 0.05 for ST->AFT). L stages are fixed with the
stem below them; the last layer is new.

    python -m experiments.transfer_strategies --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke ten seconds (clothes as target), cpu (ResNet-8, source of 4,000 images for 5 epochs, 200 target images
for 60 epochs, PGD of 3 steps, two seeds) 18 minutes, paper (ResNet-18, all source images, three seeds) weeks.
Trainings are kept and found again.
"""

import argparse
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from experiments.trainings import TRAININGS, changed, folder_of, trained
from experiments.zoo import cell, mean_and_error, ordering
from geomrob.data import Samples
from geomrob.data.corruptions import corrupt
from geomrob.models import build
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy
from geomrob.training.recipe import Adversarial

LOOKS = ("thick", "elastic_transform", "inverted", "contrast", "fog")
SEVERITY = 3
STRATEGIES = ("ST", "AT", "ST->FT", "ST->AFT", "AT->FT", "AT->AFT")
STAGES = 1
"""How many stages are fixed in the comparison of strategies, as published."""
EPOCHS, BATCH = 60, 16
"""At the target: 30 epochs of batches of 32 leave ST->FT at 78 % on its own images (seed 7, which is not measured)."""
RATES = {"scratch": 0.1, "transfer": 0.005}


@dataclass(frozen=True)
class Scale:
    """Recipe and images (0: all) of the source, its epochs; target images, test images; fixed stages, radii, seeds."""

    recipe: str
    source: int
    epochs: int
    target: int
    test: int
    stages: tuple[int, ...]
    radii: tuple[float, ...]
    steps: int
    seeds: tuple[int, ...]


SCALES = {
    "smoke": Scale("fmnist-standard", 40, 1, 20, 10, (0, 1), (0.5,), 1, (0,)),
    "cpu": Scale("fmnist-standard", 4000, 5, 200, 500, (0, 1, 2, 3), (0.1, 0.5, 2.0), 3, (0, 1)),
    "paper": Scale(
        "fmnist-resnet18-unregularised", 0, 30, 200, 10_000, (0, 1, 2, 3, 4), (0.05, 0.1, 0.5, 1, 2), 10, (0, 1, 2)
    ),
}
# Best accuracy in per cent on the three splits, by the number of fixed stages and by the radius at the source; the gain
# on the champagne flute in points.
PUBLISHED: dict[str, Any] = {"one fixed stage": (78.34, 65.63, 82.32), "radius": (80.97, 73.27, 88.23), "gain": 30.0}


def look(samples: Samples, name: str) -> Samples:
    """Return images in another look."""
    images = samples.images[:]
    if name == "thick":
        return replace(samples, images=F.max_pool2d(images, 3, stride=1, padding=1))
    if name == "inverted":
        return replace(samples, images=1 - images)
    return replace(samples, images=corrupt(images, name, SEVERITY, indices=samples.indices))


class Transfer:
    """The trainings of one seed, at the source and at the target, and the tests of the latter."""

    def __init__(self, scale: Scale, seed: int, flags: argparse.Namespace) -> None:
        self.scale, self.seed, self.smoke = scale, seed, flags.scale == SMOKE
        self.folder = flags.figures / "trainings" if self.smoke else flags.trainings
        self.data_dir = flags.data_dir
        data = "fashion-mnist-1k" if self.smoke else "mnist"
        split = "test" if self.smoke else "train"
        where = {} if self.smoke else {"data_dir": flags.data_dir}
        self.target = geomrob.load_data(data, split=split, samples=scale.target, seed=seed, **where)
        seen = geomrob.load_data(data, split="test", samples=scale.test, seed=0, **where)
        self.tests = {"seen": seen, **{name: look(seen, name) for name in LOOKS}}

    def adversarial(self, radius: float) -> Adversarial | None:
        """Training on l2 PGD images; radius 0: standard training."""
        return Adversarial(epsilon=radius, steps=self.scale.steps) if radius else None

    def source(self, radius: float) -> tuple[nn.Module, str]:
        """Return the network of the source, and the digest that its training is kept under."""
        recipe = changed(
            self.scale.recipe,
            samples=self.scale.source,
            data="fashion-mnist-1k" if self.smoke else "",
            epochs=self.scale.epochs,
            adversarial=self.adversarial(radius),
        )
        return trained(recipe, self.seed, self.folder, self.data_dir), folder_of(recipe, self.seed, self.folder).name

    def row(self, strategy: str, *, stages: int = STAGES, source: float = 0.0, target: float = 0.0) -> Page:
        """Train by a strategy and test: `stages` fixed, radii of the source and of the target (0: standard)."""
        start, digest = self.source(source) if "->" in strategy else (None, "scratch")
        stages = stages if start is not None else 0
        fixed = ("stem", "bn", *(f"stages.{index}" for index in range(stages))) if stages else ()
        recipe = changed(
            self.scale.recipe,
            samples=self.scale.target,
            data=self.target.source,
            epochs=1 if self.smoke else EPOCHS,
            batch=BATCH,
            schedule="linear",
            max_rate=RATES["transfer" if start is not None else "scratch"],
            crop=0,
            flip=False,
            balanced=True,
            frozen=fixed,
            adversarial=self.adversarial(target),
        )

        def make() -> nn.Module:
            model = build(recipe.model, seed=self.seed)
            if start is not None:
                kept = {name: value for name, value in start.state_dict().items() if not name.startswith("fc.")}
                model.load_state_dict(kept, strict=False)
            return model

        model = trained(
            recipe, self.seed, self.folder, self.data_dir, make=make, train=self.target, name=f"transfer from {digest}"
        )
        tested = {name: 100 * accuracy(model, samples) for name, samples in self.tests.items()}
        made: dict[str, Any] = {"strategy": strategy, "seed": self.seed, "stages": stages}
        made |= {"source radius": source, "target radius": target, "train": 100 * accuracy(model, self.target)}
        made |= {"source accuracy": 100 * accuracy(start, self.clothes()) if start is not None else None}
        made |= {"seen": tested.pop("seen"), "looks": tested, "unseen": fmean(tested.values())}
        words = f"unseen {made['unseen']:.1f} %, seen {made['seen']:.1f}, train {made['train']:.1f}"
        print(strategy, f"seed {self.seed}, {stages} fixed, radii {source:g} and {target:g}: {words}", flush=True)
        return made

    def clothes(self) -> Samples:
        """Test images of the source."""
        return geomrob.load_data("fashion-mnist-1k", samples=min(1000, 2 * self.scale.test), seed=0)


def measure(scale: Scale, flags: argparse.Namespace) -> Page:
    if flags.data_dir is None and flags.scale != SMOKE:
        raise SystemExit("name the folder of MNIST and Fashion-MNIST by --data-dir")
    seeds = [Transfer(scale, seed, flags) for seed in scale.seeds]
    stages = [one.row("ST->FT", stages=count) for one in seeds for count in scale.stages]
    radii = [one.row("AT->FT", source=radius) for one in seeds for radius in scale.radii]
    best = max(scale.radii, key=lambda radius: fmean(r["unseen"] for r in radii if r["source radius"] == radius))
    strategies = [
        one.row(name, source=best if name.startswith("AT->") else 0.0, target=best if name in ATTACKED else 0.0)
        for one in seeds
        for name in STRATEGIES
    ]
    about = {"source": scale.source, "target": scale.target, "test": scale.test, "radius": best}
    return {**about, "stages": stages, "radii": radii, "strategies": strategies}


ATTACKED = ("AT", "ST->AFT", "AT->AFT")
"""The strategies with adversarial training at the target."""


def by(rows: list[Page], key: str, value: Any, what: str = "unseen") -> list[float]:
    """Accuracies in per cent, a number a seed: the mean over unseen looks, another measure, or one look."""
    return [row["looks"].get(what, row.get(what)) for row in rows if row[key] == value]


def along(rows: list[Page], key: str) -> list[Any]:
    """The settings that were swept."""
    return sorted({row[key] for row in rows})


def named(name: str) -> str:
    """The name of a look or strategy as it is printed."""
    return name.replace("elastic_transform", "elastic").replace("->", "→")


def draw(page: Page) -> Figure:
    """Accuracy on unseen looks along the fixed stages and the radius, and of each strategy on each look."""
    seeds = len({row["seed"] for row in page["radii"]})
    figure = blank(12.5, 4.9)
    figure_headline(
        figure,
        "Which way of transfer learning copes with looks that it was not trained on?",
        f"Few digits ({page['target']} of MNIST) after {page['source'] or 60_000:,} clothes (Fashion-MNIST). ST, AT: "
        "standard and adversarial training; FT, AFT: the same as fine-tuning of a network of the clothes. "
        f"{page['test']:,} test digits a look, mean and standard error over {seeds} seeds.",
    )
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 2.6])
    sweeps = ((left, "stages", "fixed stages, ST→FT"), (middle, "radii", "$\\ell_2$ radius at the source, AT→FT"))
    for ax, part, words in sweeps:
        key = "stages" if part == "stages" else "source radius"
        found = along(page[part], key)
        for index, (what, label) in enumerate((("unseen", "unseen looks"), ("seen", "digits as trained on"))):
            pairs = [mean_and_error(by(page[part], key, value, what)) for value in found]
            how = {"label": label, "ms": 5, "capsize": 2, **stroke(index)}
            ax.errorbar(range(len(found)), [m for m, _ in pairs], yerr=[e for _, e in pairs], **how)
        ax.set(xlabel=words, ylabel="accuracy (%)", ylim=(0, 102), xticks=range(len(found)))
        ax.set_xticklabels([f"{value:g}" for value in found])
        tidy(ax)
    left.legend(fontsize=8, loc="lower left")
    looks = ("seen", *LOOKS, "unseen")
    for index, name in enumerate(STRATEGIES):
        pairs = [mean_and_error(by(page["strategies"], "strategy", name, what)) for what in looks]
        at = [position + (index - 2.5) * 0.14 for position in range(len(looks))]
        color = stroke(index)["color"]
        right.bar(at, [m for m, _ in pairs], yerr=[e for _, e in pairs], width=0.13, color=color, label=named(name))
    right.set(xticks=range(len(looks)), ylim=(0, 118), yticks=range(0, 101, 20), ylabel="accuracy (%)")
    right.set_xticklabels(["as trained\non", *map(named, LOOKS), "mean of\nunseen"], fontsize=8.5)
    right.axvspan(len(looks) - 1.5, len(looks) - 0.5, color="#eef1f6", zorder=0)
    right.legend(fontsize=8, ncols=6, loc="upper center", columnspacing=0.9, handlelength=1.2)
    right.set_xlabel(f"look of the test digits; {STAGES} stage fixed, radius {page['radius']:g} at source and target")
    tidy(right)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracies on unseen looks along both sweeps and of the strategies, and the claims."""
    rows = [
        Row(f"{name} {value:g}: unseen looks (%)", cell(by(page[part], key, value)))
        for part, key, name in (("stages", "stages", "ST->FT, fixed"), ("radii", "source radius", "AT->FT, radius"))
        for value in along(page[part], key)
    ]
    best = max(along(page["stages"], "stages"), key=lambda value: fmean(by(page["stages"], "stages", value)))
    rows.append(Row("best number of fixed stages", str(best), "1 of 0 to 4", best == 1))
    rows.append(Row("best radius at the source", f"{page['radius']:g}", "0.05, 1, 0.5 by split"))
    for name in STRATEGIES:
        parts = {what: by(page["strategies"], "strategy", name, what) for what in ("unseen", "seen", "train", *LOOKS)}
        rows.append(Row(f"{name} (%)", ", ".join(f"{named(what)} {cell(values)}" for what, values in parts.items())))
    first, *others = ("AT->FT", *(name for name in STRATEGIES if name != "AT->FT"))
    for name in others:
        both = by(page["strategies"], "strategy", first), by(page["strategies"], "strategy", name)
        rows.append(Row(f"{first} above {name}: unseen looks", " against ".join(map(cell, both)), "", ordering(*both)))
    worst = min(LOOKS, key=lambda what: fmean(by(page["strategies"], "strategy", "ST", what)))
    gain = fmean(by(page["strategies"], "strategy", first, worst)) - fmean(
        by(page["strategies"], "strategy", "ST", worst)
    )
    rows.append(Row(f"gain of AT->FT on ST where that is worst ({named(worst)}), points", gain, PUBLISHED["gain"]))
    return rows


EXPERIMENT = Experiment(
    "transfer_strategies", __doc__ or "", SCALES, measure, draw, compare,
    {"--data-dir": DATA_DIR, "--trainings": TRAININGS},
)  # fmt: skip

if __name__ == "__main__":
    run(EXPERIMENT)
