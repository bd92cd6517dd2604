"""--weights given several times, and --transform, in every measuring command."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from geomrob.cli import COMMANDS, function_of
from geomrob.cli.trainings import training_names
from geomrob.data import load_data
from geomrob.inference import accuracy
from geomrob.models import load_model
from geomrob.results import MarginCurve, load
from geomrob.results.training import Trainings

QUICK = {
    "margin": ["--samples", "2", "--bands", "rings", "--count", "2", "--attack", "deepfool"],
    "sparsefool": ["--samples", "3"],
    "boundary": ["--samples", "3", "--budget", "60"],
    "curve": ["--samples", "6", "--strengths", "0.1", "--repeats", "1"],
    "robust": ["--samples", "6", "--epsilon", "8/255"],
    "corruptions": ["--samples", "6", "--corruptions", "fog", "--severities", "1"],
    "spectrum": ["--samples", "3"],
    "geometry": ["--samples", "2", "--attack", "deepfool", "--directions", "2", "--others", "1", "--power", "0"],
    "layers": ["--samples", "6"],
    "audit": ["--samples", "2", "--budget", "0", "--source", "fmnist-resnet8"],
    "transfer": ["--samples", "3", "--model", "fmnist-lenet"],
    "kernels": ["--model", "fmnist-lenet"],
}

SLOW = dict.fromkeys(("audit", "geometry"), pytest.mark.slow)


@pytest.fixture
def files(tmp_path):
    """Two trainings of a model, in folders of their own, as `geomrob train` writes them."""
    paths = []
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        state = load_model("fmnist-lenet").state_dict()
        noisy = {
            name: value + 0.01 * seed * torch.randn(value.shape, generator=generator) for name, value in state.items()
        }
        state |= {name: value for name, value in noisy.items() if not name.startswith("norm.")}
        paths.append(tmp_path / f"s{seed}" / "model.safetensors")
        paths[-1].parent.mkdir()
        save_file(state, paths[-1])
    return paths


def words(files):
    return [word for file in files for word in ("--weights", str(file))]


def test_every_measuring_command_is_tried_here():
    without = {"augment", "corrupt", "models", "data", "train", "merge", "compare", "report", "reproduce"}
    assert set(QUICK) == set(COMMANDS) - without
    assert all(function_of(name) for name in QUICK)


@pytest.mark.parametrize("command", [pytest.param(name, marks=SLOW.get(name, ())) for name in QUICK])
def test_every_command_measures_each_training_and_names_their_files_apart(run, tmp_path, files, command):
    status, out, err = run(command, *QUICK[command], *words(files), "--json")
    assert status in (0, 3), err
    results = json.loads(out)["results"]
    assert len(json.loads(out)["files"]) == len(set(json.loads(out)["files"]))
    if command in ("curve", "corruptions"):
        assert results[0]["facts"]["networks"] == 2
        return
    if command == "transfer":
        assert results[0]["facts"]["models"] == "fmnist-lenet@s0 fmnist-lenet@s1"
        return
    models = [result["facts"].get("model") or result["facts"]["name"] for result in results]
    assert {"fmnist-lenet@s0", "fmnist-lenet@s1"} <= set(models)
    if command in ("audit", "kernels"):  # verdicts and filters have no mean: one result for each training
        assert set(models) == {"fmnist-lenet@s0", "fmnist-lenet@s1"}
        return
    pooled = [result for result in results if result["kind"] == "Trainings"]
    assert pooled
    assert all(result["facts"]["trainings"] == 2 for result in pooled)


def test_the_table_the_files_and_the_csv_say_the_mean_of_the_trainings(run, tmp_path, files):
    status, out, _ = run("margin", *QUICK["margin"], *words(files))
    assert status == 0
    assert out.startswith("fmnist-lenet on fashion-mnist-1k: mean +- standard error of 2 trainings, clean accuracy")
    curves = [load(tmp_path / "out" / f"margin-fmnist-lenet-s{seed}.json", MarginCurve) for seed in range(2)]
    medians = torch.stack([curve.quantiles(0.5)[:, 0] for curve in curves])
    pooled = load(tmp_path / "out" / "margin-trainings.json", Trainings)
    rows = list(csv.DictReader((tmp_path / "out" / "margin-trainings.csv").open()))
    expected, error = medians.mean(0).tolist(), (medians.std(0) / 2**0.5).tolist()
    assert [float(row["median"]) for row in rows] == pytest.approx(expected)
    assert [row["median_error"] for row in pooled.records()] == pytest.approx(error)
    assert error[0] > 0
    assert out.count("Margin (deepfool)") == 1


def test_the_curve_has_standard_errors_over_trainings(run, files):
    _, out, _ = run("curve", *QUICK["curve"], *words(files))
    assert "mean +- standard error of 2 trainings" in out


def test_transfer_between_models_or_trainings_needs_two(run, files):
    status, _, err = run("transfer", "--model", "fmnist-lenet", *words(files[:1]))
    assert (status, "model must be given for two models at least" in err) == (2, True)
    status, _, err = run("transfer", *words(files))
    assert (status, "add --model" in err) == (2, True)


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (["a.pt", "b.pth.tar"], ["a", "b"]),
        (["x/0/model.safetensors", "x/1/model.safetensors"], ["0", "1"]),
        (["0/run/best.pt", "1/run/best.pt"], ["0", "1"]),
        (["a.pt", "./a.pt"], ["1", "2"]),
        (["w.pt", "w.pth"], ["1", "2"]),
    ],
)
def test_trainings_are_called_by_what_tells_their_files_apart(files, labels):
    names = training_names({"net": [None] * len(files)}, [Path(file) for file in files])
    assert names == {"net": tuple(f"net@{label}" for label in labels)}
    assert training_names({"a": [None], "b": [None]}, []) == {"a": ("a",), "b": ("b",)}


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=SLOW.get(name, ())) for name in QUICK if name not in ("kernels", "transfer")]
)
def test_every_command_takes_an_edit_and_names_it(run, command):
    status, out, err = run(command, *QUICK[command], "--transform", "lowpass:12", "--json")
    assert status in (0, 3), err
    assert "fashion-mnist-1k (lowpass:12)" in out
    status, out, err = run(command, *QUICK[command], "--transform", "lopass:12")
    assert (status, out) == (2, "")
    assert "did you mean lowpass" in err


def test_an_edit_before_the_model_is_that_of_the_images(run):
    _, out, _ = run("curve", "--samples", "50", "--strengths", "0.1", "--repeats", "1", "--transform", "flip", "--json")
    edited = load_data("fashion-mnist-1k", samples=50, transform="flip")
    wanted = accuracy(load_model("fmnist-lenet"), edited.images, edited.labels)
    assert json.loads(out)["results"][0]["rows"][0]["accuracy"] == pytest.approx(float(wanted))


def test_an_edit_that_would_do_nothing_is_refused(run):
    for of in ("kernels", "corruption"):
        status, out, err = run("spectrum", "--of", of, "--transform", "flip")
        assert (status, out) == (2, "")
        assert f"transform must go with --of perturbations or model or images; got it with --of {of}" in err
