"""Bennabhaktula, Alegre, Strisciuglio, Azzopardi, "PushPull-Net", 2024, and its supplement."""

import math
import statistics
from collections.abc import Callable, Sequence

from experiments.registry import kernels
from experiments.registry.criteria import Numbers, every, holds, ordered
from experiments.registry.entry import Entry, Page
from experiments.registry.numbers import equation, mrce, of_sweep

SMALL = "ResNet-8 of 16 filters on Fashion-MNIST, corruptions made by geomrob"
IMAGENET = "ImageNet, its subsets and weights are not at hand, and the training loop holds all images in memory"
KERNELS = "models/layers/test_push_pull.py"


def _ratio(corruptions: tuple[str, ...] = ()) -> Numbers:
    """The mean of push-pull errors over those of the standard model (mrCE), a number a training."""

    def numbers(page: Page) -> list[float]:
        rows = {row["model"]: row["errors"] for row in page["rows"] if row["adapt"] == "none"}
        at = [i for i, name in enumerate(page["corruptions"]) if not corruptions or name in corruptions]
        base = [sum(errors[i] for errors in rows["fmnist-standard"]) / len(rows["fmnist-standard"]) for i in at]
        other = rows["fmnist-pushpull-avg3"]
        return [sum(errors[i] / b for i, b in zip(at, base, strict=True)) / len(at) for errors in other]

    return numbers


def _one(page: Page) -> list[float]:
    return [1.0]


def _groups(page: Page) -> tuple[bool, str]:
    low = _ratio(("frost", "fog", "brightness", "contrast"))(page)
    middle = _ratio(("glass_blur", "motion_blur", "zoom_blur", "snow", "elastic_transform"))(page)
    rest = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "pixelate", "jpeg_compression")
    means = [sum(values) / len(values) for values in (low, middle, _ratio(rest)(page))]
    return means[0] > means[1] > means[2], "mrCE low {:.2f}, mid {:.2f}, high {:.2f}".format(*means)


def _net(page: Page) -> tuple[bool, str]:
    """R_net = (R_E + beta R_mCE) / 2 with beta = mCE0 / E0 (eqs 11-13)."""
    models = {row["model"]: row for row in page["rows"] if row["adapt"] == "none"}

    def pair(name: str) -> tuple[float, float]:
        row = models[name]
        clean = sum(row["clean"]) / len(row["clean"])
        return clean, sum(sum(errors) / len(errors) for errors in row["errors"]) / len(row["errors"])

    (clean, corrupted_error), (ours, under) = pair("fmnist-standard"), pair("fmnist-pushpull-avg3")
    beta = corrupted_error / clean
    net = ((clean - ours) / clean + beta * (corrupted_error - under) / corrupted_error) / 2
    return net > 0, f"beta {beta:.2f}, net reduction {net:+.3f}"


def _retrieved(page: Page) -> list[float]:
    """Three numbers with the mean and the standard error that the page has."""
    mean, error = list(page["models"].values())[1]["mrCE"]
    return [mean + side * (error or 0) * math.sqrt(3) for side in (-1, 0, 1)]


SWEPT = "ResNet-8 on Fashion-MNIST, 12,000 images, 5 epochs, two seeds"
TRAINED = "alpha trained, average 3"
ALPHAS = (0.5, 1, 2, 4)


def _knobs(page: Page) -> tuple[bool, str]:
    def over(numbers: Callable[[str], Numbers], cases: Sequence[str]) -> float:
        return statistics.fmean(value for case in cases for value in numbers(case)(page))

    ends = [[f"alpha {alpha:g}, average 3"] for alpha in (ALPHAS[0], ALPHAS[-1])]
    sides = [[f"alpha {alpha:g}, average {average}" for alpha in ALPHAS] for average in (0, 5)]
    good, here = True, []
    for name, pair in {"alpha": ends, "average": sides}.items():
        (one, other), (first, last) = (
            (over(f, cases) for cases in pair) for f in (mrce, lambda c: of_sweep(c, "clean"))
        )
        good &= other < one and last > first
        here.append(f"{name}: mrCE {one:.3f} -> {other:.3f}, clean error {first:.1f} -> {last:.1f} %")
    return good, "; ".join(here)


PUSHPULL = (
    equation(
        "pushpull-eq-1",
        "eq 1",
        "The push response is the convolution with the kernel plus its bias.",
        "models.layers.push_pull:push_pull",
        f"{KERNELS}::test_without_inhibition_it_is_the_rectified_convolution",
    ),
    equation(
        "pushpull-eq-2-4",
        "eqs 2-4",
        "The pull kernel is the complement of the push kernel, rescaled to its range: -w + max + min.",
        "spectral.push_pull_kernel:pull_kernel",
        "spectral/test_push_pull_kernel.py::test_the_complement_has_the_same_extrema_and_is_its_own_inverse",
    ),
    equation(
        "pushpull-eq-5",
        "eq 5, Fig 2",
        "The layer subtracts the rectified, averaged pull response times alpha from the rectified push response.",
        "models.layers.push_pull:push_pull",
        f"{KERNELS}::test_is_the_formula_written_as_loops",
    ),
    equation(
        "pushpull-eq-6-8",
        "eqs 6-8",
        "Without rectifiers the layer is a convolution with one kernel.",
        "spectral.push_pull_kernel:push_pull_kernel",
        "spectral/test_push_pull_kernel.py::test_one_kernel_is_the_layer_without_rectifiers",
        f"{KERNELS}::test_without_rectifier_it_is_one_kernel",
    ),
    equation(
        "pushpull-eq-9-10",
        "eqs 9, 10",
        "mCE is the mean of corruption errors, mrCE the mean of their ratios to a baseline.",
        "analysis.corruptions.scores:normalised_mce",
        "analysis/corruptions/test_scores.py::test_scores_worked_by_hand",
    ),
    equation(
        "pushpull-eq-11-13",
        "eqs 11-13",
        "The net reduction weighs clean error against corruption error by beta, the baseline's ratio of both.",
        "analysis.corruptions.scores:net_reduction",
        "analysis/corruptions/test_scores.py::test_published_number_of_beta",
        published="beta 2.81",
    ),
    equation(
        "pushpull-fig-1",
        "Fig 1",
        "The first convolution of any ConvNet can be replaced by a push-pull layer.",
        "models.push_pull_stem:replace_first_conv",
        "models/test_push_pull_stem.py::test_the_first_convolution_of_any_network_is_replaced",
    ),
    Entry(
        id="pushpull-fig-3",
        where="Fig 3",
        claim="Learned push kernels and their pull kernels look like opposite contrasts of one pattern.",
        published={},
        run="push_pull_kernels",
        criterion=holds("each pull kernel has correlation below -0.99 with its push kernel", kernels.opposite),
        stand_in="six 5 x 5 kernels of a LeNet on Fashion-MNIST for 64 of a ResNet-50 on ImageNet",
    ),
    Entry(
        id="pushpull-fig-4",
        where="Fig 4",
        claim="Push-pull raises the signal-to-noise ratio of an edge in Gaussian noise.",
        published={},
        run="push_pull_kernels",
        criterion=holds("mean over filters higher at alpha 0.5 than at 0", kernels.edge),
        stand_in="six 5 x 5 kernels of a LeNet on Fashion-MNIST for 64 of a ResNet-50 on ImageNet",
    ),
    Entry(
        id="pushpull-fig-5",
        where="Fig 5",
        claim="Small alpha makes kernels band-pass, large alpha low-pass, at any size of the average.",
        published={},
        run="push_pull_kernels",
        criterion=holds(
            "for each average: below the largest at frequency zero for alpha 0.25, the largest for 6", kernels.band_pass
        ),
        stand_in="six 5 x 5 kernels of a LeNet on Fashion-MNIST for 64 of a ResNet-50 on ImageNet",
    ),
    Entry(
        id="pushpull-fig-6",
        where="Fig 6",
        claim="Learned inhibitions have both signs, lie about zero, mostly below 1, and spread more with average 3.",
        published={"largest": 1},
        run="push_pull_kernels",
        criterion=holds("both signs, most below 1, more spread with average 3 than with 5", kernels.signs),
        stand_in="stems of 16 filters, Fashion-MNIST, 8 epochs",
    ),
    equation(
        "pushpull-sec-4.2-cifar",
        "Sec 4.2 (CIFAR)",
        "CIFAR networks train by a one-cycle rate of half cosines, with a stem of 64 filters of 3 x 3.",
        "training.optimizer:rate",
        "training/test_schedule.py::test_one_cycle_follows_half_cosines",
        "models/test_push_pull_stem.py::test_our_networks_begin_with_it_by_a_row_of_the_table",
        published="rates 5e-3, 0.2, 5e-6 (released code)",
    ),
    Entry(
        id="pushpull-sec-4.2-imagenet",
        where="Sec 4.2 (ImageNet)",
        claim="ImageNet networks train for 20 epochs at rates up to 1 in batches of 128.",
        published={"rate": (0.05, 1.0, 5e-5)},
        why_not=IMAGENET,
    ),
    Entry(
        id="pushpull-tab-1-cifar10",
        where="Tab 1 CIFAR10",
        claim="A push-pull stem lowers the mean corruption error of ResNet-18 and ResNet-50 on CIFAR-10.",
        published={"mCE ResNet-18": (0.2853, 0.2728, 0.2708), "mrCE": (0.970, 0.965, 0.982, 0.959)},
        run="zoo_corruptions",
        criterion=ordered("1 against mrCE of the 3 x 3 average", _one, _ratio(), (1, 0.970), 0.02),
        stand_in=SMALL,
    ),
    Entry(
        id="pushpull-tab-1-imagenet",
        where="Tab 1 IN-100/200/IN",
        claim="The same holds on ImageNet and its subsets.",
        published={"mrCE ImageNet ResNet-50": (0.967, 0.966)},
        why_not=IMAGENET,
    ),
    Entry(
        id="pushpull-tab-2-cifar10",
        where="Tab 2 CIFAR10",
        claim="The older push-pull layer and BlurPool help less than, or as much as, the new layer.",
        published={"mrCE old": 0.973, "BlurConv1": 0.948, "BlurConv2": 1.24},
        run="stem_sweeps",
        criterion=every(
            *(
                ordered(f"mrCE of {case} and of the new layer", mrce(case), mrce(TRAINED))
                for case in ("older push-pull", "blur")
            )
        ),
        stand_in=SWEPT,
    ),
    Entry(
        id="pushpull-tab-2-augmentation",
        where="Tab 2 augmentation + PP3",
        claim="Push-pull adds to AugMix, AutoAugment, PRIME and TrivialAugment.",
        published={"mrCE": (0.968, 0.961, 0.954, 0.985), "mCE PRIME + PP3": 0.4995},
        run="stem_sweeps",
        criterion=every(
            *(
                ordered(f"mrCE of {case} without and with push-pull", mrce(case), mrce(f"{case}, push-pull"))
                for case in ("AugMix", "PRIME")
            )
        ),
        stand_in=f"{SWEPT}; AugMix and PRIME alone",
    ),
    Entry(
        id="pushpull-tab-2-blur",
        where="Tab 2 BlurConv2+PP3",
        claim="Push-pull adds to BlurPool.",
        published={"mrCE": 0.924},
        run="stem_sweeps",
        criterion=ordered("mrCE of BlurPool without and with push-pull", mrce("blur"), mrce("blur, push-pull")),
        stand_in=SWEPT,
    ),
    Entry(
        id="pushpull-tab-2-efficientnet",
        where="Tab 2 EfficientNet-b0",
        claim="Push-pull helps an EfficientNet-b0 too.",
        published={"mrCE": 0.976},
        why_not=IMAGENET,
    ),
    Entry(
        id="pushpull-fig-7",
        where="Fig 7, Tab 3",
        claim="Larger alpha trades clean error for robustness, and so does a larger average.",
        published={"mrCE average 0, 3, 5": (0.932, 0.929, 0.928), "clean error": (0.249, 0.251, 0.260)},
        run="stem_sweeps",
        criterion=holds(
            "alpha 0.5 to 4 with average 3, and no average to one of 5 (mean over alpha): mrCE falls, clean error "
            "rises",
            _knobs,
        ),
        stand_in=f"{SWEPT}; alpha 0.5, 1, 2, 4",
    ),
    Entry(
        id="pushpull-fig-8",
        where="Fig 8",
        claim="Lines of equal net reduction separate models that pay for robustness from those that gain.",
        published={"beta": (2.81, 1)},
        run="zoo_corruptions",
        criterion=holds("net reduction of the 3 x 3 average above 0 with the baseline's own beta", _net),
        stand_in=SMALL,
    ),
    Entry(
        id="pushpull-tab-4",
        where="Tab 4",
        claim="The gain is largest under high-frequency corruptions and absent under low-frequency ones.",
        published={"mrCE low, mid, high": (1.00, 0.99, 0.93)},
        run="zoo_corruptions",
        criterion=holds("mrCE falls from low over mid to high frequencies", _groups),
        stand_in=SMALL,
    ),
    Entry(
        id="pushpull-cost",
        where="cost",
        claim="One layer changes, so that a training step costs little more.",
        published={},
        run="augmentation_reach",
        criterion=holds("a training step takes at most 1.15 times the standard one", kernels.cheap),
        stand_in="ResNet-18 of CIFAR-10, one CPU core",
    ),
)


SUPPLEMENT = (
    equation(
        "supplement-eq-13-15",
        "eqs 13-15",
        "A negative alpha adds the pull response.",
        "spectral.push_pull_kernel:push_pull_kernel",
        "spectral/test_push_pull_kernel.py::test_one_kernel_is_the_layer_without_rectifiers",
    ),
    Entry(
        id="supplement-fig-10",
        where="Fig 10",
        claim="For alpha from -1 to 0 the spectra of the kernels change little.",
        published={},
        run="push_pull_kernels",
        criterion=holds("spectra for -1 and -0.5 have correlation above 0.9 with that for 0", kernels.negative),
        stand_in="six 5 x 5 kernels of a LeNet on Fashion-MNIST for 64 of a ResNet-50 on ImageNet",
    ),
    Entry(
        id="supplement-fig-9",
        where="Fig 9",
        claim="An image under all 15 corruptions in 5 severities.",
        published={},
        run="corruption_pictures",
        criterion=holds("drawn, and all 75 differ from the image", kernels.all_differ),
        stand_in="Fashion-MNIST for a photograph",
    ),
    equation(
        "supplement-eq-16-17",
        "eqs 16, 17",
        "The hashing loss is cross-entropy to hash centres plus 1e-4 times how far codes are from binary.",
        "training.losses.csq:csq_loss",
        "training/losses/test_csq.py::test_loss_is_the_formula_written_out",
    ),
    equation(
        "supplement-sec-7.2",
        "Sec 7.2",
        "Retrieval error is 1 - mAP@200 by Hamming distance of 64-bit codes.",
        "analysis.corruptions.retrieval:Retrieval",
        "analysis/corruptions/test_retrieval.py::test_expected_precision_is_the_mean_over_orders",
        "analysis/corruptions/test_retrieval.py::test_error_of_a_network_is_one_minus_map_of_its_codes",
    ),
    Entry(
        id="supplement-tab-5-8",
        where="Tab 5, Tab 8",
        claim="A push-pull stem lowers the retrieval error under corruptions.",
        published={"mrCE ResNet-18": (0.981, 0.974), "mCE ResNet-18": (0.264, 0.258, 0.256)},
        run="retrieval",
        criterion=ordered("1 against mrCE of the 3 x 3 average", _one, _retrieved, (1, 0.981), 0.02),
        stand_in="ResNet-8 on Fashion-MNIST, 6 epochs by the recipe of classification",
        same_at_paper=True,
    ),
    Entry(
        id="supplement-tab-6-7",
        where="Tabs 6, 7",
        claim="The absolute corruption errors behind Tables 1 and 2.",
        published={},
        why_not="the published numbers are pictures in the text at hand; ours are in figures/zoo_corruptions.json",
    ),
)
