"""Every command that takes a model takes several, and refuses in one sentence weights that could be of any of them."""

import csv
import inspect
import json
from importlib import import_module

import pytest

from geomrob.cli import COMMANDS

TWO = ["fmnist-lenet", "mnist-lenet"]


def function(home):
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)


SIGNATURES = {name: inspect.signature(function(home)).parameters for name, home in COMMANDS.items()}
MEASURING = {name: words for name, words in SIGNATURES.items() if "model" in words}


def test_these_are_the_commands_that_measure_models():
    assert {"margin", "sparsefool", "spectrum", "curve", "boundary", "transfer", "audit"} <= set(MEASURING)


@pytest.mark.parametrize("command", MEASURING)
def test_model_is_a_tuple_of_names(command):
    assert MEASURING[command]["model"].annotation == tuple[str, ...]


@pytest.mark.parametrize("command", [name for name, words in MEASURING.items() if "weights" in words])
def test_weights_of_several_models_are_refused(run, tmp_path, command):
    status, out, err = run(command, "--model", TWO[0], "--model", TWO[1], "--weights", "w.safetensors")
    assert (status, out) == (2, "")
    assert err == "error: weights must go with one model; got 2 models: measure them one by one\n"
    assert not list(tmp_path.glob("out/*"))


def models_in(path, column):
    with path.open() as file:
        return list(dict.fromkeys(line[column] for line in csv.DictReader(file)))


def test_spectra_of_several_models_share_tables_and_an_answer(run, tmp_path):
    status, out, _ = run("spectrum", "--samples", "2", "--model", TWO[0], "--model", TWO[1], "--json")
    assert status == 0
    told, folder = json.loads(out), tmp_path / "out"
    assert [one["name"] for one in told["spectra"]] == models_in(folder / "spectrum.csv", "name") == TWO
    assert [one["model"] for one in told["energies"]] == models_in(folder / "energy.csv", "model") == TWO
    expected = {f"{kind}-{name}.npz" for kind in ("spectrum", "energy") for name in TWO}
    assert expected <= {path.name for path in folder.iterdir()}
