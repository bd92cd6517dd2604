"""`geomrob margin` from words to files: the main job, its exit statuses, and every misuse in one sentence."""

import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geomrob.data import DATASETS
from geomrob.data.synthetic import t1
from geomrob.models import build, load_model
from geomrob.results import MarginCurve, load
from tests.cli import results_in

QUICK = ["margin", "--samples", "4", "--attack", "deepfool", "--size", "8", "--step", "10"]
SIDES = ("0:14", "14:28")


def test_default_measures_real_images_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    assert (status, err) == (0, "")
    assert out.index("clean accuracy") < out.index("block 0:8")
    names = results_in(tmp_path / "out")
    assert names == {"margin.json", "margin.npz", "margin.csv", "margin.png", "examples.png"}
    curve = load(tmp_path / "out" / "margin.json", MarginCurve)
    assert curve.distances.shape == (3, 4)
    # The picture shows what was measured: its sizes are those of the perturbations drawn.
    assert curve.examples is not None
    moved = (curve.examples.perturbed - curve.examples.images).flatten(2).norm(dim=2)
    torch.testing.assert_close(moved, curve.distances[:, :3], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        after = load_model("fmnist-lenet")(curve.examples.perturbed.flatten(0, 1)).argmax(1)
    assert torch.equal(after, curve.examples.after.flatten())
    assert bool(torch.isfinite(curve.distances).all())
    assert f"{float(curve.quantiles(0.5)[0, 0]):.3f}" in out


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run(*QUICK, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert [band["band"] for band in told["results"][0]["rows"]] == ["block 0:8", "block 10:18", "block 20:28"]


# Medians of the first and the last band, as measured before the commands were rewritten.
MEDIANS = {
    "pixel": (2.0234239399433136, 1.17143315076828),
    "haar": (0.4293738901615143, 1.19673353433609),
    "fourier": (0.4067596048116684, 3.0130503177642822),
    "random": (0.8137746453285217, 0.8455488234758377),
    "pca": (0.5204456970095634, 1.6052099764347076),
}


@pytest.mark.parametrize("basis", MEDIANS)
def test_every_basis(run, tmp_path, basis):
    status, out, _ = run(*QUICK, "--basis", basis)
    curve = load(tmp_path / "out" / "margin.json", MarginCurve)
    assert (status, curve.basis, curve.distances.shape) == (0, basis, (3, 4))
    assert curve.bands == ("block 0:8", "block 10:18", "block 20:28")
    assert curve.quantiles(0.5)[[0, 2], 0].tolist() == pytest.approx(MEDIANS[basis], rel=1e-3)
    assert f"in each {basis} band" in out


@pytest.mark.parametrize(
    ("words", "bands"),
    [
        (["diagonal", "--step", "10"], ("diagonal 0:8", "diagonal 10:18", "diagonal 20:28")),
        (["grid", "--size", "14"], tuple(f"grid {row}, {column}" for row in SIDES for column in SIDES)),
        (["rings", "--count", "2"], ("ring 1/2", "ring 2/2")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_kind_of_band(run, tmp_path, words, bands):
    status, out, _ = run("margin", "--samples", "2", "--attack", "deepfool", "--bands", *words)
    curve = load(tmp_path / "out" / "margin.json", MarginCurve)
    assert (status, curve.band_kind, curve.bands) == (0, words[0], bands)
    rows = [line for line in out.splitlines() if line.strip().startswith(bands)]
    assert len(rows) == len(bands)
    for row, (median,) in zip(rows, curve.quantiles(0.5).tolist(), strict=True):
        assert f"{median:.3f}" in row
        assert "100%" in row


def test_two_models_share_one_picture(run, tmp_path):
    status, out, _ = run(*QUICK, "--model", "fmnist-lenet", "--model", "fmnist-resnet8")
    assert status == 0
    assert out.count("clean accuracy") == 2
    assert (tmp_path / "out" / "margin-fmnist-resnet8.json").exists()


@pytest.mark.parametrize("kind", ["surrogate", "smoothed"])
def test_results_say_which_gradients_were_followed(run, tmp_path, kind):
    _, out, _ = run(*QUICK, "--model", "fmnist-hah", "--gradients", kind)
    name = f"fmnist-hah ({kind} gradients)"
    assert load(tmp_path / "out" / "margin.json", MarginCurve).model == name
    assert f"{name} on fashion-mnist-1k" in out
    assert name in (tmp_path / "out" / "margin.csv").read_text()


def test_a_model_that_ignores_its_input_ends_with_status_3(run, tmp_path):
    (tmp_path / "blind.py").write_text(
        "import torch\n\n\nclass Blind(torch.nn.Module):\n    def forward(self, x):\n"
        "        return x.flatten(1)[:, :10] * 0 + torch.eye(10)[0]\n"
    )
    status, out, _ = run(*QUICK, "--model", "blind:Blind")
    assert status == 3
    assert bool(torch.isinf(load(tmp_path / "out" / "margin.json", MarginCurve).distances).all())
    rows = [line.split() for line in out.splitlines() if line.strip().startswith("block")]
    assert [row.count("inf") for row in rows] == [3] * 3
    assert all("0%" in row for row in rows)


@pytest.mark.slow
def test_a_small_model_takes_one_thread_unless_told(run):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run(*QUICK)
        assert torch.get_num_threads() == 1
        run(*QUICK, "--threads", "2")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def npz(path, x, y=None):
    np.savez(path, x=x, y=np.zeros(len(x), dtype=np.int64) if y is None else y)
    return path


def bad_weights(folder):
    (folder / "bad.safetensors").write_bytes(b"not weights")
    return ["--weights", "bad.safetensors"]


def other_weights(folder):
    save_file({"conv9.weight": torch.zeros(1)}, folder / "other.safetensors")
    return ["--weights", "other.safetensors"]


def outside(folder):
    return ["--data", str(npz(folder / "outside.npz", np.full((9, 28, 28), 2.0)))]


def not_a_number(folder):
    return ["--data", str(npz(folder / "nan.npz", np.full((9, 28, 28), np.nan)))]


def wrong_shape(folder):
    (folder / "flat_model.py").write_text("import torch\n\n\ndef net():\n    return torch.nn.Flatten(0)\n")
    return ["--model", "flat_model:net"]


def not_a_number_model(folder):
    (folder / "nan_model.py").write_text(
        "import torch\n\n\ndef net():\n"
        "    layer = torch.nn.Linear(784, 10)\n    layer.weight.data.fill_(float('nan'))\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), layer)\n"
    )
    return ["--model", "nan_model:net"]


def random_model(folder):
    (folder / "dice.py").write_text(
        "import torch\n\n\nclass Dice(torch.nn.Module):\n    def forward(self, x):\n"
        "        return torch.rand(len(x), 10) + x.mean()\n"
    )
    return ["--model", "dice:Dice"]


def locked(folder):
    file = folder / "taken"
    file.write_text("a file where the folder should be")
    return ["--out", str(file / "below")]


BAD = [
    (lambda _: ["--basis", "dtc"], "did you mean dct"),
    (lambda _: ["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
    (lambda _: ["--data", "fashion-mnist-1"], "did you mean fashion-mnist-1k"),
    (lambda _: ["--size", "29"], "28"),
    (lambda _: ["--samples", "0"], "samples"),
    (lambda _: ["--samples", "1001"], "1000"),
    (lambda _: ["--norm", "3"], "norm must be 1, 2 or inf"),
    (lambda _: ["--norm", "1", "--attack", "ddn"], "deepfool"),
    (lambda _: ["--threads", "0"], "threads must be at least 1"),
    (lambda _: ["--memory", "nan"], "memory must be above 0"),
    (lambda _: ["--model", "cifar10-resnet20"], "data must hold images of 3x32x32"),
    (lambda _: ["--budget", "60"], "budget must go with --attack tight"),
    (lambda _: ["--data", "mnist", "--data-dir", "."], "MNIST/raw"),
    (lambda _: ["--data", "mnist"], "GEOMROB_DATA"),
    (lambda _: ["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
    (lambda _: ["--basis", "nowhere.npz"], "nowhere.npz"),
    (lambda _: ["--device", "cuda:7"], "device"),
    (bad_weights, "bad.safetensors"),
    (other_weights, "no conv1.weight"),
    (outside, "[0, 1]"),
    (not_a_number, "NaN"),
    (wrong_shape, "(N, K)"),
    (not_a_number_model, "finite"),
    (random_model, "deterministic"),
    (locked, "taken"),
]


@pytest.mark.parametrize(("words", "hint"), BAD, ids=[hint for _, hint in BAD])
def test_misuse_is_one_sentence_and_status_2(run, tmp_path, words, hint):
    given = words(tmp_path)
    quick = [QUICK[at : at + 2] for at in range(1, len(QUICK), 2) if QUICK[at] not in given]
    status, out, err = run("margin", *(word for pair in quick for word in pair), *given)
    assert (status, out) == (2, "")
    *notes, error = err.splitlines()
    assert all(line.startswith("note: ") for line in notes)
    assert error.startswith("error: ")
    assert hint in error
    assert not list(tmp_path.glob("out/margin*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(run, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    status, _, err = run(*QUICK, "--out", str(folder))
    assert status == 2
    assert "locked" in err


def test_the_folder_is_checked_even_where_the_picture_goes_elsewhere(run, tmp_path, monkeypatch):
    def work(*_args, **_options):
        raise AssertionError("the work began")

    monkeypatch.setattr("geomrob.models.load_model", work)
    (tmp_path / "file").write_text("")
    code, _, err = run("margin", "--out", str(tmp_path / "file"), "--figure", str(tmp_path / "margin.svg"))
    assert code == 2
    assert "out must be a folder to write to" in err


def test_synthetic_points_need_not_lie_in_the_box(run, tmp_path, monkeypatch):
    small = t1(count=30)
    monkeypatch.setattr("geomrob.data.synthetic._samples", lambda _f, name, *_: replace(small.test, name=name))
    monkeypatch.setitem(DATASETS["t1"].splits, "test", 30)
    save_file(build("t1-logistic", seed=0).state_dict(), tmp_path / "logistic.safetensors")
    words = ["--data", "t1", "--model", "t1-logistic", "--weights", str(tmp_path / "logistic.safetensors")]
    status, out, err = run("margin", "--samples", "5", *words, "--basis", "random", "--bands", "rings", "--count", "2")
    assert (status, err) == (0, "")
    assert "ring 2/2" in out
    names = results_in(tmp_path / "out")
    assert names == {"margin.json", "margin.npz", "margin.csv", "margin.png"}


@pytest.mark.slow
def test_each_of_several_models_has_its_examples(run, tmp_path):
    words = ["--model", "fmnist-lenet", "--model", "fmnist-resnet8"]
    _, out, _ = run(*QUICK, *words)
    names = {path.name for path in (tmp_path / "out").glob("examples*")}
    assert names == {"examples-fmnist-lenet.png", "examples-fmnist-resnet8.png"}
    for name in words[1::2]:
        assert load(tmp_path / "out" / f"margin-{name}.json", MarginCurve).examples.model == name
        assert f"\n{name}: seed 0, " in out


def test_transformed_images(run, tmp_path):
    status, _, _ = run(*QUICK, "--transform", "flip")
    assert status == 0
    assert load(tmp_path / "out" / "margin.json", MarginCurve).data == "fashion-mnist-1k (flip)"
    assert not (tmp_path / "out" / "examples.png").exists()
    status, _, err = run(*QUICK, "--transform", "lowpass")
    assert status == 2
    assert "lowpass:SIZE" in err


def test_the_time_of_a_long_measurement_is_said_before_it(run, monkeypatch):
    asked = []

    def expected(ready, pairs, attack, budget):
        asked.append((len(ready.images), pairs, attack, budget))
        return 260.0

    monkeypatch.setattr("geomrob.analysis.duration.expected_seconds", expected)
    status, _, err = run(*QUICK)
    assert (status, err) == (0, "margins of fmnist-lenet, 12 pairs: about 4 minutes\n")
    assert asked == [(4, 12, "deepfool", None)]
    assert run(*QUICK, "--json")[2] == ""
