"""Modas, "Robustness and invariance properties of image classifiers" (EPFL 2022), the appendix."""

from experiments.registry.criteria import Numbers, every, holds, near, ordered
from experiments.registry.entry import Entry, Page
from experiments.registry.numbers import among_draws, corrupted, energy, equation, strength, synthetic, tested

TRAININGS = "needs trainings of 50 epochs on CIFAR-10; the recipes `cifar10-*-l2-adversarial` are built"

# Table B.1, CIFAR-10: PRIME and AugMix.
NOISES = {"gaussian_noise": (86.9, 79.3), "shot_noise": (88.1, 84.8), "impulse_noise": (88.6, 85.8)}


def _versions(page: Page) -> tuple[bool, str]:
    at = {
        (trained, on): tested("mnist", trained, on)(page)[0]
        for trained in ("original", "flipped", "high-pass")
        for on in ("original", "flipped", "high-pass")
    }
    good = all(value > 95 for (trained, on), value in at.items() if trained == on)
    good &= at["original", "flipped"] < 30 and at["flipped", "original"] < 30
    return good, ", ".join(f"{trained} on {on} {value:.1f}" for (trained, on), value in at.items())


def _photos(page: Page) -> tuple[bool, str]:
    flipped, low = (tested("cifar10", "original", on)(page)[0] for on in ("flipped", "low-pass"))
    return flipped < 15 and low < 61.4, f"flipped {flipped:.1f} %, low-pass {low:.1f} %"


def _robust(kind: str, key: str) -> Numbers:
    return lambda page: [page["rows"][kind][key]]


def _level(model: str, severity: int) -> Numbers:
    """Accuracy at a severity, a number a training."""
    return lambda page: [row[severity - 1] for row in page["severities"][f"fmnist-{model}"]]


APPENDIX = (
    Entry(
        id="thesis-tab-a.1",
        where="Tab A.1",
        claim="Logistic regression on T1 has the margins of its one feature.",
        published={"u1, complement, orthogonal, random": (2.49, 38.3, 192.98, 12.08)},
        run="synthetic_margins",
        criterion=every(
            near("along u1", synthetic("t1-logistic", "u1"), 2.49, 0.05),
            near("complement", synthetic("t1-logistic", "complement"), 38.3, 0.1),
            among_draws("t1-logistic", "orthogonal", 192.98),
            among_draws("t1-logistic", "random", 12.08),
        ),
    ),
    Entry(
        id="thesis-tab-a.2",
        where="Tab A.2",
        claim="The accuracies of the networks whose margins are measured.",
        published={"MNIST": (99.35, 99.53), "CIFAR-10": (89.39, 90.05, 93.03)},
        run="other_versions",
        criterion=every(
            near("LeNet on MNIST", tested("mnist", "original", "original"), 99.35, 0.005),
            near("CIFAR-10", tested("cifar10", "original", "original"), 90.05, 0.01),
        ),
        stand_in="ResNet-20 for ResNet-18, 2,000 test images, LeNet of 15 epochs",
    ),
    Entry(
        id="thesis-tab-a.3",
        where="Tab A.3",
        claim="Networks for one version of MNIST fail on the flipped one.",
        published={"LeNet on MNIST, flipped, high-pass": (99.35, 18.73, 44.09)},
        run="other_versions",
        criterion=holds(
            "each above 95 % on its own version, original and flipped below 30 % on each other's", _versions
        ),
        stand_in="LeNet for flipped and high-pass images of 4 epochs, 20,000 images",
    ),
    Entry(
        id="thesis-tab-a.4",
        where="Tab A.4",
        claim="Networks for CIFAR-10 fail on flipped and low-pass images; one for low-pass images keeps both kinds.",
        published={"DenseNet-121 on C-10, flipped, LP": (93.03, 10.3, 27.45), "LP on C-10": 89.67},
        run="other_versions",
        criterion=holds("below 15 % on flipped images, below 61.4 % on low-pass ones", _photos),
        stand_in="ResNet-20 for VGG-19, ResNet-18 and DenseNet-121; the standard one alone",
    ),
    Entry(
        id="thesis-tab-a.5",
        where="Tab A.5",
        claim="Networks for ImageNet fail on flipped images.",
        published={"flipped": (0.106, 0.292, 0.22)},
        why_not="needs ImageNet and its networks",
    ),
    Entry(
        id="thesis-tab-a.6",
        where="Tab A.6",
        claim="Clean and adversarial accuracy after l2 adversarial training.",
        published={"MNIST LeNet": (98.32, 76.01), "CIFAR-10 DenseNet-121": (82.90, 54.86)},
        run="adversarial_energy",
        criterion=every(
            near("clean", _robust("original", "clean"), 98.32, 0.02),
            near("adversarial", _robust("original", "robust"), 76.01, 0.1),
            near("flipped, clean", _robust("flipped", "clean"), 98.29, 0.02),
            near("flipped, adversarial", _robust("flipped", "robust"), 74.68, 0.1),
        ),
        stand_in="LeNet on MNIST alone, 4 of 25 epochs, 10,000 training and 300 test images",
    ),
    Entry(
        id="thesis-fig-a.1",
        where="Fig A.1",
        claim="On flipped images the energy of adversarial perturbations stays at high frequencies.",
        published={"percentile": 95},
        run="adversarial_energy",
        criterion=holds("more energy in the highest than in the lowest block, in each epoch", energy("flipped")),
        stand_in="LeNet on MNIST for DenseNet-121 on CIFAR-10, 4 epochs",
    ),
    equation(
        "thesis-app-b.2-b.5",
        "B.2-B.5",
        "The expected squared length of a random filter is K^2 sigma^2.",
        "augment.random_filter:taps",
        "augment/test_random_filter.py::test_mean_and_variance_over_many_draws",
        "augment/test_random_filter.py::test_sigma_is_uniform_up_to_the_strength",
    ),
    equation(
        "thesis-app-b.2.2",
        "B.2.2",
        "Cuts and strengths of each family of changes.",
        "augment.prime:Prime",
        "augment/test_diffeomorphism.py::test_the_released_cuts_and_strengths",
        published="K 3, 100 or 500, 10 or 500",
    ),
    Entry(
        id="thesis-fig-b.1-b.3",
        where="Figs B.1-B.3",
        claim="Examples of each family of changes by cut and strength.",
        published={},
        run="image_pictures",
        criterion=holds("drawn; a higher cut at equal strength changes more, in each family", strength("cut")),
        stand_in="Fashion-MNIST for photographs",
    ),
    Entry(
        id="thesis-tab-b.1",
        where="Tab B.1",
        claim="The accuracy under each corruption of CIFAR-10 and CIFAR-100.",
        published={},
        run="zoo_corruptions",
        criterion=every(
            *(
                ordered(f"{name}, PRIME and AugMix", corrupted("prime", name), corrupted("augmix", name), pair)
                for name, pair in NOISES.items()
            )
        ),
        stand_in="ResNet-8 on Fashion-MNIST",
    ),
    Entry(
        id="thesis-tab-b.3",
        where="Tab B.3",
        claim="The accuracy in each severity.",
        published={"standard": (87.4, 56.7), "PRIME": (92.8, 85.6)},
        run="augmentation_reach",
        criterion=every(
            ordered("severity 1, PRIME and standard", _level("prime", 1), _level("standard", 1), (92.8, 87.4)),
            ordered("severity 5, PRIME and standard", _level("prime", 5), _level("standard", 5), (85.6, 56.7)),
            ordered("severity 5, PRIME and AugMix", _level("prime", 5), _level("augmix", 5), (85.6, 81.7)),
        ),
        stand_in="ResNet-8 on Fashion-MNIST, 200 images",
    ),
    Entry(
        id="thesis-tab-b.2-b.4",
        where="Tabs B.2, B.4",
        claim="The same on ImageNet-100 and ImageNet.",
        published={},
        why_not="needs ImageNet, and the images of DeepAugment",
    ),
)
