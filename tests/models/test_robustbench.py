"""Checkpoints in the layout of robustbench: its names written here as plain networks, their logits the truth."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.errors import UsageError
from geomrob.models import load_model
from geomrob.models.schemes import robustbench
from geomrob.models.schemes.robustbench_rows import CLASSES, ROWS, Row

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
SMALL = {"wide": Row("wide", (10, 1)), "silu": Row("silu", (10, 1), ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))}


class Block(nn.Module):
    """A block of a Wide ResNet, its parts named by the project it comes from."""

    def __init__(self, before, width, stride, names, silu):
        super().__init__()
        self.names, self.stride, self.silu = names, stride, silu
        parts = {
            names[0]: nn.BatchNorm2d(before),
            names[1]: nn.Conv2d(before, width, 3, stride, bias=False),
            names[2]: nn.BatchNorm2d(width),
            names[3]: nn.Conv2d(width, width, 3, padding=1, bias=False),
        }
        if before != width:
            parts[names[4]] = nn.Conv2d(before, width, 1, stride, bias=False)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        norm, conv, norm2, conv2 = (getattr(self, name) for name in self.names[:4])
        act = F.silu if self.silu else F.relu
        ready = act(norm(x))
        pad = (0, 1, 0, 1) if self.silu and self.stride == 2 else (1, 1, 1, 1)
        out = conv2(act(norm2(conv(F.pad(ready, pad)))))
        return out + (getattr(self, self.names[4])(ready) if hasattr(self, self.names[4]) else x)


class TradesNet(nn.Module):
    """WRN-10-1 with the names of TRADES, and the sub-block that it holds and never calls."""

    def __init__(self):
        super().__init__()
        names = ("bn1", "conv1", "bn2", "conv2", "convShortcut")
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        for index, (before, width, stride) in enumerate(((16, 16, 1), (16, 32, 2), (32, 64, 2)), start=1):
            block = nn.Module()
            block.layer = nn.Sequential(Block(before, width, stride, names, silu=False))
            self.add_module(f"block{index}", block)
        self.sub_block1 = nn.Sequential(Block(16, 16, 1, names, silu=False))
        self.bn1, self.fc = nn.BatchNorm2d(64), nn.Linear(64, 10)

    def forward(self, x):
        for block in (self.block1, self.block2, self.block3):
            x = block.layer(x if block is not self.block1 else self.conv1(x))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class SiluNet(nn.Module):
    """WRN-10-1 with the names of DeepMind; the shape of the first stage changes nothing, so it has no shortcut."""

    def __init__(self):
        super().__init__()
        names = ("batchnorm_0", "conv_0", "batchnorm_1", "conv_1", "shortcut")
        self.init_conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.layer = nn.Sequential()
        for before, width, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
            group = nn.Module()
            group.block = nn.Sequential(Block(before, width, stride, names, silu=True))
            self.layer.append(group)
        self.batchnorm, self.logits = nn.BatchNorm2d(64), nn.Linear(64, 10)

    def forward(self, x):
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in SMALL["silu"].normalisation)
        x = self.init_conv((x - mean) / std)
        for group in self.layer:
            x = group.block(x)
        return self.logits(F.silu(self.batchnorm(x)).mean((2, 3)))


def drawn(network):
    """Give every tensor values that matter, batch statistics included."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if value.ndim == 1 else value.normal_(0, value[0].numel() ** -0.5)
        assert "num_batches" in name or value.is_floating_point()
    return network.eval()


@pytest.fixture
def rows(monkeypatch, tmp_path):
    """The current folder is empty; a wide and a silu network of ten layers are known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ROWS, "cifar10/Linf", SMALL)
    return tmp_path


def store(folder, name, content):
    file = folder / "cifar10" / "Linf" / f"{name}.pt"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file)
    return file


@pytest.mark.parametrize(("name", "network"), [("wide", TradesNet), ("silu", SiluNet)])
@pytest.mark.parametrize("prefix", ["", "module.", "module.model.", "_orig_mod."])
@pytest.mark.parametrize("key", [None, "state_dict", "last"])
def test_checkpoints_give_the_logits_of_the_network_they_are_of(rows, name, network, prefix, key):
    twin = drawn(network())
    state = {f"{prefix}{key}": value for key, value in twin.state_dict().items()}
    store(rows / "models", name, state if key is None else {key: state, "epoch": 76})
    model = load_model(f"robustbench:cifar10/Linf/{name}")
    torch.testing.assert_close(model(IMAGES), twin(IMAGES))
    assert model.preprocessing.size == (32, 32)


def test_the_folder_and_the_file_may_be_named(rows):
    twin = drawn(TradesNet())
    file = store(rows / "else where", "wide", twin.state_dict())
    for options in ({"model": "robustbench:cifar10/Linf/wide?folder=else where"}, {"weights": file}):
        name = options.pop("model", "robustbench:cifar10/Linf/wide")
        torch.testing.assert_close(load_model(name, **options)(IMAGES), twin(IMAGES))


def test_the_normalisation_of_a_checkpoint_replaces_that_of_the_table(rows):
    twin = drawn(TradesNet())
    buffers = {
        "mu": torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1),
        "sigma": torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1),
    }
    store(rows / "models", "wide", twin.state_dict() | buffers)
    model = load_model("robustbench:cifar10/Linf/wide")
    torch.testing.assert_close(model(IMAGES), twin((IMAGES - buffers["mu"]) / buffers["sigma"]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "cifar10/Linf/wide",
            "must have its checkpoint in robustbench's layout; got no file models/cifar10/Linf/wide.pt",
        ),
        ("cifar10/Linf/Standrd", "did you mean Standard"),
        ("cifar10/Linf/Ding2020MMA", r"whose network is known here \(Wide ResNets and ResNets\)"),
        ("cifar10/linf/Standard", "did you mean Linf?"),
        ("cifar-10/Linf/Standard", "did you mean cifar10"),
        ("Standard", "must read robustbench:DATASET/THREAT/NAME; got 1 parts"),
        ("cifar10//Standard", "must read robustbench:DATASET/THREAT/NAME"),
        ("cifar10/Linf/wide?dir=x", "argument of robustbench must be one of folder"),
    ],
)
def test_what_is_not_there_or_not_known_is_refused(rows, name, words):
    ROWS["cifar10/Linf"].setdefault("Standard", Row("wide", (28, 10)))
    with pytest.raises(UsageError, match=words.replace("?", r"\?").replace(r"\?dir", "?dir")):
        load_model(f"robustbench:{name}")


def test_a_checkpoint_of_another_network_is_refused(rows):
    store(rows / "models", "silu", TradesNet().state_dict())
    with pytest.raises(UsageError, match="weights must fit the model WideResNet"):
        load_model("robustbench:cifar10/Linf/silu")


@pytest.mark.parametrize("key", ROWS)
def test_every_row_has_a_family_and_a_size_that_build(key):
    for name, row in ROWS[key].items():
        assert row.family in robustbench.NAMES
        assert key.partition("/")[0] in CLASSES
        if row.family in ("wide", "silu"):
            assert (row.size[0] - 4) % 6 == 0, name
        assert len(row.normalisation[0]) == len(row.normalisation[1]) == 3


def test_resnets_are_renamed_stage_by_stage():
    state = {"conv1.weight": IMAGES, "bn1.bias": IMAGES, "layer2.0.shortcut.1.weight": IMAGES, "linear.bias": IMAGES}
    names = robustbench.renamed(state, robustbench.NAMES["resnet"])
    assert list(names) == ["stem.weight", "bn.bias", "stages.1.0.shortcut.1.weight", "fc.bias"]
