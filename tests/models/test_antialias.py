import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.antialias import antialias, with_antialias
from geomrob.models.architectures.lenet import lenet
from geomrob.models.architectures.resnet import PadShortcut, resnet
from geomrob.models.architectures.wide_resnet import wide_resnet
from geomrob.models.layers.blurpool import BlurPool, blur_pool
from geomrob.models.layers.push_pull import PushPullConv2d
from geomrob.models.push_pull_stem import replace_first_conv

GREY = {"shape": (1, 28, 28), "mean": [0.286], "std": [0.353]}


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Bottleneck(nn.Module):
    """A block as torchvision has it: the stride in the second of three convolutions, a shortcut in a sequence."""

    def __init__(self, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, 4, 1, bias=False)
        self.conv2 = nn.Conv2d(4, 4, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(4, 8, 1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(width, 8, 1, stride, bias=False), nn.BatchNorm2d(8))

    def forward(self, inputs):
        hidden = self.conv3(self.relu(self.bn2(self.conv2(self.conv1(inputs)))))
        return self.relu(hidden + self.downsample(inputs))


def pooled():
    """Return a small network with an ImageNet stem and bottlenecks."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.Sequential(Bottleneck(6, 1), Bottleneck(8, 2)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


NETWORKS = {
    "resnet": lambda: resnet(widths=(4, 6, 8), depths=(1, 1, 1), **GREY),
    "strided stem": lambda: resnet(widths=(4, 6), depths=(2, 1), stem_stride=2, **GREY),
    "pool": pooled,
    "padded shortcuts": lambda: resnet(widths=(4, 6, 8), depths=(1, 1, 1), shortcut="pad", **GREY),
    "wide": lambda: wide_resnet(depth=10, widen=1, **GREY),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS[request.param]().eval()


@pytest.mark.parametrize("variant", ["zhang", "vasconcelos"])
def test_weights_names_and_shapes_stay(network, variant):
    before, names = dict(network.named_parameters()), set(network.state_dict())
    inputs = uniform(2, 1, 28, 28)
    plain = network(inputs)
    assert antialias(network, variant=variant) is network
    assert set(network.state_dict()) == names
    assert all(parameter is before[name] for name, parameter in network.named_parameters())
    found = network(inputs)
    assert found.shape == plain.shape
    assert not torch.allclose(found, plain)
    strides = [
        module.stride for module in network.modules() if isinstance(module, (nn.Conv2d, nn.MaxPool2d, PadShortcut))
    ]
    assert all(stride in (1, (1, 1)) for stride in strides)
    twin = copy.deepcopy(network)
    torch.testing.assert_close(twin(inputs), found)
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("variant", ["zhang", "vasconcelos"])
def test_without_blur_the_answers_stay(network, variant):
    inputs = uniform(2, 1, 27, 30)
    before = network(inputs)
    torch.testing.assert_close(antialias(network, variant=variant, size=1)(inputs), before)


def places(model):
    return [name for name, module in model.named_modules() if isinstance(module, BlurPool)]


def test_zhang_blurs_behind_the_rectifier_and_before_shortcuts():
    assert places(antialias(NETWORKS["resnet"]())) == [
        "stages.1.0.conv2.blur_before",
        "stages.1.0.shortcut.0.blur_before",
        "stages.2.0.conv2.blur_before",
        "stages.2.0.shortcut.0.blur_before",
    ]
    assert places(antialias(NETWORKS["strided stem"]()))[0] == "stages.0.0.blur_before"
    expected = {"3.blur_before", "3.blur_after", "4.1.conv3.blur_before", "4.1.downsample.0.blur_before"}
    assert set(places(antialias(pooled()))) == expected


def test_vasconcelos_blurs_behind_the_convolution():
    expected = ["0.blur_after", "3.blur_after", "4.1.conv2.blur_after", "4.1.downsample.0.blur_after"]
    model = antialias(pooled(), variant="vasconcelos")
    assert places(model) == expected
    assert model[0].blur_after.size == 5
    everywhere = places(antialias(pooled(), variant="vasconcelos", everywhere=True))
    assert everywhere == [*expected[:2], "4.0.conv2.blur_after", *expected[2:]]


def test_a_block_is_the_layers_written_one_after_another():
    block = antialias(resnet(widths=(4, 6), depths=(1, 1), **GREY)).eval().stages[1][0]
    features = uniform(2, 4, 12, 12)
    hidden = F.relu(block.bn1(F.conv2d(features, block.conv1.weight, padding=1)))
    hidden = block.bn2(F.conv2d(blur_pool(hidden), block.conv2.weight, padding=1))
    beside = block.shortcut[1](F.conv2d(blur_pool(features), block.shortcut[0].weight))
    torch.testing.assert_close(block(features), F.relu(hidden + beside))


def test_the_stem_of_the_comparison_is_blurred_twice():
    model = antialias(pooled(), window=2).eval()
    inputs = uniform(2, 1, 32, 32)
    stem = model[1](F.conv2d(inputs, model[0].weight, padding=3)).relu()
    expected = blur_pool(F.max_pool2d(blur_pool(stem), 2, 1))
    torch.testing.assert_close(model[:4](inputs), expected)
    kept = antialias(pooled(), keep_stem=True)
    assert kept[0].stride == (2, 2)
    assert places(kept)[0] == "3.blur_after"


def test_it_goes_with_a_push_pull_layer():
    inputs = uniform(2, 1, 28, 28)
    model = antialias(replace_first_conv(pooled(), inhibition=0.0), variant="vasconcelos").eval()
    assert isinstance(model[0], PushPullConv2d)
    stem = F.conv2d(inputs, model[0].weight, padding=3).relu()
    torch.testing.assert_close(model[0](inputs), blur_pool(stem, size=5))
    with pytest.raises(UsageError, match="replace first, then antialias"):
        replace_first_conv(antialias(pooled(), variant="vasconcelos"))


@pytest.mark.parametrize("variant", ["zhang", "vasconcelos"])
def test_a_shift_of_the_image_changes_less(variant):
    inputs = F.interpolate(uniform(8, 1, 14, 14), 32, mode="bilinear")
    change = {"plain": 0.0, "blurred": 0.0}
    for seed in range(4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            plain = resnet(widths=(8, 16, 16), depths=(1, 1, 1), **GREY).eval()
        blurred = antialias(copy.deepcopy(plain), variant=variant)
        for name, model in (("plain", plain), ("blurred", blurred)):
            with torch.no_grad():
                here, there = model(inputs), model(inputs.roll(1, -1))
            change[name] += float((here - there).norm() / (here - here.mean(0)).norm())
    assert change["blurred"] < 0.7 * change["plain"]


def test_a_row_of_the_table_can_be_anti_aliased():
    model = with_antialias(resnet, widths=(4, 6), depths=(1, 1), size=3, variant="vasconcelos", everywhere=True, **GREY)
    assert {module.size for module in model.modules() if isinstance(module, BlurPool)} == {3}
    assert model(uniform(1, 1, 28, 28)).shape == (1, 10)


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        (lenet(**GREY), {}, "nothing would change"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, 2), nn.ReLU()), {}, "must follow"),
        (nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True)), {}, "round down"),
        (antialias(pooled()), {}, "pass a new one"),
        (pooled(), {"variant": "zang"}, "did you mean zhang"),
        (pooled(), {"everywhere": True}, "must go with variant 'vasconcelos'"),
        (pooled(), {"size": 0}, "size must be at least 1"),
    ],
)
def test_misuse_is_told_and_changes_nothing(model, options, match):
    before = repr(model)
    with pytest.raises(UsageError, match=match):
        antialias(model, **options)
    assert repr(model) == before


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_networks_of_torchvision(name):
    models = pytest.importorskip("torchvision.models")
    model = models.get_model(name, weights=None).eval().double()
    inputs = uniform(1, 3, 65, 64).double()
    names, before = set(model.state_dict()), model(inputs)
    torch.testing.assert_close(antialias(copy.deepcopy(model), size=1)(inputs), before)
    assert set(antialias(model).state_dict()) == names
    assert {"maxpool.blur_before", "maxpool.blur_after", "layer2.0.downsample.0.blur_before"} < set(places(model))


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "efficientnet_b0"])
def test_networks_of_timm(name):
    timm = pytest.importorskip("timm")
    model = timm.create_model(name, pretrained=False).eval().double()
    inputs = uniform(1, 3, 65, 64).double()
    before = model(inputs)
    for variant in ("zhang", "vasconcelos"):
        torch.testing.assert_close(antialias(copy.deepcopy(model), variant=variant, size=1)(inputs), before)
