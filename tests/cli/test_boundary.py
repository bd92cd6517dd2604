"""`geomrob boundary` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json

import pytest
import torch

from geomrob.interop.foolbox_decisions import PEERS, steps_within
from geomrob.interop.foolbox_import import FOOLBOX
from geomrob.models import load_model
from geomrob.results import AttackResult, BoundaryResult, DecisionDistances, load
from geomrob.results.decision_based import score
from tests.cli import results_in

QUICK = ["boundary", "--samples", "6", "--budget", "100"]
FEW = ["boundary", "--samples", "2", "--budget", "60"]
DEAF = """import torch


class Deaf(torch.nn.Module):
    def forward(self, x):
        return torch.eye(10)[0].to(x) + 0 * x.mean((1, 2, 3))[:, None]
"""


def lines(folder):
    with (folder / "boundary.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_walks_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    folder = tmp_path / "out"
    assert (status, err) == (0, "")
    assert results_in(folder) == {
        "boundary.json", "boundary.npz", "boundary.csv", "boundary.png",
    }  # fmt: skip
    result = load(folder / "boundary.json", DecisionDistances)
    (found,) = result.repeats
    assert isinstance(found, BoundaryResult)
    assert bool((found.forwards <= 100).all())
    distances = found.distances()
    assert [float(line["l2"]) for line in lines(folder)] == pytest.approx(distances.tolist(), rel=5e-7)
    told = result.summary()
    assert told["l2_50"] == pytest.approx(float(distances.double().quantile(0.5)))
    assert told["l2_95"] == pytest.approx(float(distances.double().quantile(0.95)))
    assert told["score"] == pytest.approx(score([found]))
    for shown in (f"{told['l2_50']:.3f}", f"{told['score']:.2e}", "100.0%"):
        assert shown in out
    with torch.no_grad():
        seen = load_model("fmnist-lenet")(found.perturbed).argmax(1)
    assert bool((seen != found.labels).all())


def test_json_is_one_object_and_nothing_else(run, tmp_path):
    status, out, err = run(*FEW, "--json")
    (told,) = json.loads(out)["results"]
    assert (status, err) == (0, "")
    assert told["facts"] == load(tmp_path / "out" / "boundary.json", DecisionDistances).summary()
    assert [row["status"] for row in told["rows"]] == ["found"] * 2


def test_repeats_and_models_have_a_file_each_and_the_score_is_their_mean(run, tmp_path):
    status, out, _ = run(*FEW, "--model", "fmnist-lenet", "--model", "mnist-lenet", "--repeats", "2", "--seed", "3")
    folder = tmp_path / "out"
    assert status == 0
    both = load(folder / "boundary-fmnist-lenet.json", DecisionDistances).repeats
    assert not torch.equal(both[0].perturbed, both[1].perturbed)
    assert f"{score(both):.2e}" in out
    assert (folder / "boundary-mnist-lenet.npz").exists()
    table = lines(folder)
    assert [(line["model"], line["seed"]) for line in table[::2]] == [
        ("fmnist-lenet", "3"), ("fmnist-lenet", "4"), ("mnist-lenet", "3"), ("mnist-lenet", "4"),
    ]  # fmt: skip


@pytest.mark.parametrize("attack", PEERS)
def test_foolbox_walks_within_about_the_budget(run, tmp_path, attack):
    status, out, _ = run("boundary", "--samples", "4", "--budget", "400", "--attack", attack)
    assert status == 0
    kind = BoundaryResult if attack == "foolbox-boundary" else AttackResult
    (found,) = load(tmp_path / "out" / "boundary.json", DecisionDistances).repeats
    assert type(found) is kind
    assert float(found.forwards.double().mean()) <= 1.1 * 400
    assert f"{float(found.distances().double().quantile(0.5)):.3f}" in out
    assert PEERS[attack] in FOOLBOX


def test_steps_that_never_adapted_are_told(run):
    # Under 100 steps foolbox's boundary attack cannot change its step sizes.
    _, out, _ = run("boundary", "--samples", "4", "--budget", "200", "--attack", "foolbox-boundary")
    assert "the step sizes of 4 walks never adapted" in out


@pytest.mark.parametrize(("budget", "steps"), [(200, 1), (351, 1), (352, 2), (7000, 20)])
def test_steps_of_hop_skip_jump_fit_the_budget(budget, steps):
    assert steps_within("hop-skip-jump", budget) == steps


@pytest.mark.parametrize("attack", ["boundary", "foolbox-boundary", "hop-skip-jump"])
def test_images_without_a_start_are_listed(run, tmp_path, attack):
    (tmp_path / "deaf.py").write_text(DEAF)
    status, out, _ = run("boundary", "--samples", "6", "--budget", "200", "--model", "deaf:Deaf", "--attack", attack)
    assert status == 3
    table = lines(tmp_path / "out")
    assert {line["status"] for line in table} == {"no start"}
    assert {line["l2"] for line in table} == {"inf"}
    indices = ", ".join(line["index"] for line in table)
    assert f"deaf:Deaf: no start for 6 images, counted as infinite: {indices}" in out
    assert not (tmp_path / "out" / "boundary.png").exists()
    assert load(tmp_path / "out" / "boundary.json", DecisionDistances).unstarted == [int(one["index"]) for one in table]


def test_the_answer_does_not_depend_on_how_many_are_measured(run, tmp_path):
    run(*QUICK)
    (few,) = load(tmp_path / "out" / "boundary.json", DecisionDistances).repeats
    run("boundary", "--samples", "3", "--budget", "100")
    (fewer,) = load(tmp_path / "out" / "boundary.json", DecisionDistances).repeats
    assert torch.equal(fewer.perturbed, few.perturbed[:3])


def test_a_picture_elsewhere(run, tmp_path):
    assert run(*FEW, "--figure", str(tmp_path / "other" / "some.svg"))[0] == 0
    assert b"<svg" in (tmp_path / "other" / "some.svg").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--attack", "hopskipjump"], "hop-skip-jump"),
        (["--budget", "19"], "budget must be at least 20 queries; got 19"),
        (["--budget", "199", "--attack", "foolbox-boundary"], "budget must be at least 200 queries"),
        (["--budget", "-1", "--attack", "hop-skip-jump"], "budget must be at least 200 queries"),
        (["--budget", "many"], "many"),
        (["--repeats", "0"], "repeats must be at least 1"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--model", "cifar10-resnet20"], "data must hold images of 3x32x32"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--figure", "boundary.txt"], "must end in"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--memory", "-1"], "memory must be above 0"),
        (["--memory", "1", "--attack", "hop-skip-jump", "--budget", "400"], "memory must be left out"),
        (["--device", "tpu"], "device must be"),
        (["--bugdet", "300"], "--bugdet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    quick = [QUICK[at : at + 2] for at in (1, 3) if QUICK[at] not in words]
    status, out, err = run("boundary", *(word for pair in quick for word in pair), *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not list(tmp_path.glob("out/*"))


def test_interrupted_ends_with_130_and_leaves_no_results(run, tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.decision_based.boundary", stop)
    assert run(*QUICK)[0] == 130
    assert not results_in(tmp_path / "out")
