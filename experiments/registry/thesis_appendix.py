"""Modas, "Robustness and invariance properties of image classifiers" (EPFL 2022), the appendix."""

from experiments.registry.criteria import every, near
from experiments.registry.entry import Entry
from experiments.registry.numbers import among_draws, equation, synthetic

TRAININGS = "needs trainings of 50 epochs on CIFAR-10; the recipes `cifar10-*-l2-adversarial` are built"

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
        why_not="no experiment yet; mnist-lenet 99.32 % (15 of 30 epochs)",
    ),
    Entry(
        id="thesis-tab-a.3",
        where="Tab A.3",
        claim="Networks for one version of MNIST fail on the flipped one.",
        published={"LeNet on MNIST, flipped, high-pass": (99.35, 18.73, 44.09)},
        why_not="no experiment yet",
    ),
    Entry(
        id="thesis-tab-a.4",
        where="Tab A.4",
        claim="Networks for CIFAR-10 fail on flipped and low-pass images; one for low-pass images keeps both kinds.",
        published={"DenseNet-121 on C-10, flipped, LP": (93.03, 10.3, 27.45), "LP on C-10": 89.67},
        why_not="no experiment yet",
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
        why_not=TRAININGS,
    ),
    Entry(
        id="thesis-fig-a.1",
        where="Fig A.1",
        claim="On flipped images the energy of adversarial perturbations stays at high frequencies.",
        published={"percentile": 95},
        why_not="no experiment yet",
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
        why_not="no experiment yet; `geomrob augment --show spectral` draws them",
    ),
    Entry(
        id="thesis-tab-b.1",
        where="Tab B.1",
        claim="The accuracy under each corruption of CIFAR-10 and CIFAR-100.",
        published={},
        why_not="needs trained ResNet-18; of the stand-ins see thesis-tab-5.2-cifar10",
    ),
    Entry(
        id="thesis-tab-b.3",
        where="Tab B.3",
        claim="The accuracy in each severity.",
        published={"standard": (87.4, 56.7), "PRIME": (92.8, 85.6)},
        why_not="no experiment yet; zoo_corruptions keeps means over severities",
    ),
    Entry(
        id="thesis-tab-b.2-b.4",
        where="Tabs B.2, B.4",
        claim="The same on ImageNet-100 and ImageNet.",
        published={},
        why_not="needs ImageNet, and the images of DeepAugment",
    ),
)
