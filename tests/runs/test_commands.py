"""Every command that keeps parts: stopped, resumed, sharded, in another order, it ends at the same bits."""

import shutil
from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.minimal.tight import tight
from geomrob.cli import main
from geomrob.cli.answer import Answer
from geomrob.data import load_data
from geomrob.results import equal, load
from geomrob.runs import Run

TINY = """
from pathlib import Path
import torch

def net():
    torch.manual_seed(int(Path("weights").read_text()))
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
"""

IMAGES = "--data", "images.npz", "--samples", "12"
MODEL = *IMAGES, "--model", "tiny:net"

COMMANDS = {
    "layers": ("layers", *MODEL),
    "geometry": ("geometry", *MODEL, "--attack", "deepfool", "--directions", "2", "--others", "1", "--power", "1"),
    "second derivatives": ("geometry", *MODEL, "--attack", "deepfool", "--method", "hessian", "--directions", "2"),
    "perturbations": ("spectrum", *MODEL),
    "heat map": ("spectrum", *MODEL, "--of", "model"),
    "images": ("spectrum", *IMAGES, "--of", "images"),
    "mean image": ("spectrum", *IMAGES, "--of", "images", "--order", "modulus-of-mean", "--unit-norm"),
    "corruption": ("spectrum", *IMAGES, "--of", "corruption"),
    "audit": ("audit", "tiny:net", *IMAGES[:3], "8", "--source", "tiny:net", "--budget", "20"),
}

PICTURE = Answer.picture

every_command = pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow if name == "audit" else ()) for name in COMMANDS]
)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Parts of four images of a tiny model, without pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GEOMROB_DATA", raising=False)
    monkeypatch.setattr(Answer, "picture", lambda *_: None)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_BLOCK", 4)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_FORWARD_BLOCK", 4)
    for home in ("layers", "geometry.geometry", "spectra.perturbed", "audit.measurements"):
        monkeypatch.setattr(f"geomrob.analysis.{home}.LEAST", 4)
    monkeypatch.setattr("geomrob.analysis.spectra.fourier_heat_map.EVALUATIONS", 144)
    monkeypatch.setattr("geomrob.analysis.spectra.mean_spectrum.CHUNK", 4)
    monkeypatch.setattr("geomrob.analysis.spectra.mean_spectrum.ELEMENTS", 1)
    for attack, less in ((pgd, {"steps": 1}), (tight, {"budget": 20})):
        quick = partial(lambda attack, less, *given, **how: attack(*given, **{**how, **less}), attack, less)
        monkeypatch.setattr(f"geomrob.analysis.audit.measurements.{attack.__name__}", quick)
    monkeypatch.setattr("geomrob.analysis.audit.probes.POINTS", 5)
    (tmp_path / "tiny.py").write_text(TINY)
    (tmp_path / "weights").write_text("0")
    write_images()


def write_images(*, backwards=False):
    images = np.random.default_rng(0).random((12, 1, 8, 8), dtype=np.float32)
    np.savez("images.npz", x=images[::-1] if backwards else images, y=np.arange(12) % 4)


def run(command, out, *more):
    return main([*COMMANDS[command], "--allow-missing", "--out", out, *more])


def numbers(out):
    """Return what is loaded of a run, without the birth certificates."""
    files = sorted(path for path in Path(out).glob("*.json") if path.name != "run.json")
    assert files
    results = [load(path) for path in files]
    return [replace(each, provenance=replace(each.provenance, seconds=0.0, created="", command="")) for each in results]


def same(one, other):
    return all(equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


def count(out):
    return len(list(Path(out, "parts").rglob("*.npz")))


@every_command
def test_the_result_is_one_however_it_is_computed(command, monkeypatch, capsys):
    assert run(command, "whole") == 0
    assert count("whole") >= 3
    with monkeypatch.context() as patch:
        patch.setattr(Run, "keep", once(Run.keep))
        assert run(command, "stopped") == 130
    assert "interrupted; what is finished is kept in stopped; resume with: geomrob " in capsys.readouterr().err
    assert count("stopped") == 1
    assert run(command, "stopped") == 0
    assert "resumed: 1 of " in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(Run, "__init__", partialmethod(Run.__init__, engine=backwards))
        assert run(command, "backwards") == 0
    shards = [f"shard-{number}" for number in (1, 2, 3)]
    for number, shard in enumerate(shards, 1):
        assert run(command, shard, "--shard", f"{number}/3") == 0
        assert not list(Path(shard).glob("*.npz"))
    assert main(["merge", *shards, "--out", "merged"]) == 0
    for other in ("stopped", "backwards", "merged"):
        assert same(other, "whole"), other


@every_command
def test_a_folder_of_another_run_is_refused_and_what_differs_is_named(command, capsys):
    assert run(command, "out") == 0
    before, written = count("out"), numbers("out")

    def refused(told, *more):
        assert run(command, "out", *more) == 2
        err = capsys.readouterr().err
        assert "out must hold a run of the same settings" in err
        assert told in err

    refused("seed: 0 there, 1 here", "--seed", "1")
    write_images(backwards=True)
    refused("other images")
    write_images()
    if "tiny:net" in COMMANDS[command]:
        Path("weights").write_text("1")
        refused("other model")
        Path("weights").write_text("0")
    assert run(command, "out") == 0
    assert count("out") == before
    assert all(equal(now, then) for now, then in zip(numbers("out"), written, strict=True))


def once(keep):
    """Return `keep` as it is once; then it is interrupted."""
    kept = []

    def keep_one(*part):
        if kept:
            raise KeyboardInterrupt
        kept.append(part)
        keep(*part)

    return keep_one


def backwards(compute, items, begin):
    """Compute the last item first."""
    for key in reversed(items):
        begin(key)
        yield key, compute(items[key])


def test_what_the_run_of_corrupt_keeps_lies_hidden_in_the_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(Answer, "picture", PICTURE)
    for number in range(6):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20), 40 * number, np.uint8)).save(path)
    for data, written, read in (
        ("photos", {"geomrob-corrupt.json", "fog", "corruptions.png"}, "fog/3"),
        ("fashion-mnist-1k", {"geomrob-corrupt.json", "fog.npy", "labels.npy", "corruptions.png"}, "fog.npy"),
    ):
        out = tmp_path / f"{data}-c"
        words = ["corrupt", data, str(out), "--samples", "4", "--corruptions", "fog", "--table", "cifar"]
        assert main(words) == 0
        assert {path.name for path in out.iterdir()} == {".geomrob", *written}
        assert {path.name for path in (out / ".geomrob").iterdir()} == {"run.json", "run.toml", "log.txt"}
        before = load_data(out / read)
        shutil.rmtree(out / ".geomrob")
        after = load_data(out / read)
        assert torch.equal(before.images[:], after.images[:])
        assert (before.labels.tolist(), before.classes) == (after.labels.tolist(), after.classes)
        assert main(words) == 0


def test_a_corrupt_that_is_refused_leaves_nothing_in_a_folder_of_others(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert main(["corrupt", "fashion-mnist-1k", "mine", "--samples", "4", "--corruptions", "fog"]) == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
