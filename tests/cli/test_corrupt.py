"""`geomrob corrupt` from words to files; misuse in one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from geomrob.analysis.corruptions.errors import chosen_corruptions
from tests.cli import results_in

FOG = ["out/fog.npy", "out/labels.npy", "out/geomrob-corrupt.json"]
FILES = ", ".join(["out/snow.npy", *FOG, "out/corruptions.png"])


def test_arrays_labels_note_and_sheet(run, tmp_path):
    status, out, err = run(
        "corrupt", "fashion-mnist-1k", "out", "--samples", "4", "--corruptions", "fog", "--corruptions", "snow"
    )
    assert (status, err) == (0, "")
    assert out == f"2 corruptions of 4 images at 5 severities in out: snow, fog\nwritten: {FILES}\n"
    names = results_in(tmp_path / "out")
    assert names == {"fog.npy", "snow.npy", "labels.npy", "geomrob-corrupt.json", "corruptions.png"}
    assert np.load(tmp_path / "out" / "labels.npy").shape == (20,)


def test_json_is_one_object(run):
    status, out, _ = run(
        "corrupt", "fashion-mnist-1k", "out", "--samples", "1", "--corruptions", "fog", "--json", "--figure", "x.png"
    )
    told = json.loads(out)
    assert (status, told["command"], told["files"]) == (0, "corrupt", [*FOG, "x.png"])
    (written,) = told["results"]
    assert (written["kind"], written["facts"]["images"], written["facts"]["left_out"]) == ("CorruptedSet", 1, "")
    assert [(row["corruption"], row["path"]) for row in written["rows"]] == [("fog", "fog.npy")]


def test_groups_and_names_are_each_taken_once_in_the_order_of_the_table():
    assert len(chosen_corruptions(("all",))) == 19
    assert chosen_corruptions(("snow", "benchmark")) == chosen_corruptions(("benchmark",))
    assert len(chosen_corruptions(("benchmark",))) == 15
    assert chosen_corruptions(("saturate", "fog", "fog")) == ("fog", "saturate")


def test_unreadable_images_are_counted_with_status_3(run, tmp_path):
    for i in range(3):
        path = tmp_path / "pets" / "cat" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20), 90, np.uint8)).save(path)
    path.write_bytes(b"no picture")
    status, out, _ = run("corrupt", "pets", "out", "--corruptions", "contrast", "--images", "png")
    assert status == 3
    assert "left out 1 unreadable images; the first: cat/2.png" in out
    assert len(list((tmp_path / "out" / "contrast").rglob("*.png"))) == 10


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["fashion-mnist-1k", "out", "--corruptions", "fogg"], "did you mean fog"),
        (["fashion-mnist-1", "out"], "did you mean fashion-mnist-1k"),
        (["fashion-mnist-1k", "out", "--show", "-1"], "show must be at least 0"),
        (["fashion-mnist-1k", "out", "--show", "1000"], "show must be below 1000; got 1000"),
        (["fashion-mnist-1k", "out", "--figure", "sheet.txt"], "figure must end in"),
        (["fashion-mnist-1k", "."], "out must be a new folder"),
        (["fashion-mnist-1k", "out", "--table", "tiny"], "table"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_misuse_is_one_sentence_and_status_2(run, tmp_path, words, hint):
    (tmp_path / "other").write_text("here")
    status, out, err = run("corrupt", *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert hint in err
