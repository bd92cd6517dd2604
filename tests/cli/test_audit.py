"""`geomrob audit` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json

import numpy as np
import pytest

from geomrob.analysis.audit.checks import CHECKS
from geomrob.results import Audit, load
from tests.cli import results_in

# The embedded ResNet would be the default source, and cost most of the time.
QUICK = ["--samples", "3", "--budget", "40", "--source", "mnist-lenet"]
# A linear model, which costs little.
SMALL = ["one_small:net", "--samples", "2", "--budget", "0", "--source", "one_small:net"]
LINEAR = """import torch


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
"""
DETACHED = """import geomrob


def net():
    inner = geomrob.load_model("fmnist-lenet")
    inner.forward = (lambda plain: lambda x: plain(x.detach()) + 0 * x.sum())(inner.forward)
    return inner
"""


@pytest.fixture(autouse=True)
def small(tmp_path):
    """The folder has the linear model of `SMALL`."""
    (tmp_path / "one_small.py").write_text(LINEAR)


@pytest.fixture
def wrong(tmp_path):
    """Return the name of a model whose gradient is cut off."""
    (tmp_path / "cut_off.py").write_text(DETACHED)
    return "cut_off:net"


def lines(folder):
    with (folder / "audit.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_embedded_lenet_passes_and_everything_is_written(run, tmp_path):
    status, out, err = run("audit", *QUICK)
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {"audit.json", "audit.npz", "audit.csv", "audit.png"}
    found = load(folder / "audit.json", Audit)
    assert found.verdict == "passed"
    assert "fmnist-lenet on fashion-mnist-1k: passed (3 images)" in out
    table = lines(folder)
    assert [line["check"] for line in table] == [check.name for check in found.checks] == list(CHECKS)
    for line, check in zip(table, found.checks, strict=True):
        assert line["verdict"] == check.verdict
        assert float(line["value"]) == pytest.approx(check.value, rel=1e-6)
        assert check.name in out
    assert "cause:" not in out


def test_a_model_without_gradients_fails_with_status_3_its_cause_and_its_images(run, tmp_path, wrong):
    status, out, err = run("audit", wrong, "--samples", "3", "--budget", "100", "--source", "mnist-lenet")
    assert (status, err) == (3, "")
    found = load(tmp_path / "out" / "audit.json", Audit)
    assert "cause: detached gradient" in out
    failed = [check for check in found.checks if check.verdict == "failed"]
    assert {"gradients", "white-box attack"} <= {check.name for check in failed}
    for check in failed:
        assert f"{check.name} (failed): {check.meaning} {check.advice}" in out
    gradients = next(check for check in failed if check.name == "gradients")
    assert gradients.images.tolist() == found.indices.tolist()
    assert f"Images: {', '.join(map(str, found.indices.tolist()))}." in out
    by_name = {line["check"]: line for line in lines(tmp_path / "out")}
    assert by_name["gradients"]["images"] == " ".join(map(str, found.indices.tolist()))


def test_json_is_one_object_and_nothing_else(run, tmp_path):
    status, out, err = run("audit", *SMALL, "--json")
    told = json.loads(out)
    (audited,) = told["results"]
    assert (status, err) == (0, "")
    assert audited["facts"]["verdict"] == "passed"
    assert [row["check"] for row in audited["rows"]] == list(CHECKS)
    assert audited["facts"]["accuracy"] == load(tmp_path / "out" / "audit.json", Audit).accuracy
    assert all(path.startswith(str(tmp_path / "out")) for path in told["files"])


def test_without_queries_no_decision_based_distance_is_measured(run, tmp_path):
    run("audit", *SMALL)
    found = load(tmp_path / "out" / "audit.json", Audit)
    assert found.decision.isnan().all()
    assert not found.transferred.isnan().all()


def test_a_picture_elsewhere(run, tmp_path):
    assert run("audit", *SMALL, "--figure", str(tmp_path / "other" / "some.pdf"))[0] == 0
    assert (tmp_path / "other" / "some.pdf").read_bytes().startswith(b"%PDF")


def colour(folder):
    np.savez(folder / "colour.npz", x=np.zeros((2, 3, 28, 28), np.float32), y=np.arange(2))
    return ["--data", "colour.npz", "--samples", "2"]


def unlike(folder):
    (folder / "unlike.py").write_text(
        "import torch\n\n\ndef net():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 10))\n"
    )
    return ["--source", "unlike:net"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--source", "fmnist-resnet"], "did you mean fmnist-resnet8"),
        (["--source", "cifar10-resnet20"], "data must hold images of 3x32x32 for cifar10-resnet20"),
        (unlike, "model must take the images of fashion-mnist-1k (1x28x28); unlike:net does not"),
        (["cifar10-resnet20"], "data must hold images of 3x32x32 for cifar10-resnet20"),
        (colour, "data must hold images of 1x28x28 for fmnist-lenet"),
        (["--budget", "-1"], "budget must be 0 or at least 20 queries"),
        (["--budget", "5"], "budget must be 0 or at least 20 queries"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--figure", "audit.txt"], "must end in"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--device", "tpu"], "device must be"),
        (["--memory", "0"], "memory must be above 0 GiB, from 1e-06 to 1,048,576; got 0"),
        (["--quieries", "3"], "--quieries"),
    ],
    ids=lambda value: value.__name__ if callable(value) else " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    given = words(tmp_path) if callable(words) else words
    quick = [QUICK[at : at + 2] for at in (0, 2, 4) if QUICK[at] not in given]
    status, out, err = run("audit", *given, *(word for pair in quick for word in pair))
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not list(tmp_path.glob("out/*"))


def test_interrupted_ends_with_130_and_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.audit.audit", stop)
    assert run("audit", *QUICK)[0] == 130
    assert not list(tmp_path.glob("out/*"))


def test_several_models_are_audited_one_after_the_other(run, tmp_path):
    words = ["one_small:net", "mnist-lenet", "--samples", "2", "--budget", "0", "--source", "one_small:net", "--json"]
    _, out, _ = run("audit", *words)
    answer = json.loads(out)
    assert [one["facts"]["model"] for one in answer["results"]] == ["one_small:net", "mnist-lenet"]
    names = results_in(tmp_path / "out")
    for name in ("one_small-net", "mnist-lenet"):
        assert {f"audit-{name}.json", f"audit-{name}.npz", f"audit-{name}.png"} <= names
    assert {line["model"] for line in lines(tmp_path / "out")} == {"one_small:net", "mnist-lenet"}
    assert answer["results"][0]["facts"]["model"] == load(tmp_path / "out" / "audit-one_small-net.json", Audit).model
