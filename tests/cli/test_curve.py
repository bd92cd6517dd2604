"""`geomrob curve` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json
import typing

import pytest
import torch

from geomrob.attacks.table import variants
from geomrob.cli.commands.measure.curve import curve as command
from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.results import Acceptance, StrengthCurve, load
from tests.cli import results_in

QUICK = ["curve", "--samples", "12", "--strengths", "0.1,0.3"]
BOTH = ["--model", "fmnist-lenet", "--model", "fmnist-resnet8"]


def lines(folder, name="curve.csv"):
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def test_default_measures_noise_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {"curve.json", "curve.npz", "curve.csv", "curve.png"}
    found = load(folder / "curve.json", StrengthCurve)
    assert (found.attack, found.strengths.tolist(), found.correct.shape) == (
        "gaussian",
        [0, 0.1, 0.3],
        (1, 1, 5, 3, 12),
    )
    assert f"{float(found.mean[0, 2]):.1%} +- {float(found.error[0, 2]):.1%}" in out
    table = lines(folder)
    assert [float(line["accuracy"]) for line in table] == pytest.approx(found.mean[0].tolist(), abs=1e-7)
    assert [float(line["standard_error"]) for line in table] == pytest.approx(found.error[0].tolist(), abs=1e-7)
    clothes = load_data("fashion-mnist-1k", samples=12, seed=0)
    with torch.no_grad():
        right = load_model("fmnist-lenet")(clothes.images).argmax(1) == clothes.labels
    assert found.correct[0, 0, 0, 0].tolist() == right.tolist()


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run(*QUICK, "--json", "--repeats", "1")
    told = json.loads(out)
    assert (status, err) == (0, "")
    (measured,) = told["results"]
    assert [row["strength"] for row in measured["rows"]] == [0, 0.1, 0.3]
    assert measured["rows"][0]["standard_error"] is None


def test_the_choices_are_the_rows_of_the_table():
    (choices,) = (typing.get_args(kind) for name, kind in typing.get_type_hints(command).items() if name == "attack")
    assert set(choices) == set(variants())


@pytest.mark.parametrize("attack", [name for name in variants() if name != "gaussian"])
def test_every_attack_lowers_the_accuracy(run, tmp_path, attack):
    more = ["--source", "fmnist-resnet8"] if attack == "fgsm-transfer" else []
    more += ["--steps", "3"] if attack.startswith("pgd") else []
    strengths = "0.5,3" if attack == "pgd-l2" else "0.1,0.4"
    status, _, err = run("curve", "--samples", "12", "--strengths", strengths, "--attack", attack, *more)
    assert (status, err) == (0, "")
    found = load(tmp_path / "out" / "curve.json", StrengthCurve)
    assert found.source == ("fmnist-resnet8" if attack == "fgsm-transfer" else "")
    assert float(found.mean[0, 2]) < float(found.mean[0, 0])


def test_a_source_that_is_measured_too_is_the_same_network(run, tmp_path):
    run(*QUICK, "--attack", "fgsm-transfer", "--source", "fmnist-lenet")
    transferred = load(tmp_path / "out" / "curve.json", StrengthCurve)
    run(*QUICK, "--attack", "fgsm")
    assert torch.equal(transferred.correct, load(tmp_path / "out" / "curve.json", StrengthCurve).correct)


def test_a_baseline_adds_the_plane(run, tmp_path):
    status, out, _ = run(*QUICK, *BOTH, "--baseline", "fmnist-lenet", "--minimum", "0.5")
    folder = tmp_path / "out"
    assert status == 0
    assert {"plane.json", "plane.npz", "plane.csv", "plane.png"} < results_in(folder)
    plane, found = load(folder / "plane.json", Acceptance), load(folder / "curve.json", StrengthCurve)
    assert (plane.models, plane.baseline, plane.strength, plane.minimum) == (
        ("fmnist-resnet8",), "fmnist-lenet", pytest.approx(0.3), 0.5,
    )  # fmt: skip
    assert float(plane.clean[0]) == pytest.approx(float(found.mean[1, 0] / found.mean[0, 0]))
    assert f"{float(plane.distorted[0]):.3f}" in out
    (line,) = lines(folder, "plane.csv")
    assert line["accepted"] == str(bool(plane.accepted[0]))
    assert "R0 / U0 >= 0.5" in out
    told = json.loads(run(*QUICK, *BOTH, "--baseline", "fmnist-lenet", "--json")[1])
    assert [one["kind"] for one in told["results"]] == ["StrengthCurve", "Acceptance"]
    assert len(lines(folder)) == 6
    run(*QUICK)
    assert not list(folder.glob("plane.*"))


def test_a_picture_elsewhere(run, tmp_path):
    assert run(*QUICK, "--figure", str(tmp_path / "other" / "some.pdf"))[0] == 0
    assert (tmp_path / "other" / "some.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--attack", "gausian"], "gaussian"),
        (["--strengths", "a,b"], "strengths must be numbers with commas between; got 'a,b'"),
        (["--strengths", ""], "strengths must be numbers"),
        (["--strengths", "0.1,,0.2"], "strengths must be numbers"),
        (["--strengths", "0.1,-0.2"], "strengths must be finite and at least 0"),
        (["--strengths", "nan"], "strengths must be finite"),
        (["--strengths", "0.1,inf"], "strengths must be finite"),
        (["--strengths", "0.2,0.1"], "strengths must rise"),
        (["--strengths", "0"], "one must be above 0"),
        (["--source", "fmnist-resnet8"], "source must go with --attack fgsm-transfer"),
        (["--attack", "fgsm-transfer"], "source must go with --attack fgsm-transfer; got none"),
        (["--attack", "fgsm-transfer", "--source", "fmnist-resnet"], "did you mean fmnist-resnet8"),
        (["--attack", "fgsm-transfer", "--source", "cifar10-resnet20"], "data must hold images of 3x32x32"),
        (["--steps", "3"], "steps must go with PGD"),
        (["--attack", "pgd", "--steps", "0"], "steps must be"),
        (["--repeats", "0"], "repeats must be at least 1"),
        (["--attack", "fgsm", "--repeats", "2"], "repeats must be at least 1, at most 1,000,000, and 1 for FGSM"),
        (["--baseline", "fmnist-lenet"], "models must hold another one than the baseline"),
        ([*BOTH, "--baseline", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--minimum", "0.9"], "minimum must go with --baseline"),
        ([*BOTH, "--baseline", "fmnist-lenet", "--minimum", "0"], "minimum must lie in (0, 1]"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        ([*BOTH, "--weights", "w.pt"], "weights must go with one model"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--figure", "curve.txt"], "must end in"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--memory", "0"], "memory must be above 0"),
        (["--device", "tpu"], "device must be"),
        (["--strenghts", "0.1"], "--strenghts"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    quick = [QUICK[at : at + 2] for at in (1, 3) if QUICK[at] not in words]
    status, out, err = run("curve", *(word for pair in quick for word in pair), *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not list(tmp_path.glob("out/*"))


def test_interrupted_ends_with_130_and_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.strength_curve.strength_curve", stop)
    assert run(*QUICK)[0] == 130
    assert not list(tmp_path.glob("out/*"))


def test_a_baseline_that_is_never_right_is_refused(run, tmp_path):
    (tmp_path / "never.py").write_text(
        "import torch\n\n\nclass Never(torch.nn.Module):\n    def forward(self, x):\n"
        "        return torch.eye(11)[10].to(x) + 0 * x.mean((1, 2, 3))[:, None]\n"
    )
    status, _, err = run(*QUICK, "--model", "never:Never", "--model", "fmnist-lenet", "--baseline", "never:Never")
    assert status == 2
    assert "baseline must be right on some clean image" in err
    assert not results_in(tmp_path / "out")
