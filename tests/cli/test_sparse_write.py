"""The files of `geomrob sparsefool`: the images do what the table and their names say."""

import csv

import numpy as np
import torch
from PIL import Image

from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.results import Sparsity, load
from geomrob.tables import slug

QUICK = ["sparsefool", "--samples", "8"]


def lines(folder):
    with (folder / "sparsefool.csv").open() as file:
        return list(csv.DictReader(file))


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
    kept = np.load(adversarial)
    assert again.images.numpy().tobytes() == kept["x"].tobytes()
    assert again.labels.tolist() == kept["y"].tolist()
    status, out, _ = run(*QUICK, "--data", str(adversarial), "--out", str(tmp_path / "again"))
    assert status == 0
    assert "on 8 images" in out
    found = load(tmp_path / "again" / "sparsefool.json", Sparsity)
    assert found.accuracy == np.mean(kept["after"] == kept["y"])
    assert f"{found.accuracy:.1%}" in out


def seen_in(path, model):
    """Return the class that the model sees in the picture at `path`."""
    image = torch.from_numpy(np.asarray(Image.open(path)).astype(np.float32) / np.float32(255))
    with torch.no_grad():
        return int(model(image[None, None] if image.ndim == 2 else image.movedim(-1, 0)[None]).argmax())


def test_every_png_does_what_its_name_says_where_plain_rounding_would_lose_it(run, tmp_path):
    run("sparsefool", "--samples", "100", "--lam", "1")
    folder, model = tmp_path / "out", load_model("fmnist-lenet")
    found, classes = load(folder / "sparsefool.json", Sparsity), load_data("fashion-mnist-1k").classes
    plain = (found.result.perturbed[found.result.success] * 255).round() / 255
    with torch.no_grad():
        lost = model(plain).argmax(1) == found.result.labels[found.result.success]
    assert bool(lost.any())
    pictures = list((folder / "images").iterdir())
    assert len(pictures) == int(found.survived.sum())
    for path in pictures:
        assert path.stem.split("-to-")[1] == slug(classes[seen_in(path, model)])


def test_a_second_run_leaves_nothing_of_the_first_and_no_file_of_the_user(run, tmp_path):
    run(*QUICK)
    mine = tmp_path / "out" / "images" / "mine.png"
    mine.write_bytes(b"of the user")
    assert run(*QUICK, "--radius", "0.01")[0] == 3
    assert list((tmp_path / "out" / "images").iterdir()) == [mine]
    assert not (tmp_path / "out" / "gallery.png").exists()


def bright():
    """Return a model of colour images with 2 classes: more red than green, or not."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 2))
    with torch.no_grad():
        model[1].bias.zero_()
        model[1].weight.copy_(torch.tensor([[1.0, -1, 0], [-1, 1, 0]]).repeat_interleave(64, 1))
    return model


def test_colour_images_count_pixels_and_elements_and_become_colour_png(run, tmp_path):
    images = np.random.default_rng(0).random((6, 3, 8, 8), dtype=np.float32)
    np.savez(tmp_path / "mine.npz", x=images, y=np.arange(6) % 2, classes=np.array(["красный", "green"]))
    name = "tests.cli.test_sparse_write:bright"
    status, _, err = run("sparsefool", "--model", name, "--data", str(tmp_path / "mine.npz"), "--samples", "6")
    assert (status, err) == (0, "")
    found = load(tmp_path / "out" / "sparsefool.json", Sparsity)
    changed = found.result.perturbed != found.result.inputs
    assert [float(line["pixels"]) for line in lines(tmp_path / "out")] == changed.any(1).sum((1, 2)).tolist()
    assert [float(line["elements"]) for line in lines(tmp_path / "out")] == changed.sum((1, 2, 3)).tolist()
    pictures = list((tmp_path / "out" / "images").iterdir())
    assert {path.stem[6:] for path in pictures} <= {"0-to-green", "green-to-0"}
    for path in pictures:
        assert Image.open(path).mode == "RGB"
        assert ["0", "green"][seen_in(path, bright())] == path.stem.split("-to-")[1]


def test_a_picture_elsewhere(run, tmp_path):
    assert run(*QUICK, "--figure", str(tmp_path / "other" / "some.pdf"))[0] == 0
    assert (tmp_path / "other" / "some.pdf").read_bytes().startswith(b"%PDF")
