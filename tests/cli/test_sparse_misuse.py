"""Every misuse of `geomrob sparsefool` is one sentence and status 2, before anything is written."""

import os

import numpy as np
import pytest
import torch

from geomrob.data import load_data
from geomrob.models import load_model

QUICK = ["sparsefool", "--samples", "8"]


def npz(folder, images, labels):
    np.savez(folder / "mine.npz", x=images, y=labels)
    return ["--data", str(folder / "mine.npz"), "--samples", str(len(labels))]


def outside(folder):
    return npz(folder, np.full((2, 1, 28, 28), 1.5, np.float32), np.array([0, 1]))


def not_a_number(folder):
    return npz(folder, np.full((2, 1, 28, 28), np.nan, np.float32), np.array([0, 1]))


def colour(folder):
    return npz(folder, np.zeros((2, 3, 28, 28), np.float32), np.array([0, 1]))


def large(folder):
    return npz(folder, np.zeros((2, 1, 32, 32), np.float32), np.array([0, 1]))


def wide():
    """Return a model for images of 4x4."""
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))


def all_there(folder):
    clothes = load_data("fashion-mnist-1k", samples=40)
    with torch.no_grad():
        bags = load_model("fmnist-lenet")(clothes.images).argmax(1) == 8
    images = clothes.images[bags]
    return [*npz(folder, images.numpy(), np.full(len(images), 8)), "--target", "8"]


def read_only(folder):
    (folder / "closed").write_text("a file, not a folder")
    return ["--out", str(folder / "closed" / "out")]


def broken_weights(folder):
    (folder / "broken.safetensors").write_bytes(b"nothing")
    return ["--weights", str(folder / "broken.safetensors")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--lam", "0.5"], "lam must be"),
        (["--lam", "nan"], "lam must be"),
        (["--lam", "inf"], "lam must be"),
        (["--lam", "many"], "many"),
        (["--radius", "0"], "radius must be above 0"),
        (["--radius", "-3"], "radius must be above 0"),
        (["--radius", "nan"], "radius must be above 0"),
        (["--target", "10"], "target must be a class from 0 to 9"),
        (["--target", "Bags"], "did you mean Bag?"),
        (["--target", "-1"], "target must be one of"),
        (["--target", "²"], "target must be one of"),
        (["--memory", "nan"], "memory must be above 0 GiB"),
        (["--memory", "inf"], "memory must be above 0 GiB"),
        (["--memory", "0"], "memory must be above 0 GiB"),
        (["--seed", "-1"], "seed must be from 0"),
        (["--seed", "99999999999999999999"], "seed must be from 0"),
        (["--model", "cifar10-resnet20"], "data must hold images of 3x32x32 for cifar10-resnet20; got 1x28x28"),
        (["--model", "tests.cli.test_sparse_misuse:wide"], "model must take the images of fashion-mnist-1k (1x28x28)"),
        (all_there, "target must differ from the current class"),
        (["--steps", "0"], "steps must be"),
        (["--budget", "100"], "budget must go with --prune"),
        (["--count", "elements"], "count must go with --prune"),
        (["--count", "channels", "--prune"], "channels"),
        (["--growth", "0.9"], "growth must be at least 1"),
        (["--inner-overshoot", "-1"], "inner_overshoot must be at least 0"),
        (["--published", "--prune"], "prune must be left out with published"),
        (["--published", "--growth", "2"], "growth must be left out with published"),
        (["--budget", "0", "--prune"], "budget must be at least 1"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--samples", "2000"], "samples must lie in 1 ... 1000"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--figure", "gallery.txt"], "figure must end in"),
        (["--device", "tpu"], "device must be"),
        (["--model", "fmnist-lenet", "--model", "mnist-lenet", "--weights", "w.pt"], "weights must go with one model"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
        (broken_weights, "broken.safetensors"),
        (outside, "must lie in [0, 1]"),
        (not_a_number, "must be finite"),
        (large, "data must hold images of 1x28x28 for fmnist-lenet; got 1x32x32"),
        (colour, "data must hold images of 1x28x28 for fmnist-lenet; got 3x28x28"),
        (read_only, "out"),
        (["--sampels", "3"], "--sampels"),
    ],
    ids=lambda value: value.__name__ if callable(value) else " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_ends_with_status_2_and_one_sentence_and_leaves_nothing(run, tmp_path, words, told):
    given = words(tmp_path) if callable(words) else words
    status, out, err = run("sparsefool", *([] if "--samples" in given else ["--samples", "4"]), *given)
    assert (status, out) == (2, "")
    *notes, error = err.splitlines()
    assert all(line.startswith("note: ") for line in notes)
    assert error.startswith("error: ")
    assert told in error
    assert not (tmp_path / "out" / "sparsefool.csv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_refused(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert run(*QUICK, "--out", str(tmp_path / "closed" / "out"))[0] == 2


def test_interrupted_ends_with_130(run, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.sparsity.sparsity", stop)
    assert run(*QUICK)[0] == 130
