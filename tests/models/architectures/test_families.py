"""The families of networks: parameter counts as published, forwards and backwards, misuse in one sentence."""

from functools import partial

import pytest
import torch

from geomrob.errors import UsageError
from geomrob.models.architectures.densenet import densenet
from geomrob.models.architectures.lenet import lenet
from geomrob.models.architectures.mlp import mlp
from geomrob.models.architectures.plans import IMAGENET, VGG16, VGG19
from geomrob.models.architectures.resnet import (
    PadShortcut,
    resnet,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
)
from geomrob.models.architectures.vgg import vgg
from geomrob.models.architectures.wide_resnet import wide_resnet

LARGE = {"shape": (3, 224, 224), "classes": 1000, **IMAGENET}
# ImageNet: the counts of torchvision's models. CIFAR-10: He et al., Table 6 (0.27, 0.46, 0.66, 0.85 million) and the
# widely used CIFAR forms; VGG with batch normalisation and one linear layer.
COUNTS = {
    "resnet18-imagenet": (partial(resnet18, **LARGE), 11_689_512),
    "resnet34-imagenet": (partial(resnet34, **LARGE), 21_797_672),
    "resnet50-imagenet": (partial(resnet50, **LARGE), 25_557_032),
    "resnet18-cifar": (resnet18, 11_173_962),
    "resnet34-cifar": (resnet34, 21_282_122),
    "resnet50-cifar": (resnet50, 23_520_842),
    "resnet20": (partial(resnet20, shortcut="pad"), 269_722),
    "resnet32": (partial(resnet32, shortcut="pad"), 464_154),
    "resnet44": (partial(resnet44, shortcut="pad"), 658_586),
    "resnet56": (partial(resnet56, shortcut="pad"), 853_018),
    "resnet20-conv": (resnet20, 272_474),
    "resnet32-conv": (resnet32, 466_906),
    "resnet44-conv": (resnet44, 661_338),
    "resnet56-conv": (resnet56, 855_770),
    "densenet121": (densenet, 6_956_298),
    "wrn-40-2": (wide_resnet, 2_243_546),
    "vgg16": (partial(vgg, plan=VGG16), 14_728_266),
    "vgg19": (partial(vgg, plan=VGG19), 20_040_522),
    "mlp": (partial(mlp, depth=10, width=500), 784 * 500 + 500 + 9 * (500 * 500 + 500) + 5010),
    "logistic regression": (partial(mlp, depth=0), 7850),
}
SMALL = {
    "bottleneck": partial(resnet, widths=(4, 8), depths=(1, 1), bottleneck=True),
    "padded": partial(resnet, widths=(4, 8), depths=(1, 1), shortcut="pad"),
    "imagenet stem": partial(resnet, widths=(4, 8), depths=(1, 1), **IMAGENET),
    "large stem": partial(resnet, widths=(4, 8), depths=(1, 1), stem_kernel=7),
    "densenet": partial(densenet, depths=(2, 2), growth=4),
    "wide": partial(wide_resnet, depth=10, widen=1, dropout=0.3),
    "mlp": partial(mlp, shape=(3, 32, 32), mean=(0.5,), std=(0.5,), depth=2, width=9),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_parameters_are_as_many_as_published(name):
    builder, wanted = COUNTS[name]
    with torch.device("meta"):
        model = builder()
    assert sum(parameter.numel() for parameter in model.parameters()) == wanted


@pytest.mark.parametrize("name", COUNTS)
def test_every_network_takes_its_images_at_full_size(name):
    builder, _ = COUNTS[name]
    keywords = builder.keywords if isinstance(builder, partial) else {}
    digits = name in ("mlp", "logistic regression")
    with torch.device("meta"):
        model = builder().train()
        logits = model(torch.rand(2, *keywords.get("shape", (1, 28, 28) if digits else (3, 32, 32))))
        assert logits.shape == (2, keywords.get("classes", 10))
        logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_count_of_densenet_is_that_of_its_layers():
    width, total = 64, 3 * 64 * 9
    for index, depth in enumerate((6, 12, 24, 16)):
        for _ in range(depth):
            total += 2 * width + width * 128 + 2 * 128 + 128 * 32 * 9
            width += 32
        if index < 3:
            total += 2 * width + width * (width // 2)
            width //= 2
    assert total + 2 * width + 10 * width + 10 == 6_956_298


def test_the_count_of_a_wide_resnet_is_that_of_its_layers():
    def wanted(blocks, widen):
        width, total = 16, 3 * 16 * 9
        for base in (16, 32, 64):
            for position in range(blocks):
                out = base * widen
                total += 2 * width + width * out * 9 + 2 * out + out * out * 9 + (width * out if position == 0 else 0)
                width = out
        return total + 2 * width + 10 * width + 10

    assert wanted(6, 2) == 2_243_546
    assert sum(parameter.numel() for parameter in wide_resnet(depth=10, widen=3).parameters()) == wanted(1, 3)


@pytest.mark.parametrize(
    ("name", "stem", "places"), [("cifar", {}, 4), ("imagenet", IMAGENET, 1), ("7x7", {"stem_kernel": 7}, 4)]
)
def test_the_stem_settles_how_many_places_are_left(name, stem, places):
    seen = []
    with torch.device("meta"):
        model = resnet18(**stem).eval()
        model.stages.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape)))
        model(torch.rand(1, 3, 32, 32))
    assert seen == [(1, 512, places, places)]


def test_images_of_another_size_are_refused_where_the_size_is_built_in():
    for model in (mlp(depth=1, width=3), lenet()):
        with pytest.raises(UsageError, match="inputs must be images of 1x28x28; got 1x32x28"):
            model(torch.zeros(2, 1, 32, 28))


@pytest.mark.parametrize("name", [name for name in SMALL if name != "mlp"])
def test_grey_images_are_refused_by_a_network_for_colour(name):
    with pytest.raises(UsageError, match=r"inputs must be \(N, 3, H, W\)"):
        SMALL[name]()(torch.zeros(2, 1, 32, 32))


@pytest.mark.parametrize("name", SMALL)
def test_every_family_goes_forwards_and_backwards(name):
    model = SMALL[name]().train()
    images = torch.rand(3, 3, 32, 32, requires_grad=True)
    logits = model(images)
    assert logits.shape == (3, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert images.grad is not None
    assert bool((images.grad != 0).any())


@pytest.mark.parametrize("name", SMALL)
def test_every_family_normalises_first(name):
    model = SMALL[name]().eval()
    seen = []
    next(iter(model.children())).register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    images = torch.rand(1, 3, 32, 32)
    model(images)
    ((given, normal),) = seen
    assert torch.equal(given, images)
    torch.testing.assert_close(normal, (images - model.norm.mean) / model.norm.std)


def test_the_padded_shortcut_is_every_second_place_between_zeros():
    inputs = torch.rand(2, 3, 5, 6)
    out = PadShortcut(3, 8, 2)(inputs)
    assert out.shape == (2, 8, 3, 3)
    assert torch.equal(out[:, 2:5], inputs[:, :, ::2, ::2])
    assert not bool(out[:, :2].any())
    assert not bool(out[:, 5:].any())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (partial(resnet, shortcut="pading"), "did you mean pad"),
        (partial(resnet, stem_kernel=4), "stem_kernel must be odd"),
        (partial(resnet, stem_stride=0), "stem_stride at least 1"),
        (partial(resnet, stem_pool=1), "stem_pool 0, 2 or 3"),
        (partial(mlp, depth=-1), "depth must be at least 0"),
        (partial(densenet, depths=()), "depths and growth must be at least 1"),
        (partial(densenet, shape=(3, 4, 4)), "halved 3 times"),
        (partial(wide_resnet, depth=41), "depth must be 6 n"),
    ],
)
def test_misuse_is_one_sentence(build, words):
    with pytest.raises(UsageError, match=words):
        build()
