"""`geomrob transfer` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json
import typing
from functools import partial

import numpy as np
import pytest
import torch

from geomrob.attacks.decision_based import boundary as walk
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.cli.commands.measure.transfer import transfer as command
from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.results import TransferMatrix, load
from tests.cli import results_in

QUICK = ["transfer", "--samples", "5", "--attack", "deepfool"]


SMALL = ["--model", "two_small:one", "--model", "two_small:two"]


@pytest.fixture(autouse=True)
def small(tmp_path):
    """The folder has two linear models, `SMALL`, which cost little."""
    (tmp_path / "two_small.py").write_text(
        "import torch\n\n\ndef net(seed):\n    torch.manual_seed(seed)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))\n\n\n"
        "def one():\n    return net(1)\n\n\ndef two():\n    return net(2)\n"
    )


def lines(folder):
    with (folder / "transfer.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_compares_the_models_of_the_data_set_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {"transfer.json", "transfer.npz", "transfer.csv", "transfer.png"}
    found = load(folder / "transfer.json", TransferMatrix)
    assert found.models == ("fmnist-lenet", "fmnist-resnet8")
    clothes = load_data("fashion-mnist-1k", samples=5, seed=0)
    lenet, resnet = load_model("fmnist-lenet"), load_model("fmnist-resnet8")
    made = deepfool(resnet, clothes.images, bounds=(0.0, 1.0))
    with torch.no_grad():
        changed = lenet(made.perturbed).argmax(1) != lenet(clothes.images).argmax(1)
    assert found.fooled[1, 0].tolist() == changed.tolist()
    table = lines(folder)
    assert [float(line["rate"]) for line in table] == found.rates.flatten().tolist()
    assert [(line["source"], line["target"]) for line in table][1] == ("fmnist-lenet", "fmnist-resnet8")
    assert f"{float(found.rates[1, 0]):.1%}" in out
    assert f"fmnist-resnet8 {float(found.accuracy[1]):.1%}" in out


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run(*QUICK, *SMALL, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    (matrix,) = told["results"]
    assert matrix["facts"]["models"] == "two_small:one two_small:two"
    assert [pair["rate"] for pair in matrix["rows"]][::3] == [1, 1]


@pytest.mark.parametrize("attack", typing.get_args(typing.get_type_hints(command)["attack"]))
def test_every_attack(run, tmp_path, monkeypatch, attack):
    monkeypatch.setattr(walk, "boundary", partial(walk.boundary, budget=60))
    status, _, err = run("transfer", *SMALL, "--samples", "2", "--attack", attack)
    found = load(tmp_path / "out" / "transfer.json", TransferMatrix)
    assert err == ""
    assert status == 0
    assert bool(found.found.all())
    assert found.attack.startswith(attack)
    assert torch.equal(found.fooled.diagonal().T, found.found)


def test_norm_and_strength_are_those_asked_for(run, tmp_path):
    rates = []
    calls = ((["--norm", "2"], 3), (["--norm", "2", "--epsilon", "0.1"], 3), (["--epsilon", "0.1"], 0))
    for words, expected in calls:
        status, out, _ = run("transfer", *SMALL, "--samples", "6", "--attack", "pgd", *words)
        found = load(tmp_path / "out" / "transfer.json", TransferMatrix)
        assert (status, bool(found.found.all())) == (expected, expected == 0)
        assert found.attack in out
        rates.append((found.attack, float(found.rates[0, 0])))
    assert [name for name, _ in rates] == ["pgd (l2, epsilon 1)", "pgd (l2, epsilon 0.1)", "pgd (linf, epsilon 0.1)"]
    assert rates[1][1] < rates[0][1] <= rates[2][1]


def test_images_not_fooled_on_the_source_end_with_status_3(run, tmp_path):
    status, out, err = run("transfer", *SMALL, "--samples", "5", "--attack", "fgsm", "--epsilon", "0.000001")
    assert (status, err) == (3, "")
    assert out.count("0 of 5") == 2
    assert {line["rate"] for line in lines(tmp_path / "out")} == {"0.0"}


def test_data_of_ones_own_take_the_first_two_models_of_their_size(run, tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.random.default_rng(0).random((1, 1, 28, 28), np.float32), y=np.arange(1))
    run("transfer", "--data", "mine.npz", "--samples", "1", "--attack", "deepfool")
    assert load(tmp_path / "out" / "transfer.json", TransferMatrix).models == ("fmnist-lenet", "fmnist-resnet8")


def test_a_picture_elsewhere(run, tmp_path):
    assert run(*QUICK, *SMALL, "--figure", str(tmp_path / "other" / "some.pdf"))[0] == 0
    assert (tmp_path / "other" / "some.pdf").read_bytes().startswith(b"%PDF")


def tiny(folder):
    np.savez(folder / "tiny.npz", x=np.zeros((2, 1, 8, 8), np.float32), y=np.arange(2))
    return ["--data", "tiny.npz", "--samples", "2"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--attack", "deepfol"], "deepfool"),
        (["--model", "fmnist-lenet"], "model must be given for two models at least; got fmnist-lenet alone"),
        (["--model", "fmnist-lenet", "--model", "fmnist-lenet"], "fmnist-lenet alone"),
        (["--model", "fmnist-lenet", "--model", "fmnist-resnet"], "did you mean fmnist-resnet8"),
        (["--model", "fmnist-lenet", "--model", "cifar10-resnet20"], "data must hold images of 3x32x32"),
        (tiny, "model must name two models for tiny.npz; the table has none"),
        (["--epsilon", "0", "--attack", "pgd"], "epsilon must be a finite number above 0; got 0"),
        (["--epsilon", "-1", "--attack", "fgsm"], "epsilon must be a finite number above 0"),
        (["--epsilon", "nan", "--attack", "pgd"], "epsilon must be a finite number above 0"),
        (["--epsilon", "0.1"], "epsilon must go with fgsm or pgd"),
        (["--norm", "2", "--attack", "ddn"], "norm must go with deepfool or tight or pgd"),
        (["--norm", "1", "--attack", "pgd"], "norm must be 2 or inf with pgd"),
        (["--norm", "3", "--attack", "deepfool"], "norm must be 1, 2 or inf"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--figure", "transfer.txt"], "must end in"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--memory", "0"], "memory must be above 0"),
        (["--device", "tpu"], "device must be"),
        (["--weights", "w.pt"], "--weights"),
    ],
    ids=lambda value: value.__name__ if callable(value) else " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    given = words(tmp_path) if callable(words) else words
    quick = [QUICK[at : at + 2] for at in (1, 3) if QUICK[at] not in given]
    status, out, err = run("transfer", *(word for pair in quick for word in pair), *given)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not list(tmp_path.glob("out/*"))


def test_interrupted_ends_with_130_and_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.transfer.transfer_matrix", stop)
    assert run(*QUICK)[0] == 130
    assert not list(tmp_path.glob("out/*"))


def test_the_boundary_attack_takes_budget_and_smoothness_and_no_other_attack_does(run, tmp_path):
    words = ["transfer", "--samples", "3", *SMALL, "--attack", "boundary", "--budget", "60"]
    status, _, _ = run(*words, "--smoothness", "0")
    spent = load(tmp_path / "out" / "transfer.json", TransferMatrix).provenance.forwards
    assert status == 0
    assert spent < 3 * 2 * 80
    status, _, err = run("transfer", "--samples", "3", *SMALL, "--attack", "deepfool", "--smoothness", "0")
    assert (status, "smoothness must go with --attack boundary; got --smoothness 0 with deepfool" in err) == (2, True)
