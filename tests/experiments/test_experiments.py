"""Every experiment is declared in full and drawn from the numbers that are committed; one runs from end to end."""

import importlib
import inspect
import json
from pathlib import Path

import pytest

from experiments.harness import Experiment, Row, read, run

FOLDER = Path(__file__).parents[2] / "experiments"
FIGURES = FOLDER.parent / "figures"
# What serves experiments, the commands that make what they measure, images and weights, and the one that draws all.
OTHERS = {
    "harness",
    "measures",
    "peers",
    "zoo",
    "trainings",
    "small_networks",
    "redraw",
    "embed_fashion_mnist",
    "train_zoo",
}
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in OTHERS)
# Its numbers want a GPU; until one has measured them there are none.
RECIPES = {"gpu"}


def module(name):
    return importlib.import_module(f"experiments.{name}")


def experiment(name):
    return module(name).EXPERIMENT


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_its_claim_its_published_numbers_and_its_scales(name):
    one = experiment(name)
    assert isinstance(one, Experiment)
    assert one.name == name
    assert one.about == module(name).__doc__
    assert one.about.startswith("Claim")
    assert f"python -m experiments.{name}" in one.about
    assert "Reference" in one.about or name.endswith("_benchmarks")
    assert module(name).PUBLISHED
    assert {"smoke", "cpu"} <= set(one.scales) <= {"smoke", "cpu", "paper"}
    for function, count in ((one.measure, 2), (one.draw, 1), (one.compare, 1)):
        assert len(inspect.signature(function).parameters) == count


@pytest.mark.parametrize("name", NAMES)
def test_no_experiment_imports_another(name):
    source = (FOLDER / f"{name}.py").read_text()
    assert not [other for other in NAMES if f"experiments.{other} import" in source or f"import {other}" in source]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RECIPES])
def test_the_committed_numbers_are_compared_with_the_published_ones(name):
    page = FIGURES / (f"{name}-peers.json" if name == "margin_benchmarks" else f"{name}.json")
    rows = experiment(name).compare(read(page))
    assert rows
    assert all(isinstance(row, Row) for row in rows)
    assert any(row.published for row in rows)


@pytest.mark.parametrize(
    ("name", "pictures"),
    [("hah_blocks", ["hah_blocks"]), ("synthetic_transition", ["synthetic_cross_section", "synthetic_transition"])],
)
def test_the_picture_comes_from_the_numbers_alone(tmp_path, monkeypatch, capsys, name, pictures):
    """`--draw-only` in a folder that holds the numbers and nothing else, by a function that could not measure."""
    for path in (*FIGURES.glob(f"{name}.*"), *FIGURES.glob("synthetic_cross_section-*")):
        if path.suffix != ".png":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(module(name), "measure", None)
    rows = run(experiment(name), ["--draw-only", "--figures", str(tmp_path)])
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == pictures
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".png"} == before
    told = capsys.readouterr().out
    assert all(row.what in told for row in rows)


def test_an_experiment_measures_writes_draws_and_compares(tmp_path, monkeypatch):
    """Its smoke scale, cut to one model and one attack."""
    margins = module("margin_by_band")
    monkeypatch.setattr(margins, "MODELS", ("fmnist-lenet",))
    monkeypatch.setattr(margins, "METHODS", ("deepfool",))
    rows = run(margins.EXPERIMENT, ["--scale", "smoke", "--figures", str(tmp_path), "--tag", "test"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["margin_by_band-test.json", "margin_by_band-test.png"]
    page = json.loads((tmp_path / "margin_by_band-test.json").read_text())
    assert page["command"] == "python -m experiments.margin_by_band --scale smoke"
    assert page["scale"] == "smoke"
    assert {"created", "seconds", "device", "versions"} <= set(page["provenance"])
    assert [curve["basis"] for curve in page["curves"]] == ["dct", "random"]
    assert [row.published for row in rows] == ["about 10", "about 1"]


@pytest.mark.slow
def test_the_recipe_for_a_gpu_runs_on_a_cpu_and_compares(tmp_path):
    words = ["--device", "cpu", "--scale", "smoke", "--settings", "float32", "--figures", str(tmp_path)]
    rows = {row.what: row for row in run(module("gpu").EXPERIMENT, words)}
    assert all(row.verdict is True for what, row in rows.items() if "agree" in what)
    assert rows["training: accuracy"].here == rows["training: accuracy"].published
    assert (tmp_path / "gpu.png").stat().st_size > 10_000
