"""Modas, "Robustness and invariance properties of image classifiers" (EPFL 2022), chapter 4."""

import statistics

from experiments.registry.criteria import every, holds, near, ordered
from experiments.registry.entry import Entry, Page
from experiments.registry.numbers import among_draws, energy, equation, shape, synthetic, tested

IMAGENET = "needs ImageNet and its networks; `geomrob margin --model torchvision:NAME --data FOLDER` runs on a user's"
STRATEGIES = (
    "Fashion-MNIST to 200 MNIST digits as they are, for ImageNet to C-CCM; other looks of test digits for unseen "
    "containers; ResNet-8 for ResNet-18, PGD of 3 steps for 10"
)
SIX = ("ST", "AT", "ST->FT", "ST->AFT", "AT->FT", "AT->AFT")
CCM = "the C-CCM photographs are given on request only, and have no reader here"


def _ends(page: Page) -> tuple[bool, str]:
    pairs = zip(page["bands"]["fmnist-l2-adversarial"], page["bands"]["fmnist-standard"], strict=True)
    low, high = (robust / standard for robust, standard in pairs)
    return 1 < low < high, f"x {low:.2f} lowest, x {high:.2f} highest block"


def _edits(page: Page) -> tuple[bool, str]:
    energy = page["energy"]
    good = abs(energy["flipped"] - 1) < 1e-3 and abs(energy["low-pass"] + energy["high-pass"] - 1) < 1e-3
    return good, ", ".join(f"{name} {value:.4f}" for name, value in energy.items())


def _passes(page: Page) -> tuple[bool, str]:
    photos = tested("cifar10", "original", "low-pass")(page)[0]
    plain, low = (tested("fashion-mnist-1k", kind, "original")(page)[0] for kind in ("original", "low-pass"))
    return photos < 61.4 and plain - low <= 5, f"CIFAR-10 {photos:.1f} %; {plain:.1f} -> {low:.1f} %"


def _transition(page: Page) -> tuple[bool, str]:
    """Which direction the boundary is nearer along, below 0.2 and above 0.5, and the worst test accuracy."""
    at = {row["epsilon"]: (row["u1"]["quantiles"][1], row["u2"]["quantiles"][1]) for row in page["rows"]}
    good = all(second < first for epsilon, (first, second) in at.items() if epsilon < 0.2)
    good &= all(first < second for epsilon, (first, second) in at.items() if epsilon > 0.5)
    test = min(row["test"] for row in page["rows"])
    turned = [epsilon for epsilon, (first, second) in at.items() if first < second]
    return (
        good and test > 0.99,
        f"turns at epsilon {min(turned, default=float('inf')):g}, test accuracy from {test:.1%}",
    )


def _sections(page: Page) -> tuple[bool, str]:
    at = {row["epsilon"]: (row["u1"]["quantiles"][1], row["u2"]["quantiles"][1]) for row in page["rows"]}
    (first, second), (one, two) = at[0.0], at[1.0]
    return second < first and one < two, f"epsilon 0: u2 {second:.2f}, u1 {first:.2f}; 1: u2 {two:.2f}, u1 {one:.2f}"


def _seeds(page: Page) -> tuple[bool, str]:
    free = [row for row in page["rows"] if not row["decay"]]
    stalled = [row["train"] for row in page["rows"] if row["decay"]]
    good = all(row["test"] > 99 and row["u2"] < row["u1"] for row in free)
    good &= all(abs(share / 50 - 1) <= 0.1 for share in stalled)
    nearer = sum(row["u2"] < row["u1"] for row in free)
    return good, (
        f"without decay test accuracy from {min(row['test'] for row in free):.1f} %, {nearer} of {len(free)} nearer "
        f"along u2; with it training accuracy {min(stalled):.1f} to {max(stalled):.1f} %"
    )


def _moved(page: Page) -> tuple[bool, str]:
    def median(which: str, name: str) -> float:
        known = page["sets"][which]["distances"]
        values = sorted(new / old for new, old in zip(known[name], known["margin before"], strict=True))
        return values[len(values) // 2]

    tuned, control, others = median("P", "along tuned"), median("P", "along control"), median("U", "margin tuned")
    good = tuned > 1.1 * control and abs(others - 1) < 0.1
    return good, f"moved x {tuned:.2f} (control x {control:.2f}), others x {others:.2f}"


def _forgotten(page: Page) -> tuple[bool, str]:
    high, margins = ([row[key] for row in page["rows"]] for key in ("high-pass", "margins"))
    (one, two, three), (first, second, third) = high, (each[-1] for each in margins)
    good = two < one / 2 and three >= 0.9 * one and second >= 2 * first and third <= 1.5 * first
    shown = " -> ".join(f"{value:.1f}" for value in high)
    return good, f"high-pass {shown} %; highest block x {second / first:.2f}, then x {third / first:.2f}"


def _fitted(page: Page) -> tuple[bool, str]:
    least = {name: min(_accuracies(page, name, "train")) for name in SIX if _accuracies(page, name, "train")}
    shown = ", ".join(f"{name} {share:.1f}" for name, share in least.items())
    return len(least) == len(SIX) and min(least.values()) >= 90, f"least training accuracy (%): {shown}"


def _accuracies(page: Page, strategy: str, what: str = "unseen") -> list[float]:
    """Accuracies in per cent of a strategy, a number a seed: over all unseen looks, or on one of them."""
    rows = [row for row in page["strategies"] if row["strategy"] == strategy]
    return [row["looks"][what] if what in row["looks"] else row[what] for row in rows]


def _settings(page: Page) -> tuple[bool, str]:
    """Mean accuracies on unseen looks along the fixed stages and the radius; radius 0 is the standard source."""
    stages, radii = (
        {
            at: statistics.fmean(r["unseen"] for r in page[part] if r[key] == at)
            for at in sorted({r[key] for r in page[part]})
        }
        for part, key in (("stages", "stages"), ("radii", "source radius"))
    )
    radii = {0.0: stages[1], **radii}
    good = max(stages, key=stages.__getitem__) == 1 and 0 < max(radii, key=radii.__getitem__) <= 0.5
    shown = (", ".join(f"{at:g}: {share:.1f}" for at, share in which.items()) for which in (stages, radii))
    return good, "fixed stages {} %; radii {} %".format(*shown)


def _unseen(page: Page) -> tuple[bool, str]:
    mean = {name: statistics.fmean(_accuracies(page, name)) for name in SIX}
    looks = list(page["strategies"][0]["looks"])
    at = {look: {name: statistics.fmean(_accuracies(page, name, look)) for name in SIX} for look in looks}
    best = sum(max(shares, key=shares.__getitem__) == "AT->FT" for shares in at.values())
    worst = min(looks, key=lambda look: at[look]["ST"])
    gain = at[worst]["AT->FT"] - at[worst]["ST"]
    good = max(mean, key=mean.__getitem__) == "AT->FT" and best > len(looks) / 2 and gain >= 30
    shown = ", ".join(f"{name} {share:.1f}" for name, share in mean.items())
    return good, f"unseen looks: {shown} %; AT->FT best on {best} of {len(looks)}, {gain:+.1f} points on {worst}"


MARGINS = (
    equation(
        "thesis-def-1-2",
        "Def 1, 2",
        "The margin in a subspace is the smallest change inside it that changes the predicted class.",
        "analysis.margins:margin_curve",
        "attacks/test_truth.py::test_margins_in_subspaces_are_exact",
        "analysis/test_margins.py::test_what_a_curve_holds",
    ),
    equation(
        "thesis-sec-4.3-bands",
        "4.3 DCT span",
        "Bands are 8 x 8 blocks along the diagonal of the DCT.",
        "spectral.subspaces:blocks",
        "spectral/test_subspaces.py::test_a_block_is_the_whole_square_and_a_diagonal_its_diagonal",
        "spectral/test_subspaces.py::test_defaults_are_those_of_the_paper",
        published="8 x 8",
    ),
    equation(
        "thesis-t1",
        "T1",
        "T1 has one linear feature in noise of 100 dimensions.",
        "data.synthetic:t1",
        "data/test_synthetic.py::test_t1_has_one_feature_and_noise",
        published="D 100",
    ),
    Entry(
        id="thesis-tab-4.1",
        where="Tab 4.1",
        claim="An MLP trained on T1 has its small margin along the feature and large ones in all other directions.",
        published={"u1, complement, orthogonal, random": (2.50, 12.36, 102.0, 27.90)},
        run="synthetic_margins",
        criterion=every(
            near("along u1", synthetic("t1-mlp", "u1"), 2.50, 0.05),
            near("complement", synthetic("t1-mlp", "complement"), 12.36, 0.25),
            among_draws("t1-mlp", "orthogonal", 102.0),
            among_draws("t1-mlp", "random", 27.90),
        ),
        stand_in="100 of 500 epochs",
        same_at_paper=True,
    ),
    Entry(
        id="thesis-fig-4.1",
        where="Fig 4.1",
        claim="Perturbations in low and high bands of standard and adversarially trained networks differ in size.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; larger after adversarial training in both blocks, most in the highest", _ends),
        stand_in="ResNet-8 on Fashion-MNIST for ImageNet",
    ),
    Entry(
        id="thesis-fig-4.3a",
        where="Fig 4.3a",
        claim="On MNIST a LeNet's margin rises by about a decade from low to high bands.",
        published={"rise": 10},
        run="margin_shapes",
        criterion=shape("MNIST rises (4.3a)"),
    ),
    Entry(
        id="thesis-fig-4.3b",
        where="Fig 4.3b",
        claim="On CIFAR-10 the margins of a DenseNet-121 are nearly the same in all bands.",
        published={},
        run="margin_shapes",
        criterion=shape("CIFAR-10 is more uniform (4.3b)"),
        stand_in="ResNet-20 for DenseNet-121, 16 images",
    ),
    Entry(
        id="thesis-fig-4.3c",
        where="Fig 4.3c",
        claim="On ImageNet the margins of a ResNet-50 rise steeply with the band.",
        published={},
        why_not=IMAGENET,
    ),
    Entry(
        id="thesis-fig-4.3d-f",
        where="Fig 4.3d-f",
        claim="Networks trained on flipped images have flipped margin curves.",
        published={},
        run="margin_shapes",
        criterion=every(shape("MNIST flipped falls (4.3d)"), shape("Fashion-MNIST flipped falls")),
        stand_in="LeNet trained for 3 epochs, Fashion-MNIST for CIFAR-10 and ImageNet",
    ),
    Entry(
        id="thesis-fig-4.4",
        where="Fig 4.4",
        claim="In a random basis the curve is flat.",
        published={"rise": 1},
        run="margin_shapes",
        criterion=every(shape("MNIST random is flat (4.4)"), shape("CIFAR-10 random is flat (4.4)")),
        stand_in="ResNet-20 for DenseNet-121 on CIFAR-10",
    ),
    Entry(
        id="thesis-fig-4.5-4.6",
        where="Figs 4.5, 4.6",
        claim="Flipped, low-pass and high-pass images.",
        published={},
        run="other_versions",
        criterion=holds("drawn; the flip keeps the energy, low- and high-pass share it", _edits),
    ),
    Entry(
        id="thesis-fig-4.7-scratch",
        where="Fig 4.7 scratch",
        claim="A network trained on low-pass images has larger margins in the high bands.",
        published={"accuracy": 89.67},
        run="margin_shapes",
        criterion=every(
            shape("MNIST low-pass raises the highest band"), shape("Fashion-MNIST low-pass raises the highest band")
        ),
        stand_in="MNIST and Fashion-MNIST for CIFAR-10",
    ),
    Entry(
        id="thesis-fig-4.7-tuned",
        where="Fig 4.7 fine-tuned",
        claim="So has one that is fine-tuned on low-pass images for a few epochs.",
        published={"accuracy": 90.79},
        run="margin_shapes",
        criterion=shape("CIFAR-10 low-pass raises the highest band (4.7)"),
        stand_in="ResNet-20, 3 epochs of 2,000 images, for DenseNet-121",
    ),
    Entry(
        id="thesis-sec-4.3.2",
        where="4.3.2 accuracies",
        claim="The standard network fails on low-pass images; one trained on those loses little on the original ones.",
        published={"standard on low-pass": 27.45, "loss the other way": 3},
        run="other_versions",
        criterion=holds("CIFAR-10 on low-pass images below 61.4 %; the other way at most 5 points lost", _passes),
        stand_in="ResNet-20 for DenseNet-121; the other way on Fashion-MNIST",
    ),
    Entry(
        id="thesis-fig-4.8",
        where="4.3.3, Fig 4.8",
        claim="High-pass features are forgotten by training without them and recovered by training with them.",
        published={"test, T_HP": ((86.6, 57.3), (87.8, 10.0), (86.1, 59.1))},
        run="forgetting",
        criterion=holds(
            "high-pass accuracy falls below half of what it was and comes back to 90 % of it; the margin in the "
            "highest block grows at least twofold and comes back to at most 1.5 times",
            _forgotten,
        ),
        stand_in="ResNet-8 on Fashion-MNIST, 12,000 images, 5 epochs a phase",
    ),
    equation(
        "thesis-t2",
        "T2",
        "T2 adds a pattern that alternates along a second direction.",
        "data.synthetic:t2",
        "data/test_synthetic.py::test_t2_alternates_along_its_second_direction",
    ),
    Entry(
        id="thesis-fig-4.9",
        where="Fig 4.9",
        claim="With epsilon 1 the boundary separates along u1, with 0 it follows the pattern along u2.",
        published={"epsilon": (1, 0)},
        run="synthetic_transition",
        criterion=holds("nearer along u2 at epsilon 0, along u1 at 1", _sections),
        stand_in="100 of 500 epochs",
        same_at_paper=True,
    ),
    Entry(
        id="thesis-fig-4.10",
        where="Fig 4.10",
        claim="Below 0.2 the network is invariant along u1, above 0.5 along u2; test accuracy is always 100 %.",
        published={"epsilon": (0.2, 0.5), "test, %": 100},
        run="synthetic_transition",
        criterion=holds(
            "nearer along u2 below 0.2, along u1 above 0.5, above 99 % of the test points right", _transition
        ),
        stand_in="100 of 500 epochs",
        same_at_paper=True,
    ),
    Entry(
        id="thesis-sec-4.4.1",
        where="4.4.1 text",
        claim="The seed does not matter; a weight decay of 1e-3 stalls the training on T2 at 50 %.",
        published={"accuracy": 50},
        run="synthetic_seeds",
        criterion=holds(
            "each training without decay has above 99 % of the test points right and is nearer along u2; each with a "
            "decay of 1e-3 has a training accuracy within 10 % of 50",
            _seeds,
        ),
        stand_in="100 of 500 epochs",
        same_at_paper=True,
    ),
    Entry(
        id="thesis-fig-4.11",
        where="Fig 4.11",
        claim="Adversarial training raises the margins of all bands, the high ones most.",
        published={"adversarial accuracy": (76, 55, 35)},
        run="margin_shapes",
        criterion=every(
            shape("MNIST adversarial raises the lowest band (4.11)"),
            shape("Fashion-MNIST adversarial raises the lowest band"),
            shape("MNIST adversarial raises the highest band most (4.11)"),
            shape("Fashion-MNIST adversarial raises the highest band most"),
        ),
        stand_in="LeNet trained for 3 epochs; Fashion-MNIST for CIFAR-10 and ImageNet",
    ),
    Entry(
        id="thesis-fig-4.12",
        where="Fig 4.12",
        claim="During adversarial training the energy of the perturbations stays at low frequencies.",
        published={"percentile": 95},
        run="adversarial_energy",
        criterion=holds("more energy in the lowest than in the highest block, in each epoch", energy("original")),
        stand_in="LeNet on MNIST for DenseNet-121 on CIFAR-10, 4 epochs",
    ),
    Entry(
        id="thesis-fig-4.13",
        where="Fig 4.13",
        claim="Moving 100 training samples across the boundary moves the boundary at them and nowhere else.",
        published={"accuracy": 90},
        run="fine_tuning",
        criterion=holds(
            "distance along the old perturbation 1.1 times the control's for the moved, within 10 % for others", _moved
        ),
        stand_in="LeNet on Fashion-MNIST for ResNet-18 on CIFAR-10",
    ),
    Entry(
        id="thesis-fig-4.14",
        where="4.5, Fig 4.14",
        claim="Six strategies of transfer learning combine standard and adversarial training and fine-tuning.",
        published={},
        run="transfer_strategies",
        criterion=holds("all six trained, each to at least 90 % of its own target images in every seed", _fitted),
        stand_in=STRATEGIES,
    ),
    Entry(
        id="thesis-fig-4.15-4.16",
        where="Figs 4.15, 4.16",
        claim="The C-CCM photographs of containers and their three splits.",
        published={"images": 10269},
        why_not=CCM,
    ),
    Entry(
        id="thesis-fig-4.17",
        where="Fig 4.17",
        claim="One fixed stage and a small radius at the source transfer best.",
        published={"L = 1": (78.3, 65.6, 82.3), "radii 0.05, 1, 0.5": (81.0, 73.3, 88.2)},
        run="transfer_strategies",
        criterion=holds(
            "on unseen looks ST->FT is best with one fixed stage, AT->FT with a radius above 0 and at most 0.5",
            _settings,
        ),
        stand_in=STRATEGIES,
    ),
    Entry(
        id="thesis-fig-4.18",
        where="Fig 4.18",
        claim="Adversarially trained sources gain most on unseen containers.",
        published={"points": 30},
        run="transfer_strategies",
        criterion=every(
            holds(
                "AT->FT is the best of six on the mean over unseen looks and on more than half of them, and gains at "
                "least 30 points on ST where that is worst",
                _unseen,
            ),
            ordered(
                "AT->FT and ST->FT, mean over unseen looks",
                lambda page: _accuracies(page, "AT->FT"),
                lambda page: _accuracies(page, "ST->FT"),
            ),
        ),
        stand_in=STRATEGIES,
    ),
)
