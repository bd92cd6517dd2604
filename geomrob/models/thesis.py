"""The models of the thesis: rows of `MODELS` without weights, to be trained by the recipe so named.

Low-pass and grey images (Tables A.2 and 5.1), PRIME and AugMix (Table 5.2) need no row of their own: their recipes
train the plain one.
"""

from functools import partial
from typing import Any

from geomrob.models.densenet import densenet
from geomrob.models.entry import ModelEntry
from geomrob.models.lenet import lenet
from geomrob.models.mlp import mlp
from geomrob.models.preprocess import for_flipped, with_preprocessing
from geomrob.models.resnet import IMAGENET, resnet18
from geomrob.models.vgg import VGG19, vgg

REFERENCE = "Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020; thesis, Tables A.2 and A.6."
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


def _rows(network: str) -> dict[str, ModelEntry]:
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
            about=words,
            command=f"geomrob train {network}{ending} --seed 0",
            reference=REFERENCE,
            **facts,
        )
        for ending, (build, words) in variants.items()
    }


POINTS: dict[str, Any] = {"shape": (1, 1, 100), "classes": 2, "mean": (0.0,), "std": (1.0,)}
SYNTHETIC = {
    name: ModelEntry(
        builder=partial(mlp, depth=depth),
        about=words,
        command=f"geomrob train {name} --seed 0",
        reference="Modas, thesis, 2022, sections 4.2.2 and 4.4.1, appendices A.1 and A.2.",
        **POINTS,
    )
    for name, depth, words in (
        ("t1-mlp", 10, "MLP of 10 x 500, for the synthetic T1"),
        ("t1-logistic", 0, "logistic regression, for the synthetic T1"),
        ("t2-mlp", 10, "MLP of 10 x 500, for the synthetic T2"),
    )
}

THESIS = {name: row for network in NETWORKS for name, row in _rows(network).items()} | SYNTHETIC
THESIS["cifar100-resnet18"] = ModelEntry(
    builder=resnet18,
    about="ResNet-18",
    command="geomrob train cifar100-resnet18 --seed 0",
    reference="Modas, thesis, 2022, section 5.3: the standard of PRIME and AugMix.",
    shape=(3, 32, 32),
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)
# The plain LeNet-5 on digits comes with weights: its row is in `geomrob.models`.
del THESIS["mnist-lenet"]
