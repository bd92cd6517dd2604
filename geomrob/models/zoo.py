"""The robust models under study and the models they are compared with: rows of `MODELS`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from geomrob.models.entry import ModelEntry
from geomrob.models.pushpull import with_push_pull
from geomrob.models.resnet import resnet
from geomrob.models.vgg import vgg

PUSH_PULL = "Bennabhaktula et al., PushPull-Net: inhibition-driven ResNet robust to image corruptions, 2024, eq. 5."
HAH = "Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) learning in deep networks, 2022."
SIMILARITY = "Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eqs. 2-5."
ADVERSARIAL = "Madry et al., Towards deep learning models resistant to adversarial attacks, 2018."
RESNET = "He et al., Deep residual learning for image recognition, 2016."
VGG = "Simonyan, Zisserman, Very deep convolutional networks for large-scale image recognition, 2015."

SMALL_RESNET = partial(resnet, widths=(16, 32, 64), depths=(1, 1, 1), stem_kernel=5, stem_pool=2)
SMALL_VGG = partial(vgg, plan=(16, "M", 24, 24, "M", 48, 48, "M"))
NARROW_VGG16 = (12, 12, "M", 24, 24, "M", 48, 48, 48, "M", 96, 96, 96, "M", 96, 96, 96, "M")


def _clothes(name: str, builder: Callable[..., nn.Module], about: str, reference: str, **weights: Any) -> ModelEntry:
    """Return the row of a model for Fashion-MNIST."""
    command = f"geomrob train {name} --seed 0"
    facts = {"shape": (1, 28, 28), "classes": 10, "mean": (0.2860,), "std": (0.3530,)}
    return ModelEntry(builder=builder, about=about, command=command, reference=reference, **facts, **weights)


def _photos(name: str, builder: Callable[..., nn.Module], about: str, reference: str, **weights: Any) -> ModelEntry:
    """Return the row of a model for CIFAR-10."""
    command = f"geomrob train {name} --seed 0"
    facts = {"shape": (3, 32, 32), "classes": 10, "mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2430, 0.2610)}
    return ModelEntry(builder=builder, about=about, command=command, reference=reference, **facts, **weights)


ZOO: dict[str, ModelEntry] = {
    "fmnist-standard": _clothes(
        "fmnist-standard", SMALL_RESNET, "small ResNet-8: the standard of the robust models", RESNET
    ),
    "fmnist-pushpull-avg3": _clothes(
        "fmnist-pushpull-avg3",
        partial(with_push_pull, SMALL_RESNET, average=3),
        "small ResNet-8, push-pull stem, 3x3 average, trained inhibition",
        PUSH_PULL,
    ),
    "fmnist-pushpull-avg5": _clothes(
        "fmnist-pushpull-avg5",
        partial(with_push_pull, SMALL_RESNET, average=5),
        "small ResNet-8, push-pull stem, 5x5 average, trained inhibition",
        PUSH_PULL,
    ),
    "fmnist-pushpull-fixed": _clothes(
        "fmnist-pushpull-fixed",
        partial(with_push_pull, SMALL_RESNET, average=3, inhibition=1.0),
        "small ResNet-8, push-pull stem, 3x3 average, inhibition 1",
        PUSH_PULL,
    ),
    "fmnist-similarity": _clothes(
        "fmnist-similarity", SMALL_RESNET, "small ResNet-8, pixel-similarity regulariser", SIMILARITY
    ),
    "fmnist-l2-adversarial": _clothes(
        "fmnist-l2-adversarial", SMALL_RESNET, "small ResNet-8, trained on l2 PGD images of radius 1", ADVERSARIAL
    ),
    "fmnist-linf-adversarial": _clothes(
        "fmnist-linf-adversarial",
        SMALL_RESNET,
        "small ResNet-8, trained on linf PGD images of radius 8/255",
        ADVERSARIAL,
    ),
    "fmnist-vgg": _clothes(
        "fmnist-vgg",
        partial(SMALL_VGG, weight_norm=True),
        "small VGG with weight normalisation: the standard of the HaH models",
        VGG,
    ),
    "fmnist-hah": _clothes("fmnist-hah", partial(SMALL_VGG, hah=3), "small VGG, three HaH blocks", HAH),
    "fmnist-hah-no-cost": _clothes(
        "fmnist-hah-no-cost", partial(SMALL_VGG, hah=3), "as fmnist-hah, without the Hebbian cost", HAH
    ),
    "fmnist-hah-batch-norm": _clothes(
        "fmnist-hah-batch-norm",
        partial(SMALL_VGG, hah=3, normalization="batch"),
        "as fmnist-hah, batch instead of divisive normalisation",
        HAH,
    ),
    "fmnist-hah-no-threshold": _clothes(
        "fmnist-hah-no-threshold", partial(SMALL_VGG, hah=3, active=None), "as fmnist-hah, without the threshold", HAH
    ),
    "cifar10-pushpull-avg5": _photos(
        "cifar10-pushpull-avg5",
        partial(with_push_pull, partial(resnet, widths=(16, 32, 64), depths=(3, 3, 3)), average=5),
        "ResNet-20, push-pull stem, 5x5 average, trained inhibition",
        PUSH_PULL,
    ),
    "cifar10-hah": _photos(
        "cifar10-hah", partial(vgg, plan=NARROW_VGG16, hah=6), "VGG-16 of 12 to 96 channels, six HaH blocks", HAH
    ),
    "cifar10-similarity": _photos(
        "cifar10-similarity",
        partial(resnet, widths=(12, 24, 48, 96), stem_kernel=7),
        "ResNet-18 of 12 to 96 channels, pixel-similarity regulariser",
        SIMILARITY,
    ),
}
