"""`geomrob report` from words to a page: measured, from folders, resumed, and misuse in one sentence."""

import html
import json
import re
import shlex
from importlib.resources import files

import numpy as np
import pytest

from geomrob.results import MarginCurve, load

ONLY = ("--only", "margin-deepfool", "--only", "curve", "--samples", "2", "--budget", "quick", "--threads", "1")


def test_the_page_is_written_and_the_commands_open_its_folders(run, tmp_path):
    status, out, err = run("report", "fmnist-lenet", *ONLY, "--out", "page.html")
    assert status == 0, err
    assert "clean accuracy" in out
    page = (tmp_path / "page.html").read_text()
    assert "<h1>Where the decision boundary of fmnist-lenet lies</h1>" in page
    saved = tmp_path / "page" / "margin-deepfool" / "margin.json"
    before = load(saved, MarginCurve)
    words = ("--model", "fmnist-lenet", "--attack", "deepfool", "--samples", "2", "--out", "page/margin-deepfool")
    status, _, err = run("margin", *words)
    assert status == 0
    assert "resumed: 1 of 1 parts of margins of fmnist-lenet were there" in err
    assert load(saved, MarginCurve).distances.equal(before.distances)


def test_the_commands_of_a_page_read_the_same_models_and_images(run, tmp_path):
    weights = str(files("geomrob") / "assets" / "fmnist-lenet.safetensors")
    words = ("--only", "layers", "--samples", "2", "--weights", weights, "--transform", "gray")
    status, _, err = run("report", "fmnist-lenet", *words, "--out", "page.html")
    assert status == 0, err
    page = html.unescape((tmp_path / "page.html").read_text())
    command = re.search(r"geomrob (layers [^<]*)", page)[1]
    assert (
        f"--data fashion-mnist-1k --samples 2 --seed 0 --out page/layers --transform gray --weights {weights}"
        in command
    )
    status, _, err = run(*shlex.split(command))
    assert status == 0, err
    assert "were there" in err


def test_a_page_is_made_of_folders_of_commands_without_measuring(run, tmp_path):
    run("margin", "--samples", "2", "--attack", "deepfool", "--out", "margins")
    run("layers", "--samples", "2", "--out", "layers")
    status, out, err = run("report", "--from", "margins", "--from", "layers", "--json", "--out", "both.html")
    assert status == 0, err
    found = json.loads(out)
    assert found["results"][0]["facts"]["models"] == "fmnist-lenet"
    page = (tmp_path / "both.html").read_text()
    assert 'id="margins"' in page
    assert 'id="layers"' in page
    assert 'id="robust"' not in page


def test_results_that_would_share_a_cell_or_are_of_other_images_are_refused(run, tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.random.default_rng(0).random((4, 28, 28), np.float32), y=np.arange(4))
    for out, words in (("a", ()), ("b", ("--seed", "1")), ("c", ("--data", "mine.npz", "--model", "fmnist-resnet8"))):
        run("layers", "--samples", "2", *words, "--out", out)
    run("layers", "--samples", "2", "--model", "fmnist-resnet8", "--out", "d")
    status, _, err = run("report", "--from", "a", "--from", "b", "--out", "page.html")
    assert (status, "from must name one result of each kind; got two Layers" in err) == (2, True)
    status, _, err = run("report", "--from", "a", "--from", "c", "--out", "page.html")
    assert (status, "from must name results on one data set; got fashion-mnist-1k and mine.npz" in err) == (2, True)
    status, _, err = run("report", "--from", "a", "--from", "d", "--out", "page.html")
    assert status == 0, err


def test_a_model_without_a_gradient_has_a_page_that_says_so(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "flat_nets.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, images):\n"
        "        return images.detach().flatten(1)[:, :10] * 1.0\n"
    )
    words = ("flat_nets:Net", "--only", "margin-deepfool", "--samples", "2", "--out", "page.html")
    status, out, err = run("report", *words)
    assert status == 3, err
    assert "missing: margin-deepfool: flat_nets:Net: model must" in " ".join(out.split())
    assert "model must" in (tmp_path / "page.html").read_text()


def test_a_page_that_is_a_folder_is_refused_before_the_work(run, tmp_path):
    (tmp_path / "page.html").mkdir()
    status, _, err = run("report", "--samples", "2", "--out", "page.html")
    assert (status, "out must be a page, FILE.html; got the folder" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--figure", "x.png"), "figure must be left out of a report"),
        (("--shard", "1/2"), "shard must be left out of a report"),
        (("--only", "margn"), "only must be one of margin"),
        (("--from", "nowhere"), "from must name folders with saved results; got nowhere"),
    ],
)
def test_misuse_is_one_sentence(run, words, told):
    status, out, err = run("report", *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1
