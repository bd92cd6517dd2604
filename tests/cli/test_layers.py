"""`geomrob layers` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json

import pytest
import torch

from geomrob.analysis.layers import layers
from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.results import Layers, load
from tests.cli import results_in

QUICK = ["layers", "--samples", "6"]
BOTH = ["--model", "fmnist-lenet", "--model", "fmnist-resnet8"]


def lines(folder):
    with (folder / "layers.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_measures_the_lenet_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK, "--clamp", "--repeats", "2", "--sigma", "0.2")
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {"layers.json", "layers.npz", "layers.csv", "layers.png"}
    found = load(folder / "layers.json", Layers)
    clothes = load_data("fashion-mnist-1k", samples=6, seed=0)
    how = {"sigma": 0.2, "clamp": True, "repeats": 2, "indices": clothes.indices}
    again = layers(load_model("fmnist-lenet"), clothes.images, clothes.labels, **how)
    assert found.names == ("conv1", "conv2", "fc1", "fc2", "fc3")
    assert torch.equal(found.noise, again.noise)
    table = lines(folder)
    assert [float(line["snr_db"]) for line in table] == pytest.approx(found.snr_db().tolist(), rel=1e-6)
    assert table[0]["sparsity"] == ""
    assert [float(line["sparsity"]) for line in table[1:]] == pytest.approx(found.hoyer[1:].tolist(), rel=1e-6)
    for line in table:
        assert f"{float(line['snr_db']):.2f}" in out
    assert "cut to [0, 1]" in out


@pytest.mark.slow
def test_several_models_share_a_table_and_a_picture(run, tmp_path):
    status, out, _ = run(*QUICK, *BOTH, "--json")
    told = json.loads(out)
    assert status == 0
    assert [result["facts"]["model"] for result in told["results"]] == ["fmnist-lenet", "fmnist-resnet8"]
    assert told["results"][0]["rows"][0]["sparsity"] is None
    names = results_in(tmp_path / "out")
    assert {"layers-fmnist-lenet.json", "layers-fmnist-resnet8.npz", "layers.csv", "layers.png"} < names
    assert [line["layer"] for line in lines(tmp_path / "out")][:2] == ["conv1", "conv2"]


def test_layers_are_chosen_by_name(run, tmp_path):
    words = ["--model", "fmnist-resnet8", "--at", "output", "--layer", "stages.1", "--layer", "stages.0"]
    assert run(*QUICK, *words, "--figure", "x.svg")[0] == 0
    found = load(tmp_path / "out" / "layers.json", Layers)
    assert (found.names, found.at, found.channels.tolist()) == (("stages.0", "stages.1"), "output", [16, 32])
    assert (tmp_path / "x.svg").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--layer", "conv9"], "layer must be one of"),
        (["--sigma", "0"], "sigma must be above 0"),
        (["--sigma", "-1"], "sigma must be above 0 and finite, below 1e+06; got -1"),
        (["--at", "inside"], "input"),
        (["--figure", "x.txt"], "figure must end in"),
    ],
)
def test_misuse_is_one_line(run, tmp_path, words, told):
    status, out, err = run(*QUICK, *words)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))


def test_interrupted_ends_with_130_and_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.layers.layers", stop)
    assert run(*QUICK)[0] == 130
    assert not list(tmp_path.glob("out/*"))
