"""The models of the papers at their own size: rows of `MODELS` without weights, trained by recipes of their names."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from geomrob.models.entry import ModelEntry
from geomrob.models.replace import replace_first_conv_upsampled, with_push_pull
from geomrob.models.resnet import resnet18, resnet20, resnet34, resnet50
from geomrob.models.thesis import PHOTOS
from geomrob.models.vgg import VGG16, vgg
from geomrob.models.wide_resnet import wide_resnet
from geomrob.models.zoo import AUGMIX, HAH, PUSH_PULL, SIMILARITY

OLD_PUSH_PULL = "Strisciuglio et al., Enhanced robustness of convolutional networks with a push-pull layer, 2020."
# The statistics that the push-pull papers divide by are those of single images, not of all pixels.
PUSH_PULL_PHOTOS = {**PHOTOS, "std": (0.2023, 0.1994, 0.2010)}
OLD_PHOTOS = {**PHOTOS, "mean": (0.4914, 0.4824, 0.4467), "std": (0.2471, 0.2435, 0.2616)}
HAH_PHOTOS = {**PHOTOS, "std": (0.2471, 0.2435, 0.2616)}
AUGMIX_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIMILARITY_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
SIMILARITY_GREY: dict[str, Any] = {"shape": (1, 28, 28), "classes": 10, "mean": (0.0,), "std": (1.0,)}


def _row(name: str, builder: Callable[..., nn.Module], about: str, reference: str, facts: dict[str, Any]) -> ModelEntry:
    """Return a row that its recipe trains."""
    return ModelEntry(
        builder=builder, about=about, command=f"geomrob train {name} --seed 0", reference=reference, **facts
    )


def old_push_pull(**facts: Any) -> nn.Module:
    """Return the ResNet-20 with the older push-pull layer in front, its inhibition fixed at 1."""
    return replace_first_conv_upsampled(resnet20(**facts))


_ROWS: tuple[tuple[str, Callable[..., nn.Module], str, str, dict[str, Any]], ...] = (
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
        old_push_pull,
        "ResNet-20, older push-pull stem, inhibition 1",
        OLD_PUSH_PULL,
        OLD_PHOTOS,
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

PAPERS: dict[str, ModelEntry] = {row[0]: _row(*row) for row in _ROWS}
