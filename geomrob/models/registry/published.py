"""The models of the thesis and of the papers: rows of `MODELS` without weights, trained by the recipe of the same name.

Low-pass and grey images (Tables A.2 and 5.1), PRIME and AugMix (Table 5.2) need no row of their own: their recipes
train the plain one.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from geomrob.models.architectures.plans import IMAGENET, VGG16, VGG19
from geomrob.models.registry.entry import Builder, ModelEntry, deferred
from geomrob.models.registry.zoo import (
    AUGMIX,
    HAH,
    PUSH_PULL,
    SIMILARITY,
    THESIS,
    for_flipped,
    vgg,
    with_preprocessing,
    with_push_pull,
)

if TYPE_CHECKING:
    from torch import nn

densenet, lenet = deferred("architectures.densenet:densenet"), deferred("architectures.lenet:lenet")
mlp, wide_resnet = deferred("architectures.mlp:mlp"), deferred("architectures.wide_resnet:wide_resnet")
resnet18, resnet20 = deferred("architectures.resnet:resnet18"), deferred("architectures.resnet:resnet20")
resnet34, resnet50 = deferred("architectures.resnet:resnet34"), deferred("architectures.resnet:resnet50")
replace_first_conv_upsampled = deferred("push_pull_stem:replace_first_conv_upsampled")

REFERENCE = f"Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020; {THESIS}, Tables A.2 and A.6."
DIGITS: dict[str, Any] = {"data": "mnist", "shape": (1, 28, 28), "classes": 10, "mean": (0.1307,), "std": (0.3081,)}
PHOTOS: dict[str, Any] = {
    "data": "cifar10",
    "shape": (3, 32, 32),
    "classes": 10,
    "mean": (0.4914, 0.4822, 0.4465),
    "std": (0.2470, 0.2430, 0.2610),
}
NETWORKS = {
    "mnist-lenet": (lenet, "LeNet-5", 61_706, DIGITS, 2),
    "mnist-resnet18": (partial(resnet18, **IMAGENET), "ResNet-18, 7x7 stem", 11_175_370, DIGITS, 2),
    "cifar10-vgg19": (partial(vgg, plan=VGG19), "VGG-19", 20_040_522, PHOTOS, 1),
    "cifar10-resnet18": (resnet18, "ResNet-18", 11_173_962, PHOTOS, 1),
    "cifar10-densenet121": (densenet, "DenseNet-121", 6_956_298, PHOTOS, 1),
}
"""Builder, words, parameters, data and the radius of the l2 ball of the five networks."""


def _variants(network: str) -> dict[str, ModelEntry]:
    """Return the rows of one network: plain, adversarial, flipped, both.

    The flipped model takes flipped images. The adversarial one takes plain images and flips them itself, because the
    box of its perturbed images is that of the plain ones; the flip keeps lengths, so that the l2 ball is the same.
    """
    builder, about, parameters, facts, radius = NETWORKS[network]
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
            parameters=parameters,
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
        parameters=parameters,
        data=name[:2],
        command=f"geomrob train {name} --seed 0",
        reference=f"{THESIS}, sections 4.2.2 and 4.4.1, appendices A.1 and A.2.",
        **POINTS,
    )
    for name, depth, description, parameters in (
        ("t1-mlp", 10, "MLP of 10 x 500, for the synthetic T1", 2_306_002),
        ("t1-logistic", 0, "logistic regression, for the synthetic T1", 202),
        ("t2-mlp", 10, "MLP of 10 x 500, for the synthetic T2", 2_306_002),
    )
}

PUSH_PULL_2020 = "Strisciuglio et al., Enhanced robustness of convolutional networks with a push-pull layer, 2020."
# The statistics that the push-pull papers divide by are those of single images, not of all pixels.
PUSH_PULL_PHOTOS = {**PHOTOS, "std": (0.2023, 0.1994, 0.2010)}
PUSH_PULL_2020_PHOTOS = {**PHOTOS, "mean": (0.4914, 0.4824, 0.4467), "std": (0.2471, 0.2435, 0.2616)}
HAH_PHOTOS = {**PHOTOS, "std": (0.2471, 0.2435, 0.2616)}
AUGMIX_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIMILARITY_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
SIMILARITY_100 = {**SIMILARITY_PHOTOS, "data": "cifar100", "classes": 100}
SIMILARITY_DIGITS = {**DIGITS, "mean": (0.0,), "std": (1.0,)}
SIMILARITY_CLOTHES = {**SIMILARITY_DIGITS, "data": "fashion-mnist"}


def _row(name: str, builder: Builder, about: str, parameters: int, reference: str, facts: dict[str, Any]) -> ModelEntry:
    """Return a row that its recipe trains."""
    command = f"geomrob train {name} --seed 0"
    return ModelEntry(
        builder=builder, about=about, parameters=parameters, command=command, reference=reference, **facts
    )


def push_pull_2020(**facts: Any) -> "nn.Module":
    """Return the ResNet-20 with the older push-pull layer in front, its inhibition fixed at 1."""
    return replace_first_conv_upsampled(resnet20(**facts))


_PAPERS: tuple[tuple[str, Builder, str, int, str, dict[str, Any]], ...] = (
    (
        "cifar10-resnet18-pushpull-baseline",
        resnet18,
        "ResNet-18: the baseline of the push-pull models",
        11_173_962,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet18-pushpull-avg3",
        partial(with_push_pull, resnet18, average=3),
        "ResNet-18, push-pull stem, 3x3 average, trained inhibition",
        11_174_026,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet18-pushpull-avg5",
        partial(with_push_pull, resnet18, average=5),
        "ResNet-18, push-pull stem, 5x5 average, trained inhibition",
        11_174_026,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-baseline",
        resnet50,
        "ResNet-50: the baseline of the push-pull models",
        23_520_842,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-avg3",
        partial(with_push_pull, resnet50, average=3),
        "ResNet-50, push-pull stem, 3x3 average, trained inhibition",
        23_520_906,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet50-pushpull-avg5",
        partial(with_push_pull, resnet50, average=5),
        "ResNet-50, push-pull stem, 5x5 average, trained inhibition",
        23_520_906,
        PUSH_PULL,
        PUSH_PULL_PHOTOS,
    ),
    (
        "cifar10-resnet20-old-pushpull",
        push_pull_2020,
        "ResNet-20, older push-pull stem, inhibition 1",
        272_474,
        PUSH_PULL_2020,
        PUSH_PULL_2020_PHOTOS,
    ),
    (
        "cifar10-vgg16",
        partial(vgg, plan=VGG16, weight_norm=True),
        "VGG-16 with weight normalisation: the baseline of HaH",
        14_724_042,
        HAH,
        HAH_PHOTOS,
    ),
    ("cifar10-vgg16-hah", partial(vgg, plan=VGG16, hah=6), "VGG-16, six HaH blocks", 14_722_250, HAH, HAH_PHOTOS),
    ("cifar10-wrn40-2", wide_resnet, "WRN-40-2: the baseline of AugMix", 2_243_546, AUGMIX, AUGMIX_PHOTOS),
    *(
        (f"{network}-{ending}", partial(builder, stem_kernel=7), f"{about}, 7x7 stem{what}", count, SIMILARITY, facts)
        for network, builder, about, count, facts in (
            ("cifar10-resnet18", resnet18, "ResNet-18", 11_181_642, SIMILARITY_PHOTOS),
            ("cifar100-resnet34", resnet34, "ResNet-34", 21_335_972, SIMILARITY_100),
            ("mnist-resnet18", resnet18, "ResNet-18", 11_175_370, SIMILARITY_DIGITS),
            ("fmnist-resnet18", resnet18, "ResNet-18", 11_175_370, SIMILARITY_CLOTHES),
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
        parameters=11_220_132,
        data="cifar100",
        command="geomrob train cifar100-resnet18 --seed 0",
        reference=f"{THESIS}, section 5.3: the standard of PRIME and AugMix.",
        shape=(3, 32, 32),
        classes=100,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
    **{row[0]: _row(*row) for row in _PAPERS},
}
