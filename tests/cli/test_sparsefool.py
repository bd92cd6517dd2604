"""`geomrob sparsefool` from words to files: what it writes agrees with what it says; every misuse is one sentence."""

import csv
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.cli import main
from geomrob.data import load as load_data
from geomrob.models import load as load_model
from geomrob.results import Sparsity, load

QUICK = ["sparsefool", "--samples", "8"]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Return a function that runs the command in an empty folder and gives status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = main([*words, "--out", str(tmp_path / "out")] if "--out" not in words else list(words))
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


def lines(folder):
    with (folder / "sparsefool.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_fools_real_images_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    assert (status, err) == (0, "")
    folder = tmp_path / "out"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "sparsefool.json",
        "sparsefool.npz",
        "sparsefool.csv",
        "adversarial.npz",
        "images",
        "gallery.png",
    }
    found = load(folder / "sparsefool.json", Sparsity)
    assert found.fooling_rate == 1
    assert found.options["lam"] == 3
    assert "100.0%" in out
    assert f" {float(found.quantiles(0.5)):g} " in out
    table = lines(folder)
    assert [float(line["pixels"]) for line in table] == found.attack.pixels.tolist()
    assert [int(line["index"]) for line in table] == found.indices.tolist()
    assert all(line["class_before"] != line["class_after"] for line in table)


def test_the_images_written_change_the_decision_exactly_and_as_png(run, tmp_path):
    run(*QUICK)
    model, folder = load_model("fmnist-lenet"), tmp_path / "out"
    kept = np.load(folder / "adversarial.npz")
    with torch.no_grad():
        before, after = (model(torch.from_numpy(kept[name])).argmax(1) for name in ("clean", "x"))
    assert before.tolist() == kept["before"].tolist()
    assert after.tolist() == kept["after"].tolist()
    assert bool((before != after).all())
    changed = (kept["x"] != kept["clean"]).any(1).sum((1, 2))
    assert changed.tolist() == [float(line["pixels"]) for line in lines(folder)]
    pictures = {path.name.split("-")[0]: path for path in (folder / "images").iterdir()}
    for index, image in zip(kept["indices"], kept["x"], strict=True):
        shown = np.asarray(Image.open(pictures[f"{index:05d}"]))
        assert np.array_equal(shown, np.rint(image[0] * 255).astype(np.uint8))


def test_the_images_written_can_be_measured_again(run, tmp_path):
    run(*QUICK)
    adversarial = tmp_path / "out" / "adversarial.npz"
    again = load_data(adversarial)
    assert len(again) == 8
    assert again.classes == load_data("fashion-mnist-1k").classes
    status, out, _ = run(*QUICK, "--data", str(adversarial), "--out", str(tmp_path / "again"))
    assert status == 0
    assert "clean accuracy 0.0%" in out or "clean accuracy" in out


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run(*QUICK, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert told["results"][0]["fooling_rate"] == 1
    assert told["results"][0]["statuses"] == {"found": 8}
    assert told["results"][0]["options"]["radius"] is None


def test_radius_is_in_levels_and_failures_are_counted_and_shown(run, tmp_path):
    status, out, _ = run(*QUICK, "--radius", "4")
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert status == 3
    assert found.options["radius"] == pytest.approx(4 / 255)
    assert float(found.attack.perturbation.abs().max()) <= 4 / 255 + 1e-6
    failed = int((~found.attack.success).sum())
    assert failed > 0
    assert "at most 4/255 an element" in out
    assert "not fooled, counted as infinite" in out
    assert sum(line["pixels"] == "inf" for line in lines(tmp_path / "out")) == failed
    assert len(list((tmp_path / "out" / "images").iterdir())) == 8 - failed


def test_nobody_fooled_is_told_without_a_gallery(run, tmp_path):
    status, out, err = run(*QUICK, "--radius", "0.01")
    assert (status, err) == (3, "")
    assert not (tmp_path / "out" / "gallery.png").exists()
    assert "inf" in out


def test_pruned_changes_fewer_pixels(run, tmp_path):
    run(*QUICK)
    plain = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    run(*QUICK, "--prune", "--budget", "200")
    pruned = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert bool((pruned.attack.pixels <= plain.attack.pixels).all())
    assert float(pruned.quantiles(0.5)) < float(plain.quantiles(0.5))


def test_uint8_counts_and_writes_what_a_file_holds(run, tmp_path):
    status, out, _ = run(*QUICK, "--uint8")
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    levels = found.attack.perturbed * 255
    assert "rounded to 8 bits" in out
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert torch.equal(found.survived, found.attack.success)
    assert status == (0 if bool(found.attack.success.all()) else 3)
    with torch.no_grad():
        seen = load_model("fmnist-lenet")(found.attack.perturbed).argmax(1)
    assert seen[found.attack.success].tolist() == found.found[found.attack.success].tolist()


@pytest.mark.parametrize("target", ["8", "Bag"])
def test_a_target_by_number_or_name_is_reached_and_images_there_already_are_left_out(run, tmp_path, target):
    status, _, err = run("sparsefool", "--samples", "30", "--target", target)
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert status in (0, 3)
    assert set(found.found[found.attack.success].tolist()) == {8}
    assert bool((found.attack.labels != 8).all())
    assert err == f"note: left out {30 - len(found.labels)} images that fmnist-lenet sees as {target} already\n"


def test_two_models_have_a_row_a_file_and_a_gallery_each(run, tmp_path):
    status, out, _ = run(*QUICK, "--model", "fmnist-lenet", "--model", "fmnist-resnet8")
    assert status == 0
    assert out.count("clean accuracy") == 2
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"sparsefool-fmnist-resnet8.json", "gallery-fmnist-lenet.png", "images-fmnist-resnet8"} <= names
    assert len(lines(tmp_path / "out")) == 16


def test_the_answer_does_not_depend_on_how_many_are_measured(run, tmp_path):
    run(*QUICK)
    few = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    run("sparsefool", "--samples", "13")
    more = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert torch.equal(few.attack.perturbed, more.attack.perturbed[:8])


def test_a_picture_elsewhere(run, tmp_path):
    assert run(*QUICK, "--gallery", str(tmp_path / "other" / "some.pdf"))[0] == 0
    assert (tmp_path / "other" / "some.pdf").read_bytes().startswith(b"%PDF")


def npz(folder, images, labels):
    np.savez(folder / "mine.npz", x=images, y=labels)
    return ["--data", str(folder / "mine.npz"), "--samples", str(len(labels))]


def outside(folder):
    return npz(folder, np.full((2, 1, 28, 28), 1.5, np.float32), np.array([0, 1]))


def not_a_number(folder):
    return npz(folder, np.full((2, 1, 28, 28), np.nan, np.float32), np.array([0, 1]))


def colour(folder):
    return npz(folder, np.zeros((2, 3, 28, 28), np.float32), np.array([0, 1]))


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
        (["--target", "-1"], "target"),
        (all_there, "target must differ from the current class"),
        (["--steps", "0"], "steps must be"),
        (["--budget", "100"], "budget must go with --prune"),
        (["--budget", "0", "--prune"], "budget must be at least 1"),
        (["--samples", "0"], "samples must lie in 1 ... 1000"),
        (["--samples", "2000"], "samples must lie in 1 ... 1000"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--model", "fmnist-lenett"], "did you mean fmnist-lenet"),
        (["--data", "fashion-mnst-1k"], "did you mean fashion-mnist-1k"),
        (["--gallery", "gallery.txt"], "must end in"),
        (["--device", "tpu"], "device must be"),
        (["--model", "fmnist-lenet", "--model", "mnist-lenet", "--weights", "w.pt"], "weights must go with one model"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
        (broken_weights, "broken.safetensors"),
        (outside, "must lie in [0, 1]"),
        (not_a_number, "must be finite"),
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
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not (tmp_path / "out" / "sparsefool.csv").exists()


def test_a_broken_file_in_a_folder_does_not_end_the_run(run, tmp_path):
    clothes = load_data("fashion-mnist-1k", samples=6)
    for i, (image, label) in enumerate(zip(clothes.images, clothes.labels.tolist(), strict=True)):
        folder = tmp_path / "mine" / f"{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).round().byte().numpy()).save(folder / f"{i}.png")
    (tmp_path / "mine" / f"{int(clothes.labels[0])}" / "broken.png").write_bytes(b"nothing")
    status, out, err = run("sparsefool", "--data", str(tmp_path / "mine"), "--samples", "6")
    assert (status, err.count("left out 1 files")) in ((0, 1), (0, 0))
    assert "100.0%" in out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_refused(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert run(*QUICK, "--out", str(tmp_path / "closed" / "out"))[0] == 2


def test_interrupted_ends_with_130(run, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomrob.analysis.sparsity.sparsity", stop)
    assert run(*QUICK)[0] == 130
