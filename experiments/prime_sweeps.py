"""Claim: PRIME needs its three primitives, has a best strength, and a few copies made beforehand do nearly as well.

Reference: Modas, "Robustness and invariance properties of image classifiers" (thesis, EPFL 2022), Table 5.5 (accuracy
under corruptions, in noise, blur, weather and digital changes; ResNet-18, ImageNet-100, no JSD: none 49.7, spectral
64.1, spatial 53.8, colour 59.9, all 68.8), Fig. 5.4 (a best strength, alpha 0.2 on CIFAR-10; below it clean accuracy
falls as robustness grows), Fig. 5.5 (four copies 88.8 %, fresh ones 89.3 % on CIFAR-10; epochs divided by copies + 1).

Here: the ResNet-8 of the zoo on Fashion-MNIST, whose colour primitive bends the one grey channel.

    python -m experiments.prime_sweeps --data-dir DATA [--trainings FOLDER] [--scale smoke|cpu|paper]

One core: smoke half a minute, cpu (12,000 images, 5 epochs, one seed, 16 trainings) 20 minutes, paper (all images, the
epochs of the recipe, three seeds) a day. Trainings are kept and found again.
"""

import argparse
import math

from matplotlib.figure import Figure

import geomrob
from experiments.harness import DATA_DIR, SMOKE, Experiment, Page, Row, run, stroke
from experiments.trainings import TRAININGS, Sweep, changed, corrupted, errors_of, trained
from experiments.zoo import mean_and_error
from geomrob.analysis.corruptions.scores import BENCHMARK
from geomrob.augment.registry import enlarged
from geomrob.plot.style import blank, figure_headline, tidy
from geomrob.training import Augment

RECIPE = "fmnist-standard"
GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
PARTS = {
    "none": (),
    "spectral": ("spectral",),
    "spatial": ("spatial",),
    "color": ("color",),
    "spectral, spatial": ("spectral", "spatial"),
    "spectral, color": ("spectral", "color"),
    "spatial, color": ("spatial", "color"),
    "all": ("spectral", "spatial", "color"),
}
STRENGTHS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
COPIES = (1, 2, 4)
# Table 5.5: under corruptions; noise, blur, weather, digital; clean. Per cent.
PUBLISHED = {
    "none": (49.7, 27.3, 48.6, 54.8, 62.6, 88.0),
    "spectral": (64.1, 60.7, 55.4, 66.6, 72.9, 87.3),
    "spatial": (53.8, 30.1, 56.2, 57.6, 65.4, 87.0),
    "color": (59.9, 67.4, 52.6, 54.4, 67.1, 86.9),
    "spectral, spatial": (64.5, 58.5, 57.3, 66.8, 73.9, 87.7),
    "spectral, color": (67.5, 77.2, 55.7, 65.3, 74.2, 87.1),
    "spatial, color": (63.3, 74.7, 57.4, 56.2, 67.8, 86.2),
    "all": (68.8, 78.8, 58.3, 66.0, 74.8, 87.1),
}


def cases() -> dict[str, tuple[Augment | None, int]]:
    """The augmentation of a step, and how many copies are made beforehand instead, by the name of the case."""
    whole = {name: (Augment(primitives=parts) if parts else None, 0) for name, parts in PARTS.items()}
    strengths = {f"strength {value:g}": (Augment(strength=value), 0) for value in STRENGTHS if value != 1}
    return whole | strengths | {f"{count} copies": (Augment(), count) for count in COPIES}


SCALES = {
    "smoke": Sweep(60, 1, (0,), 10, (3,)),
    "cpu": Sweep(12_000, 5, (0,), 300, (1, 3, 5)),
    "paper": Sweep(0, 0, (0, 1, 2), 1000, (1, 2, 3, 4, 5)),
}


def measure(scale: Sweep, flags: argparse.Namespace) -> Page:
    smoke = flags.scale == SMOKE
    if flags.data_dir is None and not smoke:
        raise SystemExit("name the folder of Fashion-MNIST by --data-dir")
    folder = flags.figures / "trainings" if smoke else flags.trainings
    test = geomrob.load_data("fashion-mnist-1k", samples=scale.test, seed=0)
    under = corrupted(test, BENCHMARK[::5] if smoke else BENCHMARK, scale.severities)
    source = "fashion-mnist-1k" if smoke else ""
    rows = []
    for seed in scale.seeds:
        for case, (augment, copies) in cases().items():
            if smoke and case not in ("none", "color", "1 copies"):
                continue
            epochs = scale.epochs or changed(RECIPE).options.epochs
            epochs = math.ceil(epochs / (copies + 1))
            recipe = changed(
                RECIPE, samples=scale.train, data=source, epochs=epochs, augment=None if copies else augment
            )
            train = None
            if copies:
                train = geomrob.load_data(
                    recipe.data, split=recipe.split, data_dir=flags.data_dir, samples=scale.train or None, seed=seed
                )
                train = enlarged(train, copies, augment, seed=seed)
            model = trained(recipe, seed, folder, flags.data_dir, train=train, name=case if copies else "")
            rows.append({"case": case, "seed": seed, **errors_of(model, test, under)})
            print(case, seed, f"clean {rows[-1]['clean']:.1f}, corrupted {rows[-1]['mean']:.1f} %", flush=True)
    return {"test": len(test), "train": scale.train, "rows": rows}


def accuracy_of(page: Page, case: str, column: str) -> list[float]:
    """The accuracy in per cent on clean images, under all corruptions or those of a group, a number a seed."""
    rows = [row for row in page["rows"] if row["case"] == case]
    if column in ("clean", "mean"):
        return [100 - row[column] for row in rows]
    names = [name for name in GROUPS[column] if all(name in row["corruptions"] for row in rows)]
    return [100 - sum(row["corruptions"][name] for name in names) / len(names) for row in rows] if names else []


def draw(page: Page) -> Figure:
    """Groups of corruptions by primitives; accuracy over strength; copies beside fresh augmentation."""
    figure = blank(12, 5.2)
    figure_headline(
        figure,
        "What does PRIME need?",
        f"ResNet-8, Fashion-MNIST, {page['train']:,} training images, no JSD. Accuracy on {page['test']} test images "
        "under the 15 corruptions; means over seeds.",
    )
    first, second, third = figure.subplots(1, 3, width_ratios=[1.7, 1, 1])
    columns = [name for name in ("mean", *GROUPS) if accuracy_of(page, "none", name)]
    there = [name for name in PARTS if accuracy_of(page, name, "clean")]
    for index, column in enumerate(columns):
        values = [mean_and_error(accuracy_of(page, name, column))[0] for name in there]
        first.plot(values, range(len(there)), ms=6, label="all 15" if column == "mean" else column,
                   **{**stroke(index), "linestyle": "none"})  # fmt: skip
    first.set(xlabel="accuracy (%)", yticks=range(len(there)), title="primitives")
    first.set_yticklabels(there, fontsize=8.5)
    first.invert_yaxis()
    first.legend(fontsize=8, ncols=len(columns), loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    at = {value: "all" if value == 1 else f"strength {value:g}" for value in STRENGTHS}
    at = {value: name for value, name in at.items() if accuracy_of(page, name, "clean")}
    for index, column in enumerate(("mean", "clean")):
        pairs = [mean_and_error(accuracy_of(page, name, column)) for name in at.values()]
        label = "corrupted" if column == "mean" else column
        second.errorbar(list(at), [m for m, _ in pairs], [e for _, e in pairs], label=label, **stroke(index))
        names = [f"{count} copies" for count in COPIES if accuracy_of(page, f"{count} copies", "clean")]
        pairs = [mean_and_error(accuracy_of(page, name, column)) for name in names]
        counts = [int(name.split()[0]) for name in names]
        third.errorbar(counts, [m for m, _ in pairs], [e for _, e in pairs], label=label, **stroke(index))
        for fresh in [mean_and_error(accuracy_of(page, "all", column))[0]]:
            third.axhline(fresh, lw=1, ls=":", color=stroke(index)["color"])
    second.set(xscale="log", xlabel="strength (alpha)", ylabel="accuracy (%)", title="strength")
    third.set(xlabel="copies made beforehand", xticks=COPIES, title="copies (dotted: fresh ones)")
    for ax in (second, third):
        ax.legend(fontsize=8)
    for ax in (first, second, third):
        tidy(ax)
    return figure


def compare(page: Page) -> list[Row]:
    """Each case: accuracy under corruptions, by group, and clean, beside Table 5.5."""
    rows = []
    for case in cases():
        if accuracy_of(page, case, "clean"):
            columns = [name for name in ("mean", *GROUPS, "clean") if accuracy_of(page, case, name)]
            here = ", ".join(f"{name} {mean_and_error(accuracy_of(page, case, name))[0]:.1f}" for name in columns)
            rows.append(Row(case, here, " / ".join(f"{value:g}" for value in PUBLISHED.get(case, ()))))
    return rows


EXPERIMENT = Experiment(
    "prime_sweeps", __doc__ or "", SCALES, measure, draw, compare, {"--data-dir": DATA_DIR, "--trainings": TRAININGS}
)

if __name__ == "__main__":
    run(EXPERIMENT)
