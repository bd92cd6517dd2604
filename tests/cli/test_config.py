"""--config, --format, --quiet and completion: what every command takes."""

import csv
import io
import json

import pytest

from geomrob.cli.config_file import as_toml, read_options
from geomrob.errors import UsageError

RINGS = ("--samples", "2", "--bands", "rings", "--count", "2", "--attack", "deepfool")
FILE = 'samples = 2\nbands = "rings"\ncount = 2\nattack = "deepfool"\nweights = []\n'


def rows(out):
    return json.loads(out)["results"][0]["rows"]


def test_a_file_of_options_is_the_same_as_options_and_the_command_line_goes_before_it(run, tmp_path):
    (tmp_path / "mine.toml").write_text(FILE)
    words = rows(run("margin", *RINGS, "--json")[1])
    assert rows(run("margin", "--config", "mine.toml", "--json")[1]) == words
    assert rows(run("margin", "--config=mine.toml", "--format", "json")[1]) == words
    assert len(rows(run("margin", "--config", "mine.toml", "--count", "3", "--json")[1])) == 3


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("margin", (*RINGS, "--norm", "inf", "--transform", "flip", "--threads", "1")),
        (
            "curve",
            (
                "--samples",
                "5",
                "--strengths",
                "0.1,0.2",
                "--repeats",
                "1",
                "--model",
                "fmnist-lenet",
                "--model",
                "fmnist-resnet8",
            ),
        ),
        ("corrupt", ("fashion-mnist-1k", "--out", "out", "--corruptions", "gaussian_noise", "--samples", "2")),
    ],
)
def test_the_file_in_a_run_folder_repeats_the_command(run, tmp_path, command, words):
    status, _, err = run(command, *words, "--json")
    assert status == 0, err
    # The very run: nothing of it is computed again, since its settings are the same.
    kept = ".geomrob" if command == "corrupt" else ""
    first = json.loads((tmp_path / "out" / kept / "run.json").read_text())
    (tmp_path / "again.toml").write_bytes((tmp_path / "out" / kept / "run.toml").read_bytes())
    assert run(command, "--config", "again.toml", "--out", "other", "--json")[0] == 0
    second = json.loads((tmp_path / "other" / kept / "run.json").read_text())
    assert second["settings"] == first["settings"]
    assert second["computations"] == first["computations"]
    assert (tmp_path / "other" / kept / "run.toml").read_text() == (tmp_path / "again.toml").read_text()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sampels = 2", 'Unknown option: "[sampels]" from mine.toml. Did you mean --samples?'),
        ("samples = 2.5", "samples must be a whole number of at most 20 digits; got '2.5'"),
        ("samples = true", 'Invalid value for [samples] from mine.toml: unable to convert "True" into int'),
        ('bands = "ring"', 'Did you mean "rings"?'),
        ("json = 3", "unable to convert"),
        ("[margin]\nsamples = 2", "margin of mine.toml must be a value or a list of values; got a dict"),
        ("model = [[1]]", "model of mine.toml must be a value or a list of values; got a list"),
        ("samples = ", "config must be a readable TOML file"),
        ('config = "other.toml"', "config must stand on the command line"),
    ],
)
def test_what_a_file_cannot_hold_is_one_sentence(run, tmp_path, text, sentence):
    (tmp_path / "mine.toml").write_text(text)
    status, out, err = run("margin", "--config", "mine.toml")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert run("margin", "--config", "none.toml")[0] == 2


def test_options_are_written_as_they_are_read(tmp_path):
    options = {"model": ['a\x7f"b\n', "ü"], "norm": float("inf"), "threads": 3, "prune": True, "memory": 1e-05}
    (tmp_path / "mine.toml").write_text(
        as_toml("margin", options | {"data-dir": None, "weights": []}), encoding="utf-8"
    )
    assert read_options(tmp_path / "mine.toml") == options
    with pytest.raises(UsageError, match="config must be a readable TOML file; got nothing there"):
        read_options(tmp_path / "none.toml")


def test_each_format_is_the_tables_and_nothing_else(run, tmp_path):
    _, out, err = run("margin", *RINGS, "--format", "csv")
    assert out == (tmp_path / "out" / "margin.csv").read_text()
    assert [line["band"] for line in csv.DictReader(io.StringIO(out))] == ["ring 1/2", "ring 2/2"]
    assert err == ""
    _, out, _ = run("margin", *RINGS, "--format", "markdown")
    lines = out.splitlines()
    assert lines[0].startswith("fmnist-lenet on fashion-mnist-1k: clean accuracy")
    assert lines[4].startswith("| band | cycles/image | dimension |")
    assert lines[-1].startswith("| ring 2/2 |")
    _, out, _ = run("margin", *RINGS, "--format", "latex")
    assert out.startswith("% fmnist-lenet on")
    assert out.endswith("\\end{tabular}\n")
    status, _, err = run("margin", "--json", "--format", "csv")
    assert (status, "json must go without another format" in err) == (2, True)


def test_quiet_is_silent_but_for_errors(run):
    status, out, err = run("margin", *RINGS, "--quiet", "--model", "fmnist-lenet", "--model", "fmnist-lenet")
    assert (status, err) == (0, "")
    assert out.startswith("fmnist-lenet on")
    assert run("margin", *RINGS, "--model", "fmnist-lenet", "--model", "fmnist-lenet")[2].startswith("note: ")
    assert run("margin", "--quiet", "--samples", "0")[2].startswith("error: samples")


def test_completion_is_written_for_the_shell(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    from geomrob.cli import main

    assert main(["--install-completion", "--shell", "bash"]) == 0
    script = (tmp_path / ".local/share/bash-completion/completions/geomrob").read_text()
    assert "margin" in script
    assert "--attack" in script
