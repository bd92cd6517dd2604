"""`geomrob robust` from words to files; every misuse is one sentence."""

import csv
import json
from functools import partial

import pytest

from geomrob.cli.commands.measure import robust
from geomrob.cli.commands.measure.audit import audited
from geomrob.results import Audit, RobustAccuracy, load

QUICK = ["robust", "--samples", "3", "--epsilon", "2/255,8/255", "--epsilon", "0.1"]


def test_table_files_and_csv_say_the_same(run, tmp_path):
    status, out, _ = run(*QUICK)
    found = load(tmp_path / "out" / "robust.json", RobustAccuracy)
    rows = list(csv.DictReader((tmp_path / "out" / "robust.csv").open()))
    assert status == 0
    assert found.epsilons.tolist() == [2 / 255, 8 / 255, 0.1]
    assert [float(row["accuracy"]) for row in rows] == pytest.approx([found.clean, *found.accuracy.tolist()], abs=1e-7)
    assert "8/255" in out
    assert "not audited" in out
    assert (tmp_path / "out" / "robust.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_audit_gives_its_verdict(run, tmp_path, monkeypatch):
    monkeypatch.setattr(robust, "audited", partial(audited, budget=20))
    status, out, _ = run(*QUICK, "--audit", "--json")
    found = load(tmp_path / "out" / "robust.json", RobustAccuracy)
    verdict = load(tmp_path / "out" / "audit.json", Audit).verdict
    assert found.verdict == verdict != ""
    assert status in (0, 3)
    assert {row["verdict"] for row in json.loads(out)["results"][0]["rows"]} == {verdict}


@pytest.mark.slow
def test_models_share_one_table_and_one_picture(run, tmp_path):
    _, out, _ = run(*QUICK, "--model", "fmnist-lenet", "--model", "fmnist-linf-adversarial", "--norm", "l2")
    assert out.count("robust accuracy in l2 on 3 images") == 1
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"robust.png"}
    assert (tmp_path / "out" / "robust-fmnist-linf-adversarial.json").exists()


def test_undecided_images_end_with_status_3(run):
    status, out, _ = run(*QUICK, "--model", "geomrob.models.obfuscated:quantised")
    assert (status, "undecided" in out) == (3, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--epsilon", "x"], "epsilon must be a number or a fraction; got 'x'"),
        (["--epsilon", "8/0"], "epsilon must be a number or a fraction; got '8/0'"),
        (["--epsilon", "0"], "epsilons must be above 0"),
        (["--epsilon", "8"], "epsilons must be at most 1 in linf, all that a pixel can change; got 8: 8/255?"),
        (["--epsilon", "-1"], "epsilons must be above 0 and below 1e+06; got -1"),
        (["--epsilon", "nan"], "epsilons must be above 0 and below 1e"),
        (["--norm", "l3"], "norm"),
        (["--gradients", "smoothed", "--audit"], "audit must go with --gradients own; got --gradients smoothed"),
    ],
)
def test_misuse_is_one_sentence(run, words, sentence):
    status, _, err = run("robust", "--samples", "2", *words)
    assert (status, sentence in err, err.count("\n") <= 1) == (2, True, True)
