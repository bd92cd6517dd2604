"""The standard models that ship with weights: rows of `MODELS`."""

from functools import partial

from geomrob.models.registry.entry import Claim, ModelEntry, deferred

lenet, resnet = deferred("architectures.lenet:lenet"), deferred("architectures.resnet:resnet")

EMBEDDED: dict[str, ModelEntry] = {
    "fmnist-lenet": ModelEntry(
        builder=lenet,
        shape=(1, 28, 28),
        classes=10,
        mean=(0.2860,),
        std=(0.3530,),
        about="LeNet-5 with ReLU and max-pooling",
        parameters=61_706,
        data="fashion-mnist",
        weights="fmnist-lenet.safetensors",
        sha256="ab459196a9f5f66d59984ef9af5428a84456f48cbde87883cf896d7cff6be2f6",
        claims=(Claim("fashion-mnist", "test", 0.9155), Claim("fashion-mnist-1k", "test", 0.919)),
        command="geomrob train fmnist-lenet --seed 0",
        reference="LeCun et al., Gradient-based learning applied to document recognition, 1998.",
    ),
    "fmnist-resnet8": ModelEntry(
        builder=partial(resnet, widths=(16, 32, 64), depths=(1, 1, 1)),
        shape=(1, 28, 28),
        classes=10,
        mean=(0.2860,),
        std=(0.3530,),
        about="ResNet-8, 16 to 64 channels",
        parameters=77_754,
        data="fashion-mnist",
        weights="fmnist-resnet8.safetensors",
        sha256="e25be96efc00e32409b2ba989260c9444001fd0850fe235076fdfcda84c2edd6",
        claims=(Claim("fashion-mnist", "test", 0.9260), Claim("fashion-mnist-1k", "test", 0.940)),
        command="geomrob train fmnist-resnet8 --seed 0",
        reference="He et al., Deep residual learning for image recognition, 2016, section 4.2, one block a stage.",
    ),
    "mnist-lenet": ModelEntry(
        builder=lenet,
        shape=(1, 28, 28),
        classes=10,
        mean=(0.1307,),
        std=(0.3081,),
        about="LeNet-5 with ReLU and max-pooling",
        parameters=61_706,
        data="mnist",
        weights="mnist-lenet.safetensors",
        sha256="265c65d43964530b2b35b1e5d15a36b28c3eca426afac31bdacd0b1dce1ba4fd",
        claims=(Claim("mnist", "test", 0.9932),),
        command="geomrob train mnist-lenet --seed 0",
        reference="LeCun et al., Gradient-based learning applied to document recognition, 1998.",
    ),
    "cifar10-resnet20": ModelEntry(
        builder=partial(resnet, widths=(16, 32, 64), depths=(3, 3, 3)),
        shape=(3, 32, 32),
        classes=10,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2430, 0.2610),
        about="ResNet-20, 16 to 64 channels",
        parameters=272_474,
        data="cifar10",
        weights="cifar10-resnet20.safetensors",
        sha256="2d59d5772e6c6542c3adf0f58b3a34f2848ee4c5277d3fe4f3304643e7d19da5",
        claims=(Claim("cifar10", "test", 0.8828),),
        command="geomrob train cifar10-resnet20 --seed 0",
        reference="He et al., Deep residual learning for image recognition, 2016, section 4.2, with 1x1 shortcuts.",
    ),
}
