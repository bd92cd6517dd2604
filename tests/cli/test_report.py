"""`geomrob report` from words to a page: measured, from folders, resumed, and misuse in one sentence."""

import html
import json
import re
import shlex
from importlib.resources import files

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
