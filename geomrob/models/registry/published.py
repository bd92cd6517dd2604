"""The models of the thesis and of the papers: rows of `MODELS` without weights, trained by the recipe of the same name.

Low-pass and grey images (Tables A.2 and 5.1), PRIME and AugMix (Table 5.2) need no row of their own: their recipes
train the plain one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from geomrob.models.architectures.densenet import densenet
from geomrob.models.architectures.lenet import lenet
from geomrob.models.architectures.mlp import mlp
from geomrob.models.architectures.resnet import IMAGENET, resnet18, resnet20, resnet34, resnet50
from geomrob.models.architectures.vgg import VGG16, VGG19, vgg
from geomrob.models.architectures.wide_resnet import wide_resnet
from geomrob.models.layers.preprocess import for_flipped, with_preprocessing
from geomrob.models.push_pull_stem import replace_first_conv_upsampled, with_push_pull
from geomrob.models.registry.entry import ModelEntry
from geomrob.models.registry.zoo import AUGMIX, HAH, PUSH_PULL, SIMILARITY, THESIS

REFERENCE = f"Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020; {THESIS}, Tables A.2 and A.6."
DIGITS: dict[str, Any] = {"shape": (1, 28, 28), "classes": 10, "mean": (0.1307,), "std": (0.3081,)}
PHOTOS: dict[str, Any] = {
    "shape": (3, 32, 32),
    "classes": 10,
    "mean": (0.4914, 0.4822, 0.4465),
    "std": (0.2470, 0.2430, 0.2610),
}
NETWORKS = {
    "mnist-lenet": (lenet, "LeNet-5", DIGITS, 2),
    "mnist-resnet18": (partial(resnet18, **IMAGENET), "ResNet-18, 7x7 stem", DIGITS, 2),
    "cifar10-vgg19": (partial(vgg, plan=VGG19), "VGG-19", PHOTOS, 1),
    "cifar10-resnet18": (resnet18, "ResNet-18", PHOTOS, 1),
    "cifar10-densenet121": (densenet, "DenseNet-121", PHOTOS, 1),
}
"""Builder, words, data and the radius of the l2 ball of the five networks."""


def _variants(network: str) -> dict[str, ModelEntry]:
    """Return the rows of one network: plain, adversarial, flipped, both.

    The flipped model takes flipped images. The adversarial one takes plain images and flips them itself, because the
    box of its perturbed images is that of the plain ones; the flip keeps lengths, so that the l2 ball is the same.
    """
    builder, about, facts, radius = NETWORKS[network]
    flipped = partial(for_flipped, builder)
    variants = {
        "": (builder, about),
        "-l2-adversarial": (builder, f"{about}, trained on l2 PGD images of radius {radius}"),
        "-flipped": (flipped, f"{about}, for flipped images"),
        "-flipped-l2-adversarial": (
            partial(with_preprocessing, flipped, "flip"),
            f"{about} behind a flip, trained on l2 PGD images of radius {radius}",
        ),
    }
    return {
        network + ending: ModelEntry(
            builder=build,
            about=description,
            command=f"geomrob train {network}{ending} --seed 0",
            reference=REFERENCE,
            **facts,
        )
        for ending, (build, description) in variants.items()
    }


POINTS: dict[str, Any] = {"shape": (1, 1, 100), "classes": 2, "mean": (0.0,), "std": (1.0,)}
SYNTHETIC = {
    name: ModelEntry(
        builder=partial(mlp, depth=depth),
        about=description,
        command=f"geomrob train {name} --seed 0",
        reference=f"{THESIS}, sections 4.2.2 and 4.4.1, appendices A.1 and A.2.",
        **POINTS,
    )
    for name, depth, description in (
        ("t1-mlp", 10, "MLP of 10 x 500, for the synthetic T1"),
        ("t1-logistic", 0, "logistic regression, for the synthetic T1"),
        ("t2-mlp", 10, "MLP of 10 x 500, for the synthetic T2"),
    )
}

PUSH_PULL_2020 = "Strisciuglio et al., Enhanced robustness of convolutional networks with a push-pull layer, 2020."
# The statistics that the push-pull papers divide by are those of single images, not of all pixels.
PUSH_PULL_PHOTOS = {**PHOTOS, "std": (0.2023, 0.1994, 0.2010)}
PUSH_PULL_2020_PHOTOS = {**PHOTOS, "mean": (0.4914, 0.4824, 0.4467), "std": (0.2471, 0.2435, 0.2616)}
HAH_PHOTOS = {**PHOTOS, "std": (0.2471, 0.2435, 0.2616)}
AUGMIX_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIMILARITY_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
SIMILARITY_GREY: dict[str, Any] = {"shape": (1, 28, 28), "classes": 10, "mean": (0.0,), "std": (1.0,)}


def _row(name: str, builder: Callable[..., nn.Module], about: str, reference: str, facts: dict[str, Any]) -> ModelEntry:
    """Return a row that its recipe trains."""
    return ModelEntry(
        builder=builder, about=about, command=f"geomrob train {name} --seed 0", reference=reference, **facts
    )


def push_pull_2020(**facts: Any) -> nn.Module:
    """Return the ResNet-20 with the older push-pull layer in front, its inhibition fixed at 1."""
    return replace_first_conv_upsampled(resnet20(**facts))


_PAPERS: tuple[tuple[str, Callable[..., nn.Module], str, str, dict[str, Any]], ...] = (
    (
        "cifar10-resnet18-pushpull-baseline",
        resnet18,
        "ResNet-18: the baseline of the push-pull models",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet18-pushpull-avg3",
        partial(with_push_pull, resnet18, average=3),
        "ResNet-18, push-pull stem, 3x3 average, trained inhibition",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet18-pushpull-avg5",
        partial(with_push_pull, resnet18, average=5),
        "ResNet-18, push-pull stem, 5x5 average, trained inhibition",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-baseline",
        resnet50,
        "ResNet-50: the baseline of the push-pull models",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-avg3",
        partial(with_push_pull, resnet50, average=3),
        "ResNet-50, push-pull stem, 3x3 average, trained inhibition",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-avg5",
        partial(with_push_pull, resnet50, average=5),
        "ResNet-50, push-pull stem, 5x5 average, trained inhibition",
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet20-old-pushpull",
        push_pull_2020,
        "ResNet-20, older push-pull stem, inhibition 1",
        PUSH_PULL_2020,
        PUSH_PULL_2020_PHOTOS,
    ),
    (
        "cifar10-vgg16",
        partial(vgg, plan=VGG16, weight_norm=True),
        "VGG-16 with weight normalisation: the baseline of HaH",
        HAH,
        HAH_PHOTOS,
    ),
    ("cifar10-vgg16-hah", partial(vgg, plan=VGG16, hah=6), "VGG-16, six HaH blocks", HAH, HAH_PHOTOS),
    ("cifar10-wrn40-2", wide_resnet, "WRN-40-2: the baseline of AugMix", AUGMIX, AUGMIX_PHOTOS),
    *(
        (f"{network}-{ending}", partial(builder, stem_kernel=7), f"{about}, 7x7 stem{what}", SIMILARITY, facts)
        for network, builder, about, facts in (
            ("cifar10-resnet18", resnet18, "ResNet-18", SIMILARITY_PHOTOS),
            ("cifar100-resnet34", resnet34, "ResNet-34", {**SIMILARITY_PHOTOS, "classes": 100}),
            ("mnist-resnet18", resnet18, "ResNet-18", SIMILARITY_GREY),
            ("fmnist-resnet18", resnet18, "ResNet-18", SIMILARITY_GREY),
        )
        for ending, what in (
            ("unregularised", ": the baseline of the pixel-similarity model"),
            ("similarity", ", pixel-similarity regulariser"),
        )
    ),
)

# The plain LeNet-5 on digits ships with weights: its row is in `embedded`.
PUBLISHED: dict[str, ModelEntry] = {
    **{name: row for network in NETWORKS for name, row in _variants(network).items() if name != "mnist-lenet"},
    **SYNTHETIC,
    "cifar100-resnet18": ModelEntry(
        builder=resnet18,
        about="ResNet-18",
        command="geomrob train cifar100-resnet18 --seed 0",
        reference=f"{THESIS}, section 5.3: the standard of PRIME and AugMix.",
        shape=(3, 32, 32),
        classes=100,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
    **{row[0]: _row(*row) for row in _PAPERS},
}
