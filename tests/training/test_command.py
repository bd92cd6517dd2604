"""`geomrob train`."""

import json

import pytest

from geomrob.cli import main
from geomrob.models import load_model

RECIPE = 'model = "fmnist-lenet"\ndata = "fashion-mnist-1k"\nsplit = "test"\nsamples = 60\nheld_out = 20\nepochs = 1\n'


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    return str(tmp_path / "mine.toml")


def test_it_trains_resumes_and_prints_where_the_weights_are(tmp_path, recipe, capsys):
    out = tmp_path / "run"
    assert main(["train", recipe, "--out", str(out), "--json", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    facts = json.loads(printed.out)["results"][0]["facts"]
    assert facts["model"] == "fmnist-lenet"
    assert facts["epochs"] == facts["best_epoch"] == 1
    assert "epoch 1, step 1/1, loss" in printed.err
    load_model("fmnist-lenet", weights=facts["weights"])
    assert main(["train", recipe, "--out", str(out)]) == 0
    assert "sha256" in capsys.readouterr().out


def test_it_trains_on_transformed_images(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(RECIPE + 'transform = "lowpass:14"\n')
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert "sha256" in capsys.readouterr().out
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    (tmp_path / "mine.toml").write_text(RECIPE)
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert "got another one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fmnist-lennet"], "did you mean fmnist-lenet"),
        (["fmnist-lenet", "--data-dir", "no/such/folder"], "data_dir must hold FashionMNIST/raw"),
        (["smoke", "--device", "nowhere"], "device must be auto, cpu or a GPU"),
    ],
)
def test_misuse_is_one_line_and_exit_2(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
