"""`geomrob compare` from words to files: models measured, saved results compared, misuse in one sentence."""

import csv
import json

import pytest
import torch

from geomrob.results import Comparison, MarginCurve, load, save
from tests.synthetic import layers_result, margin_curve

QUICK = ("compare", "two_small:one", "two_small:two", "--samples", "12", "--threads", "1")


@pytest.fixture(autouse=True)
def small(tmp_path):
    """The folder has two linear models, which cost little."""
    (tmp_path / "two_small.py").write_text(
        "import torch\n\n\ndef net(seed):\n    torch.manual_seed(seed)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))\n\n\n"
        "def one():\n    return net(1)\n\n\ndef two():\n    return net(2)\n"
    )


@pytest.fixture
def curves(tmp_path):
    """Return the folder of two saved curves, of which the second is twice as far."""
    first = margin_curve(images=30, bands=3, model="net")
    second = margin_curve(images=30, bands=3, model="hah", distances=2 * first.distances)
    for name, curve in (("a", first), ("b", second)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        save(curve, tmp_path / "runs" / name / "margin.json")
    (tmp_path / "runs" / "a" / "run.json").write_text("{}")
    return tmp_path / "runs"


@pytest.mark.parametrize(
    "of", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("margin", "sparsefool", "norms")), "corruptions"]
)
def test_models_are_measured_and_everything_is_written(run, tmp_path, of):
    status, out, err = run(*QUICK, "--of", of)
    assert (status, err) == (0, "")
    found = load(tmp_path / "out" / "compare.json", Comparison)
    assert found.models == ("two_small:one", "two_small:two")
    assert found.images.tolist() == [12]
    with (tmp_path / "out" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.rows)
    assert found.summary()["statement"] in out
    assert (tmp_path / "out" / "compare.png").stat().st_size > 1000
    assert list((tmp_path / "out").glob("compare-measured*.npz"))


@pytest.mark.parametrize("words", [("runs/a/margin.json", "runs/b/margin.json"), ("runs/a", "runs/b")])
def test_saved_results_and_their_folders_are_compared(run, curves, tmp_path, words):
    status, out, err = run("compare", *words)
    assert (status, err) == (0, "")
    found = load(tmp_path / "out" / "compare.json", Comparison)
    assert found.models == ("net", "hah")
    assert torch.allclose(found.ratio[..., 0], torch.tensor(2.0).double())
    assert "hah's boundary is 2.0" in out
    assert not list((tmp_path / "out").glob("compare-measured*"))


def test_what_was_measured_is_compared_again_from_its_folder(run, tmp_path):
    run(*QUICK, "--of", "corruptions")
    first = load(tmp_path / "out" / "compare.json", Comparison)
    run("compare", str(tmp_path / "out"), "--out", "again")
    assert torch.equal(load(tmp_path / "again" / "compare.json", Comparison).difference, first.difference)


def test_json_is_one_object(run, curves):
    status, out, _ = run("compare", "runs/a", "runs/b", "--json", "--per-class")
    (told,) = json.loads(out)["results"]
    assert (status, told["kind"]) == (0, "Comparison")
    assert {row["images_of"] for row in told["rows"]} == {"all", *map(str, range(1, 10))}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("runs/a", "fmnist-lenet"), "model must be names alone or saved results alone; got fmnist-lenet among"),
        (("runs/a",), "results must be of two models at least; got net alone: measure another on the same images"),
        (("layers.json", "runs/a"), "model must be results with a value of every image"),
        (("fmnist-lenet",), "model must be given for two models at least; got fmnist-lenet alone: name another"),
        (("fmnist-lenett", "fmnist-lenet"), "did you mean fmnist-lenet"),
    ],
)
def test_misuse_is_one_sentence(run, curves, tmp_path, words, sentence):
    save(layers_result(), tmp_path / "layers.json")
    status, out, err = run("compare", *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_saved_margins_stay_as_they_were(curves):
    assert isinstance(load(curves / "a" / "margin.json"), MarginCurve)
