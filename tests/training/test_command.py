"""`geomrob train`."""

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from geomrob.cli import main
from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.models.loading import ASSETS
from geomrob.training import accuracy, fit, train_recipe

RECIPE = 'model = "fmnist-lenet"\ndata = "fashion-mnist-1k"\nsplit = "test"\nsamples = 60\nheld_out = 20\nepochs = 1\n'


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    return str(tmp_path / "mine.toml")


def test_it_trains_resumes_and_prints_where_the_weights_are(tmp_path, recipe, capsys):
    out = tmp_path / "run"
    assert main(["train", recipe, "--out", str(out), "--json", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    facts = json.loads(printed.out)["results"][0]["facts"]
    assert facts["model"] == "fmnist-lenet"
    assert facts["epochs"] == facts["best_epoch"] == 1
    assert "epoch 1, loss" in printed.err
    assert "held-out accuracy" in printed.err
    load_model("fmnist-lenet", weights=facts["weights"])
    assert main(["train", recipe, "--out", str(out)]) == 0
    assert "sha256" in capsys.readouterr().out


def test_it_trains_on_transformed_images(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(RECIPE + 'transform = "lowpass:14"\n')
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert "sha256" in capsys.readouterr().out
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    (tmp_path / "mine.toml").write_text(RECIPE)
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert "got another one" in capsys.readouterr().err


def test_it_starts_from_given_weights_and_is_resumed_from_the_same_alone(tmp_path, recipe, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", recipe, "--out", str(first), "--device", "cpu"]) == 0
    still = tmp_path / "still.toml"
    still.write_text(RECIPE + "max_rate = 1e-30\nweight_decay = 0\n")
    weights = first / "model.safetensors"
    for _ in range(2):
        assert main(["train", str(still), "--out", str(second), "--device", "cpu", "--weights", str(weights)]) == 0
    one, other = (load_model("fmnist-lenet", weights=each / "model.safetensors") for each in (first, second))
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    capsys.readouterr()
    assert main(["train", str(still), "--out", str(second), "--device", "cpu"]) == 2
    assert "got another one" in capsys.readouterr().err


OWN = """import random
import numpy
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 10))
        self[1].weight.data.mul_(random.random()).add_(1e-3 * numpy.random.rand())
"""


def test_a_factory_draws_its_initial_weights_by_the_seed_from_any_global_generator(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "still.toml").write_text(RECIPE + "max_rate = 1e-30\nweight_decay = 0\n")
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        words = ["--model", f"{tmp_path / 'mine.py'}:Net", "--seed", seed, "--out", str(tmp_path / name)]
        assert main(["train", str(tmp_path / "still.toml"), *words, "--device", "cpu"]) == 0
    one, same, other = (
        load_model(f"{tmp_path / 'mine.py'}:Net", weights=tmp_path / name / "model.safetensors")[1].weight
        for name in "abc"
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, rtol=0.1)


def test_it_trains_the_network_of_a_factory_drawn_by_the_seed(tmp_path, recipe, capsys):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    facts = []
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        words = ["--model", f"{tmp_path / 'mine.py'}:net", "--seed", seed, "--out", str(tmp_path / name)]
        assert main(["train", recipe, *words, "--json", "--device", "cpu"]) == 0
        facts.append(json.loads(capsys.readouterr().out)["results"][0]["facts"])
    assert facts[0]["model"].endswith("mine.py:net")
    Path(recipe).write_text(RECIPE.replace("fmnist-lenet", f"{tmp_path / 'mine.py'}:net"))
    assert main(["train", recipe, "--out", str(tmp_path / "d")]) == 2
    assert "model of a recipe must be one of" in capsys.readouterr().err
    assert facts[0]["sha256"] == facts[1]["sha256"] != facts[2]["sha256"]
    load_model(f"{tmp_path / 'mine.py'}:net", weights=facts[0]["weights"])


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (
            "nn.Sequential(nn.Flatten(), nn.Linear(100, 10))",
            "model must take the images of fashion-mnist-1k, (1, 28, 28)",
        ),
        ("nn.Sequential(nn.Flatten(), nn.Linear(784, 5))", "model must have an output for each class; got 5"),
        ("nn.Sequential(nn.Conv2d(1, 10, 3))", "model must return a tensor (N, K) of logits to be trained; got (2, 10"),
    ],
)
def test_a_network_that_does_not_fit_the_images_is_refused_before_a_folder_is_made(
    network, sentence, tmp_path, recipe, capsys
):
    (tmp_path / "mine.py").write_text(f"from torch import nn\ndef net(): return {network}\n")
    out = tmp_path / "run"
    assert main(["train", recipe, "--model", f"{tmp_path / 'mine.py'}:net", "--out", str(out), "--device", "cpu"]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_labels_are_those_of_the_outputs_of_a_given_network(tmp_path, monkeypatch):
    """A folder in another order than the outputs: classes of CIFAR-10 by name, as every measuring command maps them."""
    for name in ("truck", "bird"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (32, 32), (80 * number, 20, 90)).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "mine.toml").write_text(
        f'model = "cifar10-resnet20"\ndata = "{tmp_path / "images"}"\nsplit = "test"\nepochs = 1\n'
    )
    seen = []

    def counted(model, samples, *arguments, **options):
        seen.append(samples.labels.tolist())
        return fit(model, samples, *arguments, **options)

    monkeypatch.setattr("geomrob.training.by_recipe.fit", counted)
    weights = ASSETS / "cifar10-resnet20.safetensors"
    train_recipe(str(tmp_path / "mine.toml"), out=tmp_path / "run", weights=weights)
    assert seen == [[2, 2, 2, 9, 9, 9]]


def test_it_trains_on_the_union_of_versions(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(RECIPE + 'transform = "lowpass:14|highpass:14"\n')
    report = train_recipe(str(tmp_path / "mine.toml"), out=tmp_path / "run")
    model = load_model("fmnist-lenet", weights=report.weights)
    versions = [load_data("fashion-mnist-1k", split="test", transform=edit) for edit in ("lowpass:14", "highpass:14")]
    state = safe_open(tmp_path / "run" / "state.safetensors", "pt").metadata()
    assert '"images": 120' in json.dumps(state).replace("\\", "")
    assert math.isnan(report.test_accuracy)
    assert 0 <= sum(accuracy(model, version) for version in versions) / 2 <= 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["smoke", "--weights", "no/such.safetensors"], "weights must be a readable file"),
        (["smoke", "--model", "fmnist-lennet"], "did you mean fmnist-lenet"),
        (["fmnist-lennet"], "did you mean fmnist-lenet"),
        (["fmnist-lenet", "--data-dir", "no/such/folder"], "data_dir must hold FashionMNIST/raw"),
        (["smoke", "--device", "nowhere"], "device must be auto, cpu or a GPU"),
    ],
)
def test_misuse_is_one_line_and_exit_2(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
