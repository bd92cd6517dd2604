"""What commands load: by name, checked against each other before the work."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from geomrob.cli import console, load
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.models import load_model

CPU = torch.device("cpu")


def drawn(*shape, skipped=()):
    count = torch.arange(2)
    return Samples(torch.zeros(2, *shape), count, ("a", "b"), count, "some", skipped)


def test_networks_are_loaded_by_name():
    networks = load.networks(["fmnist-lenet", "fmnist-resnet8"], None, CPU)
    assert list(networks) == ["fmnist-lenet", "fmnist-resnet8"]
    assert not any(network.training for network in networks.values())


def test_weights_go_with_one_model(tmp_path):
    with pytest.raises(UsageError, match="weights must go with one model; got 2 models"):
        load.networks(["fmnist-lenet", "mnist-lenet"], tmp_path / "some.pt", CPU)


def test_images_that_were_left_out_are_told(monkeypatch, capsys):
    monkeypatch.setattr("geomrob.data.load", lambda *_, **__: drawn(1, 8, 8, skipped=("x.png: broken", "y.png: too")))
    load.images("folder", None, 2, 0)
    assert capsys.readouterr().err == "note: left out 2 files of folder; the first: x.png: broken\n"


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("fmnist-lenet", (1, 32, 32), "data must hold images of 1x28x28 for fmnist-lenet; got 1x32x32 in some"),
        ("fmnist-resnet8", (3, 28, 28), "data must hold images of 1x28x28 for fmnist-resnet8; got 3x28x28 in some"),
    ],
)
def test_a_model_that_fails_on_the_images_is_refused(name, shape, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        load.check_fit({name: load_model(name)}, drawn(*shape), CPU)


def test_a_model_of_ones_own_that_fails_is_refused_with_its_reason():
    mine = {"m:net": nn.Sequential(nn.Flatten(), nn.Linear(16, 3))}
    with pytest.raises(UsageError, match=r"m:net does not \(mat1 and mat2 shapes cannot be multiplied"):
        load.check_fit(mine, drawn(1, 8, 8), CPU)
    load.check_fit(mine, drawn(1, 4, 4), CPU)


def test_images_of_another_size_are_for_the_model_to_refuse():
    models = {"fmnist-resnet8": load_model("fmnist-resnet8")}
    load.check_fit(models, drawn(1, 32, 32), CPU)


def test_grey_images_are_not_for_a_model_of_colour_that_would_take_them():
    models = {"cifar10-resnet20": load_model("cifar10-resnet20")}
    with pytest.raises(UsageError, match="3x32x32 for cifar10-resnet20; got 1x32x32"):
        load.check_fit(models, drawn(1, 32, 32), CPU)
    load.check_fit({"m:net": nn.Flatten()}, drawn(1, 32, 32), CPU)


def test_models_for_a_data_set_are_those_trained_for_it_or_else_those_of_its_shape():
    found = load.trained_for(drawn(1, 28, 28))
    assert {"fmnist-lenet", "fmnist-resnet8", "fmnist-standard", "mnist-lenet"} <= set(found)
    assert not {"cifar10-resnet20", "mnist-resnet18"} & set(found)
    assert load.trained_for(replace(drawn(1, 28, 28), name="mnist")) == ("mnist-lenet",)
    assert load.trained_for(drawn(1, 5, 5)) == ()


def test_memory_is_gib():
    assert console.check_resources(None, None) is None
    assert console.check_resources(1, 0.5) == 2**29


@pytest.mark.parametrize("memory", [0.0, -1.0, float("nan"), float("inf")])
def test_memory_that_cannot_be_is_refused(memory):
    with pytest.raises(UsageError, match="memory must be above 0 GiB"):
        console.check_resources(None, memory)


def test_threads_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="threads must be at least 1; got 0"):
        console.check_resources(0, None)


INTERRUPTED_WHILE_NUMPY_STARTS = """
import sys
from dataclasses import replace
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy._core.multiarray":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from geomrob.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["margin", "sparsefool", "curve", "boundary", "transfer", "spectrum", "audit"])
def test_an_interruption_while_the_libraries_start_is_not_lost(command, tmp_path):
    words = [sys.executable, "-c", INTERRUPTED_WHILE_NUMPY_STARTS, command, "--samples", "2", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
