"""Claim: what fails on grey clothes is the data's doing: on CIFAR-10 the remedies make small networks robust.

Reference, all on CIFAR-10: Bennabhaktula et al., PushPull-Net, 2024, Table 1 (mrCE of ResNet-18 with a push-pull stem
0.97); Attias, Pehlevan, Obeid, "A brain-inspired regularizer", 2024, Figs 3 and 10 (gains in noise and under
transferred FGSM, grey and in colour); Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL
2022), section 5.2.1 and Table 5.1 (mean accuracy under the 15 corruptions: standard 72.5, trained on grey images 66.2)
and Table 5.2 (standard 74, AugMix 88.6, PRIME 89.8); Cekic, Bakiskan, Madhow, "Layerwise Hebbian/anti-Hebbian (HaH)
learning", 2022, Table 1 (VGG-16 and HaH: clean 92.5 and 87.3, noise of 0.1 26.6 and 64, l-infinity 2/255 10.4 and 21.5,
l2 0.25 13.9 and 27.6).

Here: the small ResNet-8 and the small VGG of the zoo in colour, so that the data alone differ from the tables on
Fashion-MNIST; and the regulariser once more with SGD as published, without weight decay, beside a twin without it.

    python -m experiments.colour_networks --data-dir DATA [--trainings FOLDER] [--seeds 3] [--scale smoke|cpu|paper]

One core: smoke ten seconds (grey clothes in three channels, for want of embedded colour images), cpu (15,000 images, 10
epochs, one seed, 10 trainings) 28 minutes, with three seeds 85, paper (ResNet-18 and VGG-16, all images, the epochs of
the recipes) weeks. Trainings are kept and found again, also by `robust_networks --data cifar10`.
"""

import argparse
from statistics import fmean

from matplotlib.figure import Figure
from torch import nn

from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run
from experiments.measures import noise_accuracy, robust_accuracy
from experiments.small_networks import CASES, SWEEPS, images_of, network_of
from experiments.trainings import TRAININGS, Sweep, corrupted, errors_of
from experiments.zoo import cell, mean_and_error, ordering
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.data import Samples
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import accuracy

MEASURES = {
    "clean": "clean",
    "mean": "15 corruptions",
    "noise": "noise of 0.1",
    "FGSM": "FGSM 0.02, transferred",
    "linf": "PGD, $\\ell_\\infty$ 2/255",
    "l2": "PGD, $\\ell_2$ 0.25",
}
FGSM_STEP = 0.02
STEPS = 20
# Accuracy in per cent by case and measure.
PUBLISHED = {
    ("standard", "mean"): 72.5,
    ("grey", "mean"): 66.2,
    ("AugMix", "mean"): 88.6,
    ("PRIME", "mean"): 89.8,
    ("VGG", "clean"): 92.5,
    ("HaH", "clean"): 87.3,
    ("VGG", "noise"): 26.6,
    ("HaH", "noise"): 64.0,
    ("VGG", "linf"): 10.4,
    ("HaH", "linf"): 21.5,
    ("VGG", "l2"): 13.9,
    ("HaH", "l2"): 27.6,
}
CLAIMS = {
    "push-pull": ("mean",),
    "similarity": ("noise", "FGSM"),
    "similarity, no decay": ("noise", "FGSM"),
    "AugMix": ("mean",),
    "PRIME": ("mean",),
    "HaH": ("noise", "linf", "l2"),
}
"""What each is claimed to raise above its twin; grey images to lower."""


def measure(scale: Sweep, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    test = images_of(scale.test, flags)
    under = corrupted(test, BENCHMARK[::5] if smoke else BENCHMARK, scale.severities)
    rows: list[Page] = []
    for seed in scale.seeds[: flags.seeds]:
        surrogate = network_of("standard", seed, scale, flags)
        for case in ("standard", "similarity", "HaH") if smoke else CASES:
            model = network_of(case, seed, scale, flags)
            errors = errors_of(model, test, under)
            row: Page = {"case": case, "seed": seed, "clean": 100 - errors["clean"], "mean": 100 - errors["mean"]}
            row |= {"corruptions": {name: 100 - error for name, error in errors["corruptions"].items()}}
            row |= attacked(model, surrogate, test)
            rows.append(row)
            print(case, seed, {name: round(row[name], 1) for name in MEASURES}, flush=True)
    about = {"test": len(test), "train": scale.train, "epochs": scale.epochs, "severities": scale.severities}
    return {**about, "rows": rows}


def attacked(model: nn.Module, surrogate: nn.Module, test: Samples) -> dict[str, float]:
    """Accuracy in per cent in noise, under FGSM from the standard network of the same seed, and under PGD."""
    moved = fgsm(surrogate, test.images, test.labels, epsilon=FGSM_STEP, source=surrogate).perturbed
    return {
        "noise": 100 * noise_accuracy(model, test),
        "FGSM": 100 * accuracy(model, Samples(moved, test.labels, test.classes, test.indices, test.name)),
        **{ball: 100 * robust_accuracy(model, test, ball, STEPS) for ball in ("linf", "l2")},
    }


def of(page: Page, case: str, name: str) -> list[float]:
    """Accuracies in per cent, a number a seed: a measure, or under one corruption."""
    rows = [row for row in page["rows"] if row["case"] == case]
    return [row[name] if name in row else row["corruptions"][name] for row in rows]


def there(page: Page) -> list[str]:
    """The cases that were measured and have a twin."""
    measured = {row["case"] for row in page["rows"]}
    return [case for case, one in CASES.items() if case in measured and one.twin in measured]


def draw(page: Page) -> Figure:
    """A panel a measure and a bar a case: how many points it is above its twin."""
    cases = there(page)
    figure = blank(12.5, 0.38 * len(cases) + 2.4)
    figure_headline(
        figure,
        "Do the remedies make small networks robust on CIFAR-10?",
        f"Accuracy above that of the twin, in points: small ResNet-8 and small VGG in colour, {page['train']:,} "
        f"training images, {page['epochs'] or 'all'} epochs; {page['test']} test images, mean and standard error over "
        f"{len({row['seed'] for row in page['rows']})} seeds. Dark bars: what is claimed.",
    )
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    for ax, (name, words) in zip(panels, MEASURES.items(), strict=True):
        gains = [
            [ours - twin for ours, twin in zip(of(page, case, name), of(page, CASES[case].twin, name), strict=False)]
            for case in cases
        ]
        pairs = [mean_and_error(values) for values in gains]
        claimed = [name in CLAIMS.get(case, ("mean",) if case == "grey" else ()) for case in cases]
        colors = ["C0" if one else "#b8c4d6" for one in claimed]
        at = range(len(cases))
        ax.barh(at, [mean for mean, _ in pairs], xerr=[error for _, error in pairs], color=colors, height=0.65)
        ax.axvline(0, color="#555555", lw=0.8)
        ax.set(yticks=at)
        ax.set_title(words, fontsize=9.5)
        ax.set_yticklabels([f"{case}  (of {CASES[case].twin})" for case in cases], fontsize=8.5)
        tidy(ax)
    panels[0].invert_yaxis()
    figure.supxlabel("points above the twin", fontsize=9.5)
    return figure


def compare(page: Page) -> list[Row]:
    """Accuracies beside the published ones, and each claimed ordering."""
    rows = [
        Row(f"{case}: {name} (%)", cell(of(page, case, name)), PUBLISHED.get((case, name), ""))
        for case in dict.fromkeys(row["case"] for row in page["rows"])
        for name in MEASURES
    ]
    for case in there(page):
        for name in CLAIMS.get(case, ()):
            both = of(page, case, name), of(page, CASES[case].twin, name)
            what, here = f"{case} above {CASES[case].twin}: {name}", " against ".join(map(cell, both))
            rows.append(Row(what, here, "above", ordering(*both)))
    if "grey" in there(page):
        both = of(page, "standard", "mean"), of(page, "grey", "mean")
        rows.append(Row("grey below standard: mean", " against ".join(map(cell, both)), "below", ordering(*both)))
        better = [name for name in BENCHMARK if fmean(of(page, "grey", name)) > fmean(of(page, "standard", name))]
        rows.append(Row("grey better under", ", ".join(better) or "none", "impulse noise, contrast"))
    return rows


FLAGS = {
    "--data-dir": DATA_DIR,
    "--trainings": TRAININGS,
    "--seeds": {"type": int, "default": 1, "metavar": "N", "help": "trainings of each network, up to three"},
}
EXPERIMENT = Experiment("colour_networks", __doc__ or "", SWEEPS, measure, draw, compare, FLAGS)

if __name__ == "__main__":
    run(EXPERIMENT)
