"""Attias, Pehlevan, Obeid, "A brain-inspired regularizer for adversarial robustness", 2024."""

import math
import statistics

from experiments.registry.criteria import Numbers, every, holds, mean_and_error, ordered
from experiments.registry.entry import Criterion, Entry, Page
from experiments.registry.numbers import colour, corrupted, equation, swept, zoo

SMALL = "ResNet-8 on Fashion-MNIST, one cycle of 8 epochs"
SWEPT = "ResNet-8 on Fashion-MNIST, 12,000 images, 5 epochs, two seeds"
PAIRS = "training/losses/test_pair_sampler.py"


LOW = ("snow", "frost", "fog", "brightness", "contrast")
HIGH = ("gaussian_noise", "shot_noise", "impulse_noise")


def _groups(page: Page) -> tuple[bool, str]:
    high, low = (mean(page, "similarity", names) - mean(page, "standard", names) for names in (HIGH, LOW))
    return high > 0 > low, f"gain under high frequencies {high:+.1f}, low {low:+.1f} points"


def _low(model: str) -> Numbers:
    """The share of energy at low frequencies of boundary-attack perturbations, a number a training."""
    return lambda page: [row["low"]["boundary attack"] for row in page["rows"] if row["model"] == f"fmnist-{model}"]


def _noises(page: Page) -> tuple[bool, str]:
    law = {"gaussian": 0.1, "uniform": 0.1 / math.sqrt(3), "salt-pepper": math.sqrt(0.1 / 4)}
    found = {name: page["noises"][name]["deviation"] for name in law}
    good = all(abs(found[name] / law[name] - 1) < 0.05 for name in law)
    return good, ", ".join(f"{name} {value:.3f}" for name, value in found.items())


def _centres(page: Page) -> tuple[bool, str]:
    groups = {"low": LOW, "high": HIGH, "mid": [name for name in page["spectra"] if name not in (*LOW, *HIGH)]}
    at = {group: sum(page["spectra"][name]["centre"] for name in names) / len(names) for group, names in groups.items()}
    return at["low"] < at["mid"] < at["high"], ", ".join(f"{group} {at[group]:.1f}" for group in ("low", "mid", "high"))


def mean(page: Page, model: str, names: tuple[str, ...]) -> float:
    """Mean accuracy under some corruptions, over trainings too."""
    values = [value for name in names for value in corrupted(model, name)(page)]
    return sum(values) / len(values)


def _above(case: str, measure: str, data: str = "fashion-mnist") -> Criterion:
    """A case of similarity_sweeps above the unregularised network."""
    return ordered(
        f"{measure}, {case} and unregularised", swept(case, measure, data), swept("unregularised", measure, data)
    )


def _bare(page: Page) -> tuple[bool, str]:
    """Bare targets gain in noise, beyond the standard error, and not under FGSM, up to two points."""
    noise = _above("bare pixels", "noise 0.1").decide(page)
    bare, plain = (statistics.fmean(swept(case, "FGSM 0.05")(page)) for case in ("bare pixels", "unregularised"))
    return noise.holds and bare <= plain + 2, f"{noise.here}; FGSM 0.05 {bare:.1f} against {plain:.1f}"


def _ranges(page: Page) -> tuple[bool, str]:
    """High similarities alone gain in noise, low ones alone do not, and gain less than the high ones."""
    at = {case: mean_and_error(swept(case, "noise 0.1")(page)) for case in ("low alone", "high alone", "unregularised")}
    (low, spread), (high, error), (plain, rest) = at.values()
    good = high > plain + math.hypot(error, rest) and low <= plain + math.hypot(spread, rest) and low < high
    return good, f"noise 0.1: low alone {low:.1f}, high alone {high:.1f}, unregularised {plain:.1f}"


def _layers(page: Page) -> tuple[bool, str]:
    """The last compared layer has nearly no weight in the mean over the trainings with the thresholded target."""
    rows = [row["layers"] for row in page["rows"] if row.get("layers") and row["case"] == "threshold 0.8"]
    means = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    last = list(means)[-1]
    return means[last] < 0.05, ", ".join(f"{name} {value:.2f}" for name, value in means.items())


def _gain(column: str) -> Criterion:
    """The regularised model above the standard one under corruptions."""
    return ordered(
        f"{column}, regularised and standard", corrupted("similarity", column), corrupted("standard", column)
    )


PIXELS = (
    equation(
        "pixelreg-eq-1",
        "eq 1",
        "FGSM steps along the sign of the gradient, made on an unregularised network.",
        "attacks.fixed_budget.fgsm:fgsm",
        "attacks/test_strength.py::test_fgsm_is_its_formula",
    ),
    equation(
        "pixelreg-eq-2-4",
        "eqs 2-4",
        "The similarity loss compares angles of features, weighted over layers by a softmax, with a target.",
        "training.losses.pixel_similarity:similarity_loss",
        "training/losses/test_pixel_similarity.py::test_the_papers_loss_is_that_of_a_loop_over_pairs",
        "training/losses/test_pixel_similarity.py::test_the_term_is_that_of_a_loop_over_pairs_and_layers",
    ),
    equation(
        "pixelreg-eq-5",
        "eq 5",
        "Similarities above the threshold become 1, below minus it -1, others 0.",
        "training.losses.pair_sampler:thresholded",
        f"{PAIRS}::test_eq_5_holds_at_the_threshold",
    ),
    equation(
        "pixelreg-eq-6",
        "eq 6, 7.7",
        "Further targets use one or two thresholds and parts of the range.",
        "training.losses.pair_sampler:RULES",
        f"{PAIRS}::test_every_target_is_that_of_plain_python",
    ),
    equation(
        "pixelreg-sec-7.1-score",
        "Sec 7.1 S(M)",
        "The score is the median squared length of boundary-attack perturbations per element.",
        "results.decision_based:score",
        "analysis/test_strength_curve.py::test_the_score_is_the_median_of_mean_squares",
    ),
    equation(
        "pixelreg-sec-7.1-noise",
        "Sec 7.1 noise",
        "Gaussian, uniform and salt-and-pepper noise of a strength.",
        "attacks.fixed_budget.noise:noisy",
        "attacks/test_strength.py::test_noise_is_its_formula",
    ),
    Entry(
        id="pixelreg-fig-1",
        where="Fig 1",
        claim="Similarities of neurons in mice resemble those of pixels.",
        published={},
        why_not="needs recordings of neurons",
    ),
    Entry(
        id="pixelreg-fig-2-12",
        where="Fig 2, 12",
        claim="The bare pixel similarity as target gains a little in noise and nothing under FGSM.",
        published={},
        run="similarity_sweeps",
        criterion=holds(
            "gains in noise of 0.1 beyond the standard error, at most two points under FGSM of 0.05", _bare
        ),
        stand_in=SWEPT,
    ),
    Entry(
        id="pixelreg-fig-3-13",
        where="Fig 3, 13",
        claim="The thresholded target on grey photographs gains in noise, FGSM and the boundary attack.",
        published={},
        run="similarity_sweeps",
        criterion=every(
            *(_above("of CIFAR-10", measure) for measure in ("noise 0.1", "FGSM 0.05", "boundary attack")),
        ),
        stand_in=f"{SWEPT}; grey CIFAR-10 for photographs of ImageNet",
    ),
    Entry(
        id="pixelreg-fig-4",
        where="Sec 5.2, Fig 4",
        claim="Many pairs of strength and threshold keep 0.9 of the clean accuracy and gain under attack.",
        published={"R0/U0": 0.9, "RD/UD": 1, "D noise, FGSM": (0.1, 0.02)},
        run="zoo_table",
        criterion=every(
            ordered(
                "clean accuracy, regularised and 0.9 of standard",
                zoo("clean", "similarity"),
                lambda page: [0.9 * value for value in zoo("clean", "standard")(page)],
            ),
            ordered("noise of 0.1, regularised and standard", zoo("noise", "similarity"), zoo("noise", "standard")),
        ),
        stand_in=f"{SMALL}; the one pair (10, 0.8) and noise alone",
    ),
    Entry(
        id="pixelreg-fig-5-16-19",
        where="Fig 5, 16, 19",
        claim="Other sets of regularisation images (CIFAR-10, CIFAR-100, ImageNet) work as well.",
        published={},
        run="similarity_sweeps",
        criterion=every(
            *(
                _above(case, measure)
                for case in ("threshold 0.8", "of MNIST", "of CIFAR-10")
                for measure in ("noise 0.1", "FGSM 0.05")
            )
        ),
        stand_in=f"{SWEPT}; regularised on Fashion-MNIST, MNIST and grey CIFAR-10",
    ),
    Entry(
        id="pixelreg-fig-6",
        where="Fig 6",
        claim="The regularised network is more accurate under the 15 corruptions.",
        published={},
        run="zoo_corruptions",
        criterion=_gain("mean"),
        stand_in=SMALL,
    ),
    Entry(
        id="pixelreg-fig-7-left",
        where="Fig 7 left",
        claim="The gain is in the high-frequency corruptions, with a loss in the low-frequency ones.",
        published={"severity": 4},
        run="zoo_corruptions",
        criterion=holds("better under the three noises, worse under the five low-frequency corruptions", _groups),
        stand_in=f"{SMALL}; mean of five severities",
    ),
    Entry(
        id="pixelreg-fig-7-centre-right",
        where="Fig 7 centre, right",
        claim="Boundary-attack perturbations of the regularised network have more of their power at low frequencies.",
        published={"queries": 10000},
        run="robust_networks",
        criterion=ordered("share up to 7 cycles, regularised and standard", _low("similarity"), _low("standard")),
        stand_in=f"{SMALL}, 12 images, 500 queries",
    ),
    Entry(
        id="pixelreg-fig-8",
        where="Sec 5.6, Fig 8",
        claim="Few pairs a step suffice: 4 to 32 give the same robustness.",
        published={},
        run="similarity_sweeps",
        criterion=every(*(_above(case, "noise 0.1") for case in ("4 pairs", "8 pairs", "threshold 0.8", "32 pairs"))),
        stand_in=SWEPT,
    ),
    Entry(
        id="pixelreg-fig-9",
        where="Fig 9",
        claim="100 to 1,000 regularisation images suffice.",
        published={},
        run="similarity_sweeps",
        criterion=every(*(_above(case, "noise 0.1") for case in ("100 images", "1,000 images", "threshold 0.8"))),
        stand_in=SWEPT,
    ),
    Entry(
        id="pixelreg-fig-10",
        where="Fig 10",
        claim="In colour, CIFAR-10 with three regularisation sets gains as in grey.",
        published={},
        run="colour_networks",
        criterion=every(
            ordered("noise 0.1, regularised and standard", colour("similarity", "noise"), colour("standard", "noise")),
            ordered("FGSM 0.02, regularised and standard", colour("similarity", "FGSM"), colour("standard", "FGSM")),
        ),
        stand_in="ResNet-8 on CIFAR-10, 15,000 images, 10 epochs, two seeds; regularised on CIFAR-10 alone",
    ),
    Entry(
        id="pixelreg-fig-11",
        where="Fig 11",
        claim="The three noises on an image.",
        published={},
        run="corruption_pictures",
        criterion=holds("drawn, each with the deviation of its law within 5 %", _noises),
    ),
    Entry(
        id="pixelreg-fig-14-17",
        where="Fig 14, 17",
        claim="MNIST regularised on MNIST or Fashion-MNIST gains in noise and under attack.",
        published={},
        run="similarity_sweeps",
        criterion=every(
            *(
                _above(case, measure, "mnist")
                for case in ("of MNIST", "of Fashion-MNIST")
                for measure in ("noise 0.2", "FGSM 0.05")
            )
        ),
        stand_in="ResNet-8, 12,000 images, 5 epochs, two seeds",
    ),
    Entry(
        id="pixelreg-fig-15-18",
        where="Fig 15, 18",
        claim="Fashion-MNIST regularised on itself or MNIST gains in noise and under attack.",
        published={},
        run="zoo_table",
        criterion=ordered(
            "noise of 0.1, regularised and standard", zoo("noise", "similarity"), zoo("noise", "standard")
        ),
        stand_in=SMALL,
    ),
    Entry(
        id="pixelreg-fig-20-22",
        where="Fig 20-22",
        claim="The high similarities matter; targets of low ones alone do not help.",
        published={},
        run="similarity_sweeps",
        criterion=holds("high similarities alone gain in noise of 0.1, low ones alone do not", _ranges),
        stand_in=SWEPT,
    ),
    Entry(
        id="pixelreg-fig-23",
        where="Fig 23",
        claim="A ResNet-34 on colour CIFAR-100 gains too.",
        published={},
        why_not="CIFAR-100 is not at hand; `geomrob train cifar100-resnet34-similarity` is the recipe",
    ),
    Entry(
        id="pixelreg-fig-24",
        where="Fig 24",
        claim="Against robust models of RobustBench the gain at severity 5 is small.",
        published={},
        why_not="weights of RobustBench are fetched over the network: `--model robustbench:DATASET/THREAT/NAME`",
    ),
    Entry(
        id="pixelreg-fig-25",
        where="Fig 25",
        claim="The 15 corruptions differ in the frequencies that they change.",
        published={"severity": 3},
        run="corruption_pictures",
        criterion=holds("mean frequency rises from the low over the mid to the high group of the paper", _centres),
        stand_in="Fashion-MNIST for CIFAR-10",
    ),
    Entry(
        id="pixelreg-tab-1",
        where="Tab 1",
        claim="The strengths and thresholds of ten pairs of data sets.",
        published={"C10-C10": (10, 0.8), "M-M": (4, 0.2), "F-M": (10, 0.4), "F-F": (10, 0.8)},
        why_not="settings, not a result; four of the ten pairs are recipes",
    ),
    Entry(
        id="pixelreg-tab-2-3",
        where="Tabs 2, 3",
        claim="The trained weights of the layers lie on early and middle layers, none on the last.",
        published={"C10-C10 layers 5, 9": (0.56, 0.38), "F-F layer 9": 0.571, "last layer": 0},
        run="similarity_sweeps",
        criterion=holds("the last compared layer has a weight below 0.05", _layers),
        stand_in=f"{SWEPT}; four layers of a ResNet-8",
    ),
)
