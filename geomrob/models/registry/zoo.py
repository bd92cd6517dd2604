"""The robust models under study and the models they are compared with: rows of `MODELS`."""

from functools import partial

from geomrob.models.registry.entry import Builder, Claim, ModelEntry, deferred

THESIS = "Modas, Robustness and invariance properties of image classifiers, EPFL 2022"
PUSH_PULL = "Bennabhaktula et al., PushPull-Net: inhibition-driven ResNet robust to image corruptions, 2024, eq. 5."
HAH = "Cekic, Bakiskan, Madhow, Layerwise Hebbian/anti-Hebbian (HaH) Learning In Deep Networks, 2022."
SIMILARITY = "Attias, Pehlevan, Obeid, A brain-inspired regularizer for adversarial robustness, 2024, eqs. 2-5."
AUGMIX = "Hendrycks et al., AugMix: a simple data processing method to improve robustness and uncertainty, 2020."
PRIME = f"Modas, Rade, Ortiz-Jimenez, Moosavi-Dezfooli, Frossard, PRIME, 2022; {THESIS}, chapter 5."
FREQUENCY = f"Ortiz-Jimenez, Modas, Moosavi-Dezfooli, Frossard, Hold me tight!, 2020; {THESIS}, 5.2.1."
ADVERSARIAL = "Madry et al., Towards deep learning models resistant to adversarial attacks, 2018."
RESNET = "He et al., Deep residual learning for image recognition, 2016."
VGG = "Simonyan, Zisserman, Very deep convolutional networks for large-scale image recognition, 2015."

resnet, vgg = deferred("architectures.resnet:resnet"), deferred("architectures.vgg:vgg")
for_flipped = deferred("layers.preprocess:for_flipped")
with_preprocessing = deferred("layers.preprocess:with_preprocessing")
with_push_pull = deferred("push_pull_stem:with_push_pull")

SMALL_RESNET = partial(resnet, widths=(16, 32, 64), depths=(1, 1, 1), stem_kernel=5, stem_pool=2)
SMALL_VGG = partial(vgg, plan=(16, "M", 24, 24, "M", 48, 48, "M"))
NARROW_VGG16 = (12, 12, "M", 24, 24, "M", 48, 48, 48, "M", 96, 96, 96, "M", 96, 96, 96, "M")


def _clothes(
    name: str, builder: Builder, about: str, parameters: int, reference: str, digest: str, full: float, few: float
) -> ModelEntry:
    """Return the row of a model for Fashion-MNIST; `full` and `few` are its accuracies on the test sets."""
    return ModelEntry(
        builder=builder,
        shape=(1, 28, 28),
        classes=10,
        mean=(0.2860,),
        std=(0.3530,),
        about=about,
        parameters=parameters,
        data="fashion-mnist",
        command=f"geomrob train {name} --seed 0",
        reference=reference,
        weights=f"{name}.safetensors",
        sha256=digest,
        claims=(Claim("fashion-mnist", "test", full), Claim("fashion-mnist-1k", "test", few)),
    )


def _photos(
    name: str, builder: Builder, about: str, parameters: int, reference: str, digest: str, accuracy: float
) -> ModelEntry:
    """Return the row of a model for CIFAR-10; `accuracy` is that on the test set."""
    return ModelEntry(
        builder=builder,
        shape=(3, 32, 32),
        classes=10,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2430, 0.2610),
        about=about,
        parameters=parameters,
        data="cifar10",
        command=f"geomrob train {name} --seed 0",
        reference=reference,
        weights=f"{name}.safetensors",
        sha256=digest,
        claims=(Claim("cifar10", "test", accuracy),),
    )


ZOO: dict[str, ModelEntry] = {
    "fmnist-standard": _clothes(
        "fmnist-standard",
        SMALL_RESNET,
        "small ResNet-8: the standard of the robust models",
        78_010,
        RESNET,
        "c6d21cb1ce5a14fe17af8eb651c49d342e569c4e56005d4fc1a17c34403d9456",
        0.9146,
        0.933,
    ),
    "fmnist-pushpull-avg3": _clothes(
        "fmnist-pushpull-avg3",
        partial(with_push_pull, SMALL_RESNET, average=3),
        "small ResNet-8, push-pull stem, 3x3 average, trained inhibition",
        78_026,
        PUSH_PULL,
        "e1a0190db7b190e67510fe75d6d6d9bd3074da4b4ea181b8bcd426e0f58fa302",
        0.9118,
        0.932,
    ),
    "fmnist-pushpull-avg5": _clothes(
        "fmnist-pushpull-avg5",
        partial(with_push_pull, SMALL_RESNET, average=5),
        "small ResNet-8, push-pull stem, 5x5 average, trained inhibition",
        78_026,
        PUSH_PULL,
        "63769f5312b2beed743f36748afa913ea6d52c6c039624d95d54669d26e5f060",
        0.9144,
        0.926,
    ),
    "fmnist-pushpull-fixed": _clothes(
        "fmnist-pushpull-fixed",
        partial(with_push_pull, SMALL_RESNET, average=3, inhibition=1.0),
        "small ResNet-8, push-pull stem, 3x3 average, inhibition 1",
        78_010,
        PUSH_PULL,
        "22b23ad4a31c6c678b5dd39cc1d60a72966a55a3b60671fcd23b3498b5db6286",
        0.9086,
        0.925,
    ),
    "fmnist-similarity": _clothes(
        "fmnist-similarity",
        SMALL_RESNET,
        "small ResNet-8, pixel-similarity regulariser",
        78_010,
        SIMILARITY,
        "6caf201d353fedc2516915b34d3fb5a75eac923e8c1da03476970fe3c03a9921",
        0.8698,
        0.894,
    ),
    "fmnist-l2-adversarial": _clothes(
        "fmnist-l2-adversarial",
        SMALL_RESNET,
        "small ResNet-8, trained on l2 PGD images of radius 1",
        78_010,
        ADVERSARIAL,
        "bfc52f2f25b3820b7171b49dd0ec17ecdb4e6f79a0dcb827c35b4d2aef0cc4e2",
        0.8260,
        0.828,
    ),
    "fmnist-linf-adversarial": _clothes(
        "fmnist-linf-adversarial",
        SMALL_RESNET,
        "small ResNet-8, trained on linf PGD images of radius 8/255",
        78_010,
        ADVERSARIAL,
        "c083411ed3260d533adca4a3bbf715e2485041a94844f40375ca0ec6d7b821a3",
        0.8704,
        0.888,
    ),
    "fmnist-vgg": _clothes(
        "fmnist-vgg",
        partial(SMALL_VGG, weight_norm=True),
        "small VGG with weight normalisation: the standard of the HaH models",
        40_698,
        VGG,
        "00f471e45c70ba7e6650e54939555838f85ed02c26d613f08f0edf1c71ed105c",
        0.9048,
        0.920,
    ),
    "fmnist-hah": _clothes(
        "fmnist-hah",
        partial(SMALL_VGG, hah=3),
        "small VGG, three HaH blocks",
        40_570,
        HAH,
        "1b5e65899b54d3236961c236f2bae34c7ec9b4dec9e23efed2db70b42ac770d4",
        0.8962,
        0.919,
    ),
    "fmnist-hah-no-cost": _clothes(
        "fmnist-hah-no-cost",
        partial(SMALL_VGG, hah=3),
        "as fmnist-hah, without the Hebbian cost",
        40_570,
        HAH,
        "cd94dcbf3c9cf6a2cb6147e59540c6de5ffcacbcbda36aa755bed5be9520ee2e",
        0.8965,
        0.912,
    ),
    "fmnist-hah-batch-norm": _clothes(
        "fmnist-hah-batch-norm",
        partial(SMALL_VGG, hah=3, normalization="batch"),
        "as fmnist-hah, batch instead of divisive normalisation",
        40_698,
        HAH,
        "b520a5cf618edf1fc123c5c6e7fb55a99ebf4344563e577723bcde996f8f5505",
        0.8949,
        0.911,
    ),
    "fmnist-hah-no-threshold": _clothes(
        "fmnist-hah-no-threshold",
        partial(SMALL_VGG, hah=3, active=None),
        "as fmnist-hah, without the threshold",
        40_570,
        HAH,
        "3562a94c81e02f9fccf119d50ca40a1bd7f8f7b02a5ea31222160cfb633a7e74",
        0.9045,
        0.925,
    ),
    "fmnist-low-pass": _clothes(
        "fmnist-low-pass",
        SMALL_RESNET,
        "small ResNet-8, trained on low-pass images (14 x 14 corner)",
        78_010,
        FREQUENCY,
        "e158fb16cb53f05a236376c283ca6d6334d70bb6aefa2825c259795965c96c0a",
        0.8943,
        0.913,
    ),
    "fmnist-flipped": _clothes(
        "fmnist-flipped",
        partial(with_preprocessing, partial(for_flipped, SMALL_RESNET), "flip"),
        "small ResNet-8 behind a flip of the DCT coefficients",
        78_010,
        FREQUENCY,
        "10166e291c490706e999e302893bbd2cda12ff3559fbf482ee5da7a22e16c1b7",
        0.8995,
        0.913,
    ),
    "fmnist-augmix": _clothes(
        "fmnist-augmix",
        SMALL_RESNET,
        "small ResNet-8, AugMix and its consistency loss",
        78_010,
        AUGMIX,
        "e7531c2a8a04dfd40582b65c2195a2576932a86beaacebb47fc37a170d4693e8",
        0.9077,
        0.927,
    ),
    "fmnist-augmix-no-jsd": _clothes(
        "fmnist-augmix-no-jsd",
        SMALL_RESNET,
        "small ResNet-8, AugMix without its consistency loss",
        78_010,
        AUGMIX,
        "b78de18b0db7263fad363c53c8980a2bafd05b9c4b1328069d6b7338e7103bfc",
        0.9075,
        0.922,
    ),
    "fmnist-prime": _clothes(
        "fmnist-prime",
        SMALL_RESNET,
        "small ResNet-8, PRIME and its consistency loss",
        78_010,
        PRIME,
        "4fa4e88a0778e6b3654ad1b65e60699686aa0b0fa20c3e51062216fd8aa90405",
        0.8983,
        0.911,
    ),
    "fmnist-prime-no-jsd": _clothes(
        "fmnist-prime-no-jsd",
        SMALL_RESNET,
        "small ResNet-8, PRIME without its consistency loss",
        78_010,
        PRIME,
        "d04bf2fa10cc667236d25f22966b0552d94307652d6767227afff9fa61accf70",
        0.8999,
        0.920,
    ),
    "fmnist-prime-no-jsd-released": _clothes(
        "fmnist-prime-no-jsd-released",
        SMALL_RESNET,
        "as fmnist-prime-no-jsd, with the released numbers of PRIME, cuts capped",
        78_010,
        PRIME,
        "a0d786df89e503586ae465eac53e1916bd51dd890c05c4ba933893e692d2cf7f",
        0.9023,
        0.917,
    ),
    "fmnist-prime-released": _clothes(
        "fmnist-prime-released",
        SMALL_RESNET,
        "as fmnist-prime, with the released numbers of PRIME, cuts capped",
        78_010,
        PRIME,
        "463d3cf82a669ab9bfbacd896c7cfb71f349be623d79501d9485e353932f25c4",
        0.8923,
        0.908,
    ),
    "cifar10-pushpull-avg5": _photos(
        "cifar10-pushpull-avg5",
        partial(with_push_pull, partial(resnet, widths=(16, 32, 64), depths=(3, 3, 3)), average=5),
        "ResNet-20, push-pull stem, 5x5 average, trained inhibition",
        272_490,
        PUSH_PULL,
        "a0c75282d10109b1fc7c7999288aebae89f9daa7a78b3ec6a491557b61999f26",
        0.8834,
    ),
    "cifar10-hah": _photos(
        "cifar10-hah",
        partial(vgg, plan=NARROW_VGG16, hah=6),
        "VGG-16 of 12 to 96 channels, six HaH blocks",
        519_646,
        HAH,
        "6d62c7c583882a939017667745afcd3dcc0a05240dcca9d8d65fe22921c93325",
        0.6288,
    ),
    "cifar10-similarity": _photos(
        "cifar10-similarity",
        partial(resnet, widths=(12, 24, 48, 96), stem_kernel=7),
        "ResNet-18 of 12 to 96 channels, pixel-similarity regulariser",
        396_790,
        SIMILARITY,
        "52b6495a25885d80ec05f7e2babd519f5c363b511d141024087840d30c9d4fde",
        0.8046,
    ),
}
