"""Modas, "Robustness and invariance properties of image classifiers" (EPFL 2022), chapter 5."""

import statistics

from experiments.registry.criteria import Numbers, every, holds, near, ordered
from experiments.registry.entry import Criterion, Entry, Page
from experiments.registry.numbers import colour, corrupted, cost, equation, of_sweep, strength

SMALL = "ResNet-8 on Fashion-MNIST, corruptions made by geomrob"
IMAGENET = "needs ImageNet-100 or ImageNet, and for DA the images of DeepAugment"
SWEPT = "ResNet-8 on Fashion-MNIST, 12,000 images, 5 epochs, one seed"
CCM = "the C-CCM photographs are given on request only, and have no reader here"


def _mean(page: Page, case: str, column: str = "mean") -> float:
    """Mean accuracy in per cent of a case of prime_sweeps."""
    return 100 - statistics.fmean(of_sweep(case, column)(page))


def _mostly(page: Page) -> tuple[bool, str]:
    means = [
        {name: statistics.fmean(row["corruptions"][name] for row in rows) for name in rows[0]["corruptions"]}
        for rows in ([row for row in page["rows"] if row["case"] == case] for case in ("standard", "grey"))
    ]
    better = [name for name, share in means[1].items() if share > means[0][name]]
    return len(means[0]) - len(better) >= 8, f"grey better under {', '.join(better) or 'none'}"


def _alike(page: Page) -> tuple[bool, str]:
    named = {"brightness": "spectral", "contrast": "spectral", "zoom_blur": "spatial", "gaussian_noise": "color"}
    nearest = {
        name: min(named.values(), key=lambda family: statistics.fmean(page["distances"][name][family]))
        for name in named
    }
    return nearest == named, ", ".join(f"{name} {family}" for name, family in nearest.items())


def _wide(scheme: str) -> Numbers:
    """Total variance of the embedded versions, a number an image."""
    return lambda page: page["variances"][scheme]


def _best(page: Page) -> tuple[bool, str]:
    names = {row["case"]: float(row["case"].split()[1]) for row in page["rows"] if row["case"].startswith("strength")}
    order = [name for name, _ in sorted({**names, "all": 1.0}.items(), key=lambda pair: pair[1])]
    under = {name: _mean(page, name) for name in order}
    best = max(order, key=lambda name: under[name])
    clean = {name: _mean(page, name, "clean") for name in (order[0], best)}
    here = ", ".join(f"{name} {under[name]:.1f}" for name in order)
    return best not in (order[0], order[-1]) and clean[order[0]] > clean[best], (
        f"{here} %; clean {clean[order[0]]:.1f} at the smallest, {clean[best]:.1f} % at the best"
    )


def _copies(page: Page) -> tuple[bool, str]:
    none, few, fresh = (_mean(page, case) for case in ("none", "4 copies", "all"))
    return fresh - 1 <= few and few > none, f"none {none:.1f}, four copies {few:.1f}, fresh ones {fresh:.1f} %"


def _prime(page: Page) -> tuple[bool, str]:
    return 0.05 <= page["prime"] <= 0.5, f"{page['prime']:.3f}"


def _reach(page: Page) -> tuple[bool, str]:
    at = {name: values[0] for name, values in page["distances"].items()}
    good = at["PRIME"] < at["AugMix"] < at["none"] and at["PRIME"] < at["PRIME, not mixed"]
    return good, ", ".join(f"{name} {value:.1f}" for name, value in at.items())


def _above(
    better: str, worse: str, column: str = "mean", published: tuple[float, ...] = (), how: str = "none"
) -> Criterion:
    """One model above another under corruptions."""
    words = f"{column} accuracy{f', adapted {how}' * (how != 'none')}, {better} and {worse}"
    return ordered(words, corrupted(better, column, how), corrupted(worse, column, how), published)


def _adapted(model: str, how: str, before: str) -> Criterion:
    """A model with adapted statistics above itself with less adapted ones."""
    return ordered(f"{model}, {how} and {before}", corrupted(model, "mean", how), corrupted(model, "mean", before))


AUGMENTATION = (
    Entry(
        id="thesis-sec-5.2.1-gray",
        where="5.2.1 grey",
        claim="Training on grey images harms the robustness to most corruptions.",
        published={"accuracy, colour and grey": (72.5, 66.2)},
        run="colour_networks",
        criterion=every(
            ordered("mean accuracy, colour and grey", colour("standard", "mean"), colour("grey", "mean"), (72.5, 66.2)),
            holds("grey is worse under at least 8 of the 15 corruptions, mean over seeds", _mostly),
        ),
        stand_in="ResNet-8 on CIFAR-10, 15,000 images, 10 epochs, two seeds",
        same_at_paper=True,
    ),
    Entry(
        id="thesis-tab-5.1",
        where="Tab 5.1",
        claim="Low-pass filtering and AugMix help; low-pass helps against blurs and harms under fog and contrast.",
        published={"standard": 72.5, "LP": 79.8, "grey": 66.2, "AugMix": 82.8, "AugMix+LP": 83.4},
        run="zoo_corruptions",
        criterion=every(
            _above("low-pass", "standard", published=(79.8, 72.5)),
            _above("augmix-no-jsd", "standard", published=(82.8, 72.5)),
            _above("low-pass", "standard", "blur"),
            _above("standard", "low-pass", "fog", (88.0, 81.2)),
            _above("standard", "low-pass", "contrast", (76.1, 68.8)),
        ),
        stand_in=f"{SMALL}; without grey and AugMix+LP",
    ),
    equation(
        "thesis-eq-5.1",
        "eq 5.1",
        "The general model combines chains of spectral, spatial and colour changes.",
        "augment.prime:prime",
        "augment/test_prime.py::test_only_the_drawn_primitive_is_computed",
        "augment/test_prime.py::test_the_shares_sum_to_one",
    ),
    equation(
        "thesis-eq-5.2",
        "eq 5.2, B.1",
        "Of maximum entropy are Gaussian coefficients of a given strength.",
        "augment.random_filter:taps",
        "augment/test_random_filter.py::test_mean_and_variance_over_many_draws",
    ),
    equation(
        "thesis-eq-5.3-5.6",
        "eqs 5.3-5.6",
        "The laws of the spectral, spatial and colour changes.",
        "augment.diffeomorphism:random_diffeomorphism",
        "augment/test_random_filter.py::test_it_is_the_cross_correlation_of_torch",
        "augment/test_diffeomorphism.py::test_mean_and_variance_over_many_draws",
        "augment/test_color_jitter.py::test_mean_and_variance_over_many_draws",
        "augment/test_color_jitter.py::test_the_recurrence_is_the_sum",
    ),
    equation(
        "thesis-alg-3",
        "Alg 3",
        "PRIME mixes chains of uniformly drawn links and the identity by weights of a Dirichlet law.",
        "augment.prime:Prime",
        "augment/test_prime.py::test_links_of_the_thesis_are_uniform_with_identity",
        published="n = m = 3",
    ),
    Entry(
        id="thesis-fig-5.1-5.2",
        where="Figs 5.1, 5.2",
        claim="Examples of PRIME images.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; images are changed by 0.05 to 0.5 (root mean square)", _prime),
        stand_in="Fashion-MNIST for photographs",
    ),
    Entry(
        id="thesis-tab-5.2-cifar10",
        where="Tab 5.2 C-10",
        claim="PRIME is more accurate under corruptions than AugMix, and both than standard training.",
        published={"standard": (95.0, 74.0), "AugMix": (95.2, 88.6), "PRIME": (94.2, 89.8)},
        run="zoo_corruptions",
        criterion=every(
            _above("augmix", "standard", published=(88.6, 74.0)), _above("prime", "augmix", published=(89.8, 88.6))
        ),
        stand_in=SMALL,
    ),
    Entry(
        id="thesis-tab-5.2-cifar100",
        where="Tab 5.2 C-100",
        claim="The same on CIFAR-100.",
        published={"standard, AugMix, PRIME": (51.9, 64.9, 68.2)},
        why_not="CIFAR-100 is not at hand; `geomrob train cifar100-resnet18-prime` is the recipe",
    ),
    Entry(
        id="thesis-tab-5.2-imagenet",
        where="Tab 5.2 IN-100, IN",
        claim="The same on ImageNet, alone and with DeepAugment.",
        published={"PRIME": (71.6, 55.0), "DA+PRIME": (74.9, 59.9)},
        why_not=IMAGENET,
    ),
    Entry(
        id="thesis-tab-5.3",
        where="Tab 5.3",
        claim="The consistency loss helps AugMix and PRIME, and PRIME gains most against noise.",
        published={"AugMix": (55.2, 60.7), "DA": 67.7, "PRIME": (68.8, 71.6), "noise": (38.9, 78.8)},
        run="zoo_corruptions",
        criterion=every(
            _above("augmix", "augmix-no-jsd", published=(60.7, 55.2)),
            _above("prime", "prime-no-jsd", published=(71.6, 68.8)),
            _above("prime-no-jsd", "augmix-no-jsd", "noise", (78.8, 38.9)),
        ),
        stand_in=f"{SMALL} for ImageNet-100",
    ),
    Entry(
        id="thesis-sec-5.3-cost",
        where="cost",
        claim="AugMix and PRIME cost a quarter more than a standard training.",
        published={"AugMix, PRIME": (1.20, 1.27)},
        run="augmentation_reach",
        criterion=every(near("AugMix", cost("AugMix"), 1.20, 0.15), near("PRIME", cost("PRIME"), 1.27, 0.15)),
        stand_in="ResNet-18 of CIFAR-10, one CPU core",
    ),
    Entry(
        id="thesis-tab-5.4",
        where="eq 5.7, Tab 5.4",
        claim="Batch-norm statistics adapted to the corrupted images add accuracy, the more images the more.",
        published={"standard": (49.7, 53.8, 62.0, 63.9), "PRIME": (71.6, 73.5, 75.3, 76.6)},
        run="zoo_corruptions",
        criterion=every(
            *(
                _adapted(model, *pair)
                for model in ("standard", "prime")
                for pair in (("single", "none"), ("partial", "single"), ("full", "partial"))
            )
        ),
        stand_in=f"{SMALL} for ImageNet-100",
    ),
    Entry(
        id="thesis-tab-5.5",
        where="Tab 5.5",
        claim="All three families of changes are needed; colour helps against noise, spectral against weather.",
        published={"spectral, spatial, colour, all": (64.1, 53.8, 59.9, 68.8)},
        run="prime_sweeps",
        criterion=every(
            *(
                ordered(f"mean error, {case} alone and all", of_sweep(case, "mean"), of_sweep("all", "mean"))
                for case in ("spectral", "spatial", "color")
            ),
            *(
                ordered(f"error in noise, {case} and colour", of_sweep(case, "noise"), of_sweep("color", "noise"))
                for case in ("spectral", "spatial")
            ),
            *(
                ordered(
                    f"error in weather, {case} and spectral", of_sweep(case, "weather"), of_sweep("spectral", "weather")
                )
                for case in ("spatial", "color")
            ),
        ),
        stand_in=SWEPT,
    ),
    Entry(
        id="thesis-fig-5.3",
        where="Fig 5.3",
        claim="Mixed spectral changes look like brightness and contrast, spatial like zoom blur, colour like noise.",
        published={},
        run="prime_pictures",
        criterion=holds(
            "under each of the four corruptions the mixed changes of the named family come nearest in an embedding, "
            "mean over images",
            _alike,
        ),
        stand_in="CIFAR-10 and the embedding of a ResNet-20 for photographs chosen by eye",
    ),
    Entry(
        id="thesis-tab-5.6",
        where="eq 5.8, Tab 5.6",
        claim="Images of PRIME come nearer to corrupted ones in an embedding than those of AugMix, and mixing helps.",
        published={"none, AugMix, PRIME (1e-3)": (25.38, 17.48, 7.71), "not mixed": (20.57, 10.61)},
        run="augmentation_reach",
        criterion=holds("PRIME nearer than AugMix, AugMix than no change, PRIME nearer mixed than not", _reach),
        stand_in="ResNet-8 trained on Fashion-MNIST for SimCLRv2, 40 versions of 30 images; without AugMix not mixed",
    ),
    Entry(
        id="thesis-fig-5.4",
        where="Fig 5.4",
        claim="More strength trades clean accuracy for robustness.",
        published={},
        run="prime_sweeps",
        criterion=holds(
            "the best strength under corruptions lies inside, and the smallest strength is better on clean images",
            _best,
        ),
        stand_in=SWEPT,
    ),
    Entry(
        id="thesis-fig-5.5",
        where="Fig 5.5",
        claim="A few copies augmented beforehand do nearly as well as fresh ones.",
        published={"k = 4, online": (88.8, 89.3)},
        run="prime_sweeps",
        criterion=holds("four copies at most a point below fresh ones under corruptions, and above none", _copies),
        stand_in=SWEPT,
    ),
    equation(
        "thesis-eq-5.9",
        "eq 5.9",
        "The mixture is mixed with the image by a weight of a Beta law.",
        "augment.prime:Prime",
        "augment/test_prime.py::test_the_weight_of_the_clean_image",
    ),
    Entry(
        id="thesis-sec-5.5.2",
        where="5.5.2 parameters",
        claim="PRIME for photographs of containers has small cuts and strengths of its own.",
        published={"cuts": (10, 500), "variances": (0.001, 0.01)},
        why_not="settings, not a result; the table `[augment]` of a recipe takes them",
    ),
    Entry(
        id="thesis-fig-5.6-5.8",
        where="Figs 5.6-5.8",
        claim="Examples of each family of changes by smoothness.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; more strength changes more, in each family", strength("strength")),
        stand_in="Fashion-MNIST for photographs",
    ),
    Entry(
        id="thesis-tab-5.7",
        where="Tab 5.7, Fig 5.9",
        claim="Depth and Beta weight of PRIME matter on C-CCM.",
        published={"depth": (84.9, 73.4, 75.0), "Beta": (86.7, 75.7, 84.2)},
        why_not=CCM,
    ),
    Entry(
        id="thesis-fig-5.10",
        where="Fig 5.10",
        claim="Domain augmentation with PRIME helps every container.",
        published={},
        why_not=CCM,
    ),
    Entry(
        id="thesis-fig-5.11",
        where="Fig 5.11",
        claim="The images that PRIME makes of a photograph spread wider in an embedding than those of AugMix.",
        published={},
        run="prime_pictures",
        criterion=ordered(
            "total variance of the versions of an image, PRIME and AugMix", _wide("PRIME"), _wide("AugMix")
        ),
        stand_in="CIFAR-10 and a ResNet-20 for ImageNet and a ResNet-50, without DeepAugment",
    ),
)
