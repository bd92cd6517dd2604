"""Claim: a push-pull stem helps more with more inhibition, and adds to other remedies against corruptions.

Reference: Bennabhaktula, Alegre, Strisciuglio, Azzopardi, "PushPull-Net: inhibition-driven ResNet robust to image
corruptions", 2024: Fig. 7 and Table 3 (ResNet-18, ImageNet-100, alpha in 0.5, 1, ..., 6: mrCE 0.932, 0.929 and 0.928
without average, with one of 3 and of 5; clean error 0.249, 0.251, 0.260 against 0.207), Table 2 (CIFAR-10, ResNet-50,
mrCE: older push-pull layer 0.973, BlurConv1 0.948, BlurConv2 1.24; ImageNet-100: AugMix, PRIME, TrivialAugment and
AutoAugment with the stem of average 3 relative to without it 0.968, 0.954, 0.985, 0.961; BlurConv2 0.924).

Here: the ResNet-8 of the zoo on Fashion-MNIST; mrCE is the mean over corruptions of the error relative to that of the
plain network, each averaged over seeds.

    python -m experiments.stem_sweeps --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke half a minute, cpu (12,000 images, 5 epochs, two seeds, 38 trainings) 35 minutes, paper (all images, the
epochs of the recipe, three seeds) a day. Trainings are kept and found again.
"""

import argparse
from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure
from torch import nn

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from experiments.trainings import TRAININGS, Sweep, changed, corrupted, errors_of, trained
from experiments.zoo import mean_and_error
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.models import build
from geomrob.models.antialias import antialias
from geomrob.models.push_pull_stem import replace_first_conv, replace_first_conv_upsampled
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import Augment

RECIPE = "fmnist-standard"
ALPHAS, AVERAGES = (0.5, 1.0, 2.0, 4.0), (0, 3, 5)
Change = Callable[[nn.Module], nn.Module]


def push_pull(average: int, alpha: float | str, seed: int) -> Change:
    """A push-pull stem; `seed` draws an inhibition that is trained."""
    inhibition = "trainable" if alpha == "trained" else alpha
    return partial(replace_first_conv, average=average, inhibition=inhibition, seed=seed)


def cases(seed: int) -> dict[str, tuple[list[Change], str]]:
    """What is done to the network, and the augmentation that it is trained with, by the name of the case."""
    pp3 = push_pull(3, "trained", seed)
    sweep = {
        f"alpha {alpha:g}, average {average}": ([push_pull(average, alpha, seed)], "")
        for average in AVERAGES
        for alpha in ALPHAS
    }
    return {
        "plain": ([], ""),
        **sweep,
        "alpha trained, average 3": ([pp3], ""),
        "older push-pull": ([replace_first_conv_upsampled], ""),
        "blur": ([antialias], ""),
        "blur, push-pull": ([antialias, pp3], ""),
        "AugMix": ([], "augmix"),
        "AugMix, push-pull": ([pp3], "augmix"),
        "PRIME": ([], "prime"),
        "PRIME, push-pull": ([pp3], "prime"),
    }


SCALES = {
    "smoke": Sweep(60, 1, (0,), 10, (3,)),
    "cpu": Sweep(12_000, 5, (0, 1), 300, (1, 3, 5)),
    "paper": Sweep(0, 0, (0, 1, 2), 1000, (1, 2, 3, 4, 5)),
}
# Table 3: mean over alpha of mrCE and of the clean error, by the side of the average.
PUBLISHED = {0: (0.932, 0.249), 3: (0.929, 0.251), 5: (0.928, 0.260)}


def measure(scale: Sweep, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of Fashion-MNIST by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    test = geomrob.load_data("fashion-mnist-1k", samples=scale.test, seed=0)
    names = BENCHMARK[::5] if smoke else BENCHMARK
    under = corrupted(test, names, scale.severities)
    epochs = {"epochs": scale.epochs} if scale.epochs else {}
    rows = []
    for seed in scale.seeds:
        for case, (changes, augmented) in cases(seed).items():
            if smoke and case not in ("plain", "alpha 1, average 3", "blur, push-pull"):
                continue
            augment = Augment(augmented) if augmented else None
            recipe = changed(
                RECIPE, samples=scale.train, data="fashion-mnist-1k" if smoke else "", augment=augment, **epochs
            )

            def make(changes: list[Change] = changes, seed: int = seed, name: str = recipe.model) -> nn.Module:
                model = build(name, seed=seed)
                for change in changes:
                    model = change(model)
                return model

            model = trained(recipe, seed, folder, flags.data_dir, make=make, name=case if changes else "")
            rows.append({"case": case, "seed": seed, **errors_of(model, test, under)})
            print(case, seed, f"clean {rows[-1]['clean']:.1f}, corrupted {rows[-1]['mean']:.1f} %", flush=True)
    return {"test": len(test), "train": scale.train, "rows": rows}


def relative(page: Page, case: str, to: str = "plain") -> list[float]:
    """The mean corruption error relative to that of another case (mrCE), a number a seed."""
    by = {(row["case"], row["seed"]): row["corruptions"] for row in page["rows"]}
    seeds = [seed for name, seed in by if name == case]
    base = {
        name: sum(by[to, seed][name] for seed in seeds) / len(seeds) for name in (by[to, seeds[0]] if seeds else ())
    }
    return [sum(by[case, seed][name] / base[name] for name in base) / len(base) for seed in seeds]


def clean(page: Page, case: str) -> list[float]:
    """The error on clean images in per cent, a number a seed."""
    return [row["clean"] for row in page["rows"] if row["case"] == case]


def draw(page: Page) -> Figure:
    """Robustness against clean error: a line a size of the average along alpha, and the other remedies as marks."""
    figure = blank(11.5, 4.9)
    figure_headline(
        figure,
        "How much inhibition does a push-pull stem take?",
        f"ResNet-8, Fashion-MNIST, {page['train']:,} training images. Corruption error relative to the plain network, "
        "mean over 15 corruptions, against the error on clean images. Lower left is better.",
    )
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    for index, average in enumerate(AVERAGES):
        names = [name for name in (f"alpha {alpha:g}, average {average}" for alpha in ALPHAS) if clean(page, name)]
        at = [mean_and_error(clean(page, name))[0] for name in names]
        up = [mean_and_error(relative(page, name))[0] for name in names]
        left.plot(at, up, label=f"average {average}" if average else "no average", ms=6, **stroke(index))
        for x, y, name in zip(at, up, names, strict=True):
            left.annotate(name.split(",")[0][6:], (x, y), (4, 4), textcoords="offset points", fontsize=7.5)
    for index, name in enumerate(("plain", "alpha trained, average 3"), 3):
        if clean(page, name):
            x, y = mean_and_error(clean(page, name))[0], mean_and_error(relative(page, name))[0]
            left.scatter([x], [y], s=60, color=f"C{index}", marker="*", zorder=4, label=name)
    left.set(xlabel="error on clean images (%)", ylabel="relative corruption error (mrCE)", title="numbers: alpha")
    left.legend(fontsize=8)
    others = [name for name in cases(0) if not name.startswith("alpha") and name != "plain" and clean(page, name)]
    pairs = [mean_and_error(relative(page, name)) for name in others]
    right.barh(range(len(others)), [m for m, _ in pairs], xerr=[e for _, e in pairs], height=0.6)
    right.set(xlabel="relative corruption error (mrCE)", yticks=range(len(others)), title="beside other remedies")
    right.set_yticklabels(others, fontsize=8.5)
    right.invert_yaxis()
    right.axvline(1, color="#555555", lw=0.8)
    for ax in (left, right):
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Relative corruption error and clean error of each case, and their means over alpha beside Table 3."""
    rows = []
    for case in cases(0):
        if clean(page, case):
            (one, error), (other, spread) = mean_and_error(relative(page, case)), mean_and_error(clean(page, case))
            rows.append(Row(case, f"mrCE {one:.3f} ± {error:.3f}, clean error {other:.1f} ± {spread:.1f} %"))
    for average, (published, error) in PUBLISHED.items():
        names = [name for name in (f"alpha {alpha:g}, average {average}" for alpha in ALPHAS) if clean(page, name)]
        if names:
            here = sum(mean_and_error(relative(page, name))[0] for name in names) / len(names)
            there = sum(mean_and_error(clean(page, name))[0] for name in names) / len(names)
            rows.append(Row(f"mean over alpha, average {average}: mrCE", here, published))
            rows.append(Row(f"mean over alpha, average {average}: clean error (%)", there, 100 * error))
    return rows


EXPERIMENT = Experiment(
    "stem_sweeps", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
