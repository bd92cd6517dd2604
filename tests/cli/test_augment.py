import json

import pytest

from geomrob.data import load_data
from tests.cli import results_in


def test_it_draws_every_primitive_and_method(run, tmp_path):
    status, told, err = run("augment", "--samples", "2", "--draws", "2", "--copies", "2")
    assert (status, err) == (0, "")
    names = results_in(tmp_path / "out")
    assert names == {*(f"{name}.png" for name in ("spectral", "spatial", "color", "prime", "augmix")), "augmented.npz"}
    assert all(name in told for name in names)
    larger = load_data(tmp_path / "out" / "augmented.npz")
    assert len(larger) == 6
    assert larger.classes == load_data("fashion-mnist-1k").classes


def test_json_and_chosen_numbers(run):
    words = ["--smoothness", "3", "--strength", "0.1", "--strength", "0.2", "--json"]
    status, told, _ = run("augment", "--show", "spectral", "--samples", "1", *words)
    assert status == 0
    first, second = (row["change"] for row in json.loads(told)["results"][0]["rows"])
    assert 0 < first < second < 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--show", "color", "--copies", "1"], "copies must go with a method"),
        (["--show", "spectral", "--draws", "3"], "got it with --show spectral: leave --draws out"),
        (["--show", "augmix", "--show", "color", "--alpha", "2"], "alpha must go with --show prime; got it with"),
        (["--show", "prime", "--strength", "2"], "strength must go with --show spectral or spatial or color; got it"),
        (["--figure", "x.png"], "--figure"),
        (["--samples", "0"], "samples must lie in 1"),
        (["--show", "prime", "--draws", "0"], "draws must be at least 1"),
        (["--show", "spatial", "--smoothness", "1"], "smoothness must lie in 2"),
        (["--alpha", "-1"], "strength at least 0"),
        (["--show", "color", "--smoothness", "0"], "smoothness must be at least 1"),
        (["--show", "spectral", "--strength", "nan"], "strength at least 0"),
        (["--show", "color", "--show", "prime", "--draws", "0"], "draws must be at least 1"),
    ],
)
def test_misuse_is_one_line_and_leaves_no_picture(run, tmp_path, words, sentence):
    status, _, err = run("augment", *words)
    assert not list(tmp_path.rglob("*.png"))
    assert status == 2
    assert sentence in err
    assert err.count("\n") == 1
