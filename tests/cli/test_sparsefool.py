"""`geomrob sparsefool` from words to numbers: the table, the csv and the JSON agree with what was found."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.results import Sparsity, load
from tests.cli import results_in

QUICK = ["sparsefool", "--samples", "8"]


def lines(folder):
    with (folder / "sparsefool.csv").open() as file:
        return list(csv.DictReader(file))


def test_default_fools_real_images_and_writes_everything(run, tmp_path):
    status, out, err = run(*QUICK)
    assert (status, err) == (0, "")
    folder = tmp_path / "out"
    names = results_in(folder)
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
    assert ", ".join(f"{value:.4g}" for value in found.quantiles(0.25, 0.5, 0.75).tolist()) in out
    assert out.endswith("gallery.png\n")
    assert len(list((folder / "images").iterdir())) == 8
    table = lines(folder)
    assert [float(line["pixels"]) for line in table] == found.result.pixels.tolist()
    assert [int(line["index"]) for line in table] == found.indices.tolist()
    assert all(line["class_before"] != line["class_after"] for line in table)


def test_json_is_one_object_and_nothing_else(run):
    status, out, err = run(*QUICK, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    facts, rows = told["results"][0]["facts"], told["results"][0]["rows"]
    assert (facts["fooling_rate"], facts["failures"], facts["radius"]) == (1, "", "inf")
    assert (facts["target"], facts["eight_bit"]) == ("", False)
    assert [row["status"] for row in rows] == ["found"] * 8
    assert all(Path(file).exists() for file in told["files"])


def test_radius_is_in_levels_and_failures_are_counted_and_shown(run, tmp_path):
    status, out, _ = run(*QUICK, "--radius", "4")
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert status == 3
    assert found.options["radius"] == pytest.approx(4 / 255)
    assert float(found.result.perturbation.abs().max()) <= 4 / 255 + 1e-6
    failed = int((~found.result.success).sum())
    assert failed > 0
    assert "any other class, lam 3, at most 4/255 an element" in out
    assert "not fooled, counted as infinite" in out
    assert sum(line["pixels"] == "inf" for line in lines(tmp_path / "out")) == failed
    assert len(list((tmp_path / "out" / "images").iterdir())) == 8 - failed


def test_nobody_fooled_is_told_without_a_gallery(run, tmp_path):
    status, out, err = run(*QUICK, "--radius", "0.01")
    assert (status, err) == (3, "")
    assert not (tmp_path / "out" / "gallery.png").exists()
    assert "inf" in out


@pytest.mark.slow
def test_pruned_changes_fewer_pixels(run, tmp_path):
    run(*QUICK)
    plain = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    run(*QUICK, "--prune", "--budget", "200")
    pruned = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert bool((pruned.result.pixels <= plain.result.pixels).all())
    assert float(pruned.quantiles(0.5)) < float(plain.quantiles(0.5))


def test_uint8_counts_and_writes_what_a_file_holds(run, tmp_path):
    status, out, _ = run(*QUICK, "--uint8")
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    levels = found.result.perturbed * 255
    assert "rounded to 8 bits" in out
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert torch.equal(found.survived, found.result.success)
    assert status == 0
    with torch.no_grad():
        seen = load_model("fmnist-lenet")(found.result.perturbed).argmax(1)
    assert seen[found.result.success].tolist() == found.found[found.result.success].tolist()


@pytest.mark.parametrize("target", ["8", "Bag"])
def test_a_target_by_number_or_name_is_reached_and_images_there_already_are_left_out(run, tmp_path, target):
    status, out, err = run("sparsefool", "--samples", "30", "--target", target)
    assert f"towards {target}, lam 3" in out
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert status == 0
    assert set(found.found[found.result.success].tolist()) == {8}
    assert bool((found.result.labels != 8).all())
    assert (err, found.left_out) == ("", 30 - len(found.labels))
    assert f"fmnist-lenet: left out {found.left_out} images that the model classifies as {target} already" in out


def test_two_models_have_a_row_a_file_and_a_gallery_each(run, tmp_path):
    status, out, _ = run(
        *QUICK,
        "--model",
        "fmnist-lenet",
        "--model",
        "fmnist-resnet8",
        "--inner-steps",
        "50",
    )
    assert status == 0
    assert (out.count("quartiles"), out.count("\n fmnist-resnet8 ")) == (1, 2)
    names = results_in(tmp_path / "out")
    assert {"sparsefool-fmnist-resnet8.json", "gallery-fmnist-lenet.png", "images-fmnist-resnet8"} <= names
    assert len(lines(tmp_path / "out")) == 16
    survived = load(tmp_path / "out" / "sparsefool-fmnist-resnet8.json", Sparsity).survived
    assert int(survived.sum()) == 7
    assert "fmnist-resnet8: 1 of the fooled images are not adversarial any more as 8 bits; they have no PNG" in out
    assert len(list(tmp_path.glob("out/images-*/*.png"))) == 15


def test_the_answer_does_not_depend_on_how_many_are_measured(run, tmp_path):
    run(*QUICK)
    few = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    run("sparsefool", "--samples", "13")
    more = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    assert torch.equal(few.result.perturbed, more.result.perturbed[:8])


def test_images_of_another_size_are_taken_by_a_model_that_takes_them(run, tmp_path):
    images = np.random.default_rng(0).random((2, 1, 32, 32), dtype=np.float32)
    words = npz(tmp_path, images, np.array([0, 1]))
    assert run("sparsefool", "--model", "fmnist-resnet8", *words)[0] in (0, 3)
    assert load(tmp_path / "out" / "sparsefool.json", Sparsity).result.inputs.shape == (2, 1, 32, 32)


def test_help_is_light():
    code = (
        "import sys; from geomrob.cli import main; main(['sparsefool', '--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "scipy", "matplotlib", "PIL"} & set(done.stderr.split())
    assert "levels of 1/255" in done.stdout


def npz(folder, images, labels):
    np.savez(folder / "mine.npz", x=images, y=labels)
    return ["--data", str(folder / "mine.npz"), "--samples", str(len(labels))]


def test_a_broken_file_in_a_folder_does_not_end_the_run(run, tmp_path):
    clothes = load_data("fashion-mnist-1k", samples=6)
    for i, (image, label) in enumerate(zip(clothes.images, clothes.labels.tolist(), strict=True)):
        folder = tmp_path / "mine" / f"{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).round().byte().numpy()).save(folder / f"{i}.png")
    (tmp_path / "mine" / f"{int(clothes.labels[0])}" / "broken.png").write_bytes(b"nothing")
    status, out, err = run("sparsefool", "--data", str(tmp_path / "mine"), "--samples", "7")
    assert status == 0
    assert err.startswith("note: left out 1 unreadable file")
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert "broken.png" in err
    assert "on 6 images" in out
