import copy
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet
from geomrob.models.layers.push_pull import PushPullConv2d
from geomrob.models.push_pull_stem import replace_first_conv, replace_first_conv_upsampled, with_push_pull


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Conv2dSame(nn.Conv2d):
    """A convolution with TensorFlow's padding, as timm has one under this name."""

    def forward(self, inputs):
        def needed(side, kernel, stride):
            return max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)

        tall = needed(inputs.shape[2], self.kernel_size[0], self.stride[0])
        wide = needed(inputs.shape[3], self.kernel_size[1], self.stride[1])
        padded = F.pad(inputs, [wide // 2, wide - wide // 2, tall // 2, tall - tall // 2])
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class Stem(nn.Module):
    """A ResNet's beginning: named layers, normalisation in front, more convolutions after."""

    def __init__(self, conv):
        super().__init__()
        self.norm = nn.Identity()
        self.conv1 = conv
        self.layer1 = nn.Sequential(nn.ReLU(), nn.Conv2d(conv.out_channels, 3, 1))

    def forward(self, inputs):
        return self.layer1(self.conv1(self.norm(inputs)))


CONVOLUTIONS = [
    nn.Conv2d(3, 8, 7, 2, 3, bias=False),
    nn.Conv2d(3, 8, 3, padding="same"),
    nn.Conv2d(3, 9, (3, 5), (2, 1), (0, 2), groups=3, padding_mode="reflect"),
    nn.Conv2d(3, 8, 3, dilation=2, padding=2),
    Conv2dSame(3, 8, 3, 2, bias=False),
    Conv2dSame(3, 8, (5, 4), (3, 2)),
]


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize("side", [11, 12])
def test_the_first_convolution_of_any_network_is_replaced(conv, side):
    inputs = normal(2, 3, side, 10).float()
    inside = Stem(copy.deepcopy(conv))
    model = nn.Sequential(nn.Identity(), inside)
    weight, bias, before = inside.conv1.weight, inside.conv1.bias, conv(inputs)
    assert replace_first_conv(model, inhibition=0.0) is model
    assert isinstance(inside.conv1, PushPullConv2d)
    assert inside.conv1.weight is weight
    assert inside.conv1.bias is bias
    assert type(inside.layer1[1]) is nn.Conv2d
    shift = 0 if bias is None else bias.detach()[:, None, None]
    torch.testing.assert_close(inside.conv1(inputs), (before - shift).relu() + shift)
    assert model(inputs).shape == (2, 3, *before.shape[2:])
    assert set(model.state_dict()) == {*nn.Sequential(nn.Identity(), Stem(conv)).state_dict(), "1.conv1.inhibition"}


def test_replacing_takes_type_mode_and_seed_and_leaves_the_global_generator():
    state = torch.get_rng_state()
    models = [replace_first_conv(Stem(nn.Conv2d(3, 8, 3)).double().eval(), seed=seed) for seed in (0, 0, 1)]
    drawn = [model.conv1.inhibition for model in models]
    torch.set_rng_state(state)
    again = [Stem(nn.Conv2d(3, 8, 3)) for _ in range(3)]
    torch.testing.assert_close(models[2].conv1.weight, again[2].conv1.weight.double())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert drawn[0].dtype == torch.float64
    assert all(drawn[0].ge(0) & drawn[0].lt(1))
    assert not models[0].conv1.training


def test_a_layer_can_be_named_and_one_under_two_names_is_replaced_under_both():
    model = Stem(nn.Conv2d(3, 8, 3))
    replace_first_conv(model, layer="layer1.1", inhibition=1.0)
    assert type(model.conv1) is nn.Conv2d
    assert isinstance(model.layer1[1], PushPullConv2d)
    model.alias = model.conv1
    replace_first_conv(model)
    assert model.alias is model.conv1
    assert isinstance(model.conv1, PushPullConv2d)


def parametrized():
    model = Stem(nn.Conv2d(3, 8, 3))
    nn.utils.parametrizations.weight_norm(model.conv1)
    return model


class Standardised(nn.Conv2d):
    """A convolution that changes its weights first."""

    def forward(self, inputs):
        return F.conv2d(inputs, self.weight - self.weight.mean())


@pytest.mark.parametrize(
    ("model", "layer", "match"),
    [
        (nn.Linear(2, 2), None, "no torch.nn.Conv2d at all"),
        (nn.Conv2d(1, 1, 1), None, "put it in nn.Sequential"),
        (Stem(nn.Conv2d(3, 8, 3)), "conv2", "got conv1, layer1.1"),
        (parametrized(), None, "plain weight"),
        (Stem(Standardised(3, 8, 3)), None, "do no more than convolve; got Standardised"),
        (Stem(PushPullConv2d(3, 8, 3)), None, "do no more than convolve; got PushPullConv2d"),
        (nn.Sequential(nn.LazyConv2d(4, 3)), None, "lazy"),
    ],
)
def test_what_cannot_be_replaced_is_refused(model, layer, match):
    before = repr(model)
    with pytest.raises(UsageError, match=match):
        replace_first_conv(model, layer=layer)
    assert repr(model) == before


def test_our_networks_begin_with_it_by_a_row_of_the_table():
    facts = {"shape": (1, 28, 28), "classes": 10, "mean": (0.286,), "std": (0.353,)}
    builder = partial(with_push_pull, partial(resnet, widths=(4, 8), depths=(1, 1)), average=5, inhibition="trainable")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, other = builder(**facts), builder(**facts)
        torch.manual_seed(0)
        plain, again = resnet(widths=(4, 8), depths=(1, 1), **facts), None
        torch.manual_seed(0)
        again = builder(**facts)
    assert torch.equal(plain.stem.weight, model.stem.weight)
    assert torch.equal(again.stem.inhibition, model.stem.inhibition)
    assert not torch.equal(other.stem.inhibition, model.stem.inhibition)
    assert model.stem.average == 5
    model(torch.rand(2, 1, 28, 28)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("inhibition", [0.0, "trainable"])
def test_the_older_layer_takes_the_place_of_the_first_convolution(inhibition):
    model = resnet(shape=(1, 28, 28), mean=[0.286], std=[0.353], widths=(4, 8), depths=(1, 1)).eval()
    plain, weight = copy.deepcopy(model.stem), model.stem.weight
    state = torch.get_rng_state()
    assert replace_first_conv_upsampled(model, inhibition=inhibition, seed=3) is model
    assert torch.equal(torch.get_rng_state(), state)
    assert model.stem.weight is weight
    assert not model.stem.training
    inputs = normal(2, 1, 28, 28).float()
    if inhibition == 0.0:
        torch.testing.assert_close(model.stem(inputs), plain(inputs).relu())
    else:
        again = replace_first_conv_upsampled(nn.Sequential(plain), inhibition=inhibition, seed=3)[0]
        assert torch.equal(model.stem.inhibition, again.inhibition)
    assert model(inputs).shape == (2, 10)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, (3, 5)),
        nn.Conv2d(1, 1, 3, dilation=2),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_other_convolutions_are_refused_by_the_older_layer(conv):
    with pytest.raises(UsageError, match="square, padded by zeros, not dilated"):
        replace_first_conv_upsampled(nn.Sequential(conv))
    with pytest.raises(UsageError, match="no more than convolve"):
        replace_first_conv_upsampled(nn.Sequential(PushPullConv2d(1, 1, 3)))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_b0", "vgg11", "densenet121"])
def test_networks_of_torchvision(name):
    models = pytest.importorskip("torchvision.models")
    model = models.get_model(name, weights=None).eval()
    wanted = {*model.state_dict()}
    new = {*replace_first_conv(model).state_dict()} - wanted
    assert len(new) == 1
    assert new.pop() in (
        "conv1.inhibition",
        "features.0.0.inhibition",
        "features.0.inhibition",
        "features.conv0.inhibition",
    )
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 1000)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "tf_efficientnet_b0"])
def test_networks_of_timm(name):
    timm = pytest.importorskip("timm")
    model = timm.create_model(name, pretrained=False).eval()
    conv = copy.deepcopy(model.get_submodule(stem := "conv1" if name == "resnet18" else "conv_stem"))
    inputs = torch.rand(1, 3, 63, 64)
    replace_first_conv(model, inhibition=0.0)
    torch.testing.assert_close(model.get_submodule(stem)(inputs), conv(inputs).relu())
    assert model(inputs).shape == (1, 1000)
