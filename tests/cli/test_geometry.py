"""`geomrob geometry` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json
import typing

import pytest

from geomrob.analysis.geometry.geometry import METHODS
from geomrob.attacks.table import names
from geomrob.cli.commands.measure.geometry import geometry as command
from geomrob.results import Geometry, load
from tests.cli import results_in

QUICK = ["geometry", "--attack", "deepfool", "--directions", "2", "--others", "1", "--power", "2"]


def lines(folder):
    with (folder / "geometry.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_measures_the_lenet_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK, "--samples", "4", "--step", "0.2")
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {f"geometry.{end}" for end in ("json", "npz", "csv", "png")}
    found = load(folder / "geometry.json", Geometry)
    assert (found.model, found.method, found.step, found.random.shape) == ("fmnist-lenet", "difference", 0.2, (4, 2))
    table = {line["along"]: line for line in lines(folder)}
    assert set(table) == {"mean", "random", "others", "own", "largest"}
    for kind, line in table.items():
        values = found.curvatures(kind)
        assert int(line["count"]) == len(values)
        assert float(line["median"]) == pytest.approx(float(values.quantile(0.5)))
        assert f"{float(line['median']):.3f}" in out
    assert f"effective dimension {found.dimension():.1f}" in out


def test_several_models_in_one_object_of_json(run, tmp_path):
    words = ["--model", "fmnist-lenet", "--model", "fmnist-resnet8", "--method", "hessian", "--power", "0", "--json"]
    status, out, _ = run(*QUICK[:-2], *words, "--samples", "2")
    told = json.loads(out)["results"]
    assert status == 0
    assert [result["facts"]["model"] for result in told] == ["fmnist-lenet", "fmnist-resnet8"]
    assert told[0]["facts"]["step"] is None
    largest = next(row for row in told[0]["rows"] if row["along"] == "largest")
    assert (largest["count"], largest["median"]) == (0, None)
    random = next(row for row in told[0]["rows"] if row["along"] == "random")
    # Networks of ReLUs are piecewise linear: their second derivative is zero wherever it exists.
    assert (random["low"], random["high"]) == (0, 0)
    assert (tmp_path / "out" / "geometry-fmnist-resnet8.json").exists()


def test_a_model_without_boundary_ends_with_3(run, tmp_path):
    (tmp_path / "still.py").write_text(
        "import torch\n\n\nclass Still(torch.nn.Module):\n"
        "    def forward(self, x):\n        return 0 * x.flatten(1)[:, :10] + torch.eye(10)[0]\n"
    )
    status, out, err = run(*QUICK, "--samples", "3", "--model", "still:Still")
    assert status == 3
    assert "the model returns the same logits for every image" in err
    assert "boundary found and measured for 0" in out


def test_the_choices_are_the_tables():
    kinds = {name: typing.get_args(kind) for name, kind in typing.get_type_hints(command).items()}
    assert kinds["method"] == METHODS
    assert set(kinds["attack"]) == set(names(search=True))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--step", "0"], "step must be a finite length above 0"),
        (["--directions", "0"], "directions must be at least 1"),
        (["--method", "finite"], "difference"),
        (["--figure", "x.txt"], "figure must end in"),
        (["--model", "mnist-lenetx"], "did you mean"),
    ],
)
def test_misuse_is_one_line(run, tmp_path, words, told):
    status, out, err = run("geometry", "--samples", "4", *words)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))
