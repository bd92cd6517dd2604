"""The models of the papers at their own size: rows of `MODELS` without weights, trained by recipes of their names."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from geomrob.models.densenet import densenet
from geomrob.models.entry import ModelEntry
from geomrob.models.lenet import lenet
from geomrob.models.replace import replace_first_conv_upsampled, with_push_pull
from geomrob.models.resnet import IMAGENET, resnet18, resnet20, resnet50
from geomrob.models.vgg import VGG16, VGG19, vgg
from geomrob.models.zoo import HAH, PUSH_PULL, SIMILARITY

HOLD_ME_TIGHT = "Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020; thesis, Tables A.2 and A.6."
OLD_PUSH_PULL = "Strisciuglio et al., Enhanced robustness of convolutional networks with a push-pull layer, 2020."
DIGITS = {"shape": (1, 28, 28), "classes": 10, "mean": (0.1307,), "std": (0.3081,)}
PHOTOS = {"shape": (3, 32, 32), "classes": 10, "mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2430, 0.2610)}
# The statistics that the push-pull papers divide by are those of single images, not of all pixels.
PUSH_PULL_PHOTOS = {**PHOTOS, "std": (0.2023, 0.1994, 0.2010)}
OLD_PHOTOS = {**PHOTOS, "mean": (0.4914, 0.4824, 0.4467), "std": (0.2471, 0.2435, 0.2616)}
SIMILARITY_PHOTOS = {**PHOTOS, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


def _row(name: str, builder: Callable[..., nn.Module], about: str, reference: str, facts: dict[str, Any]) -> ModelEntry:
    """Return a row that its recipe trains."""
    return ModelEntry(
        builder=builder, about=about, command=f"geomrob train {name} --seed 0", reference=reference, **facts
    )


def old_push_pull(**facts: Any) -> nn.Module:
    """Return the ResNet-20 with the older push-pull layer in front, its inhibition fixed at 1."""
    return replace_first_conv_upsampled(resnet20(**facts))


_ROWS: tuple[tuple[str, Callable[..., nn.Module], str, str, dict[str, Any]], ...] = (
    ("mnist-resnet18", partial(resnet18, **IMAGENET), "ResNet-18, 7x7 stem", HOLD_ME_TIGHT, DIGITS),
    ("mnist-lenet-l2-adversarial", lenet, "LeNet-5, trained on l2 PGD images of radius 2", HOLD_ME_TIGHT, DIGITS),
    (
        "mnist-resnet18-l2-adversarial",
        partial(resnet18, **IMAGENET),
        "ResNet-18, 7x7 stem, trained on l2 PGD images of radius 2",
        HOLD_ME_TIGHT,
        DIGITS,
    ),
    ("cifar10-resnet18", resnet18, "ResNet-18", HOLD_ME_TIGHT, PHOTOS),
    ("cifar10-vgg19", partial(vgg, plan=VGG19), "VGG-19", HOLD_ME_TIGHT, PHOTOS),
    ("cifar10-densenet121", densenet, "DenseNet-121", HOLD_ME_TIGHT, PHOTOS),
    (
        "cifar10-resnet18-l2-adversarial",
        resnet18,
        "ResNet-18, trained on l2 PGD images of radius 1",
        HOLD_ME_TIGHT,
        PHOTOS,
    ),
    (
        "cifar10-vgg19-l2-adversarial",
        partial(vgg, plan=VGG19),
        "VGG-19, trained on l2 PGD images of radius 1",
        HOLD_ME_TIGHT,
        PHOTOS,
    ),
    (
        "cifar10-densenet121-l2-adversarial",
        densenet,
        "DenseNet-121, trained on l2 PGD images of radius 1",
        HOLD_ME_TIGHT,
        PHOTOS,
    ),
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
        PHOTOS,
    ),
    ("cifar10-vgg16-hah", partial(vgg, plan=VGG16, hah=6), "VGG-16, six HaH blocks", HAH, PHOTOS),
    (
        "cifar10-resnet18-unregularised",
        partial(resnet18, stem_kernel=7),
        "ResNet-18, 7x7 stem: the baseline of the pixel-similarity model",
        SIMILARITY,
        SIMILARITY_PHOTOS,
    ),
    (
        "cifar10-resnet18-similarity",
        partial(resnet18, stem_kernel=7),
        "ResNet-18, 7x7 stem, pixel-similarity regulariser",
        SIMILARITY,
        SIMILARITY_PHOTOS,
    ),
)

PAPERS: dict[str, ModelEntry] = {row[0]: _row(*row) for row in _ROWS}
