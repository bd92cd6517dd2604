"""`geomrob kernels` from words to files: what it writes agrees with what it says."""

import csv
import json

import pytest
import torch

from geomrob.models import load_model
from geomrob.results import FilterBank, load
from tests.cli import results_in

CODE = """
from geomrob.models import load_model
from geomrob.models.push_pull_stem import replace_first_conv, replace_first_conv_upsampled


def pushed():
    return replace_first_conv(load_model("fmnist-resnet8"), seed=3)


def older():
    return replace_first_conv_upsampled(load_model("fmnist-lenet"))
"""


@pytest.fixture
def nets(tmp_path):
    (tmp_path / "push_nets.py").write_text(CODE)
    return ["--model", "push_nets:pushed", "--model", "fmnist-resnet8"]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_without_push_pull_it_says_so_and_shows_the_first_convolution(run, tmp_path):
    status, out, err = run("kernels")
    assert (status, err) == (0, "")
    assert "fmnist-lenet: no inhibition; its first convolution conv1 has 6 filters of 1x5x5" in out
    folder = tmp_path / "out"
    names = results_in(folder)
    assert names == {"kernels.json", "kernels.npz", "kernels.csv", "kernels.png", "radial.png"}
    bank = load(folder / "kernels.json", FilterBank)
    assert torch.equal(bank.weights, load_model("fmnist-lenet").conv1.weight.double())
    assert {row["inhibition"] for row in rows(folder / "kernels.csv")} == {""}


@pytest.mark.slow
def test_models_are_compared(run, tmp_path, nets):
    status, out, err = run("kernels", *nets, "--size", "16")
    assert (status, err) == (0, "")
    folder = tmp_path / "out"
    bank = load(folder / "kernels-push_nets-pushed.json", FilterBank)
    drawn = torch.rand(16, generator=torch.Generator().manual_seed(3)).double()
    assert torch.equal(bank.inhibition, drawn)
    assert bank.spectra[0].unit == "cycles per 16 pixels"
    told = rows(folder / "kernels.csv")
    assert [row["inhibition"] for row in told] == [*(f"{value:.7g}" for value in drawn.tolist()), *[""] * 16]
    assert float(told[2]["norm"]) == pytest.approx(float(bank.weights[2].norm()))
    line = next(line for line in out.splitlines() if "push_nets:pushed" in line)
    for number in ("push-pull, trained", "3x3", "0%", *(f"{bank.summary()[name]:.3f}" for name in ("mean", "most"))):
        assert number in line
    assert "fmnist-resnet8: no inhibition" in out
    assert (folder / "inhibition.png").exists()
    assert (folder / "kernels-fmnist-resnet8.npz").exists()


@pytest.mark.usefixtures("nets")
def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run("kernels", "--model", "fmnist-lenet", "--model", "push_nets:older", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    layers = told["results"]
    assert [layer["facts"]["kind"] for layer in layers] == ["convolution", "older push-pull"]
    assert layers[0]["facts"]["mean"] is None
    assert [row["inhibition"] for row in layers[1]["rows"]] == [1.0] * 6


def test_a_picture_elsewhere_of_another_kind(run, tmp_path):
    assert run("kernels", "--figure", "mine.svg", "--kind", "power", "--channels", "grey")[0] == 0
    assert (tmp_path / "mine.svg").exists()
    assert load(tmp_path / "out" / "kernels.json", FilterBank).spectra[0].kind == "power"


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--channels", "1"], "channels must be below 1; got 1: choose 0 or average"),
        (["--channels", "gray"], "did you mean grey"),
        (["--size", "4"], "size must be at least 5"),
        (["--figure", "mine.txt"], "must end in .png"),
    ],
)
def test_misuse_is_one_line(run, words, match):
    status, out, err = run("kernels", *words)
    assert (status, out) == (2, "")
    assert match in err
    assert err.count("\n") == 1
