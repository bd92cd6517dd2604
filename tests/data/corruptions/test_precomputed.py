"""Sets on disk are read, always win, and are told from those that geomrob made; wrong files are explained."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.data import DATASETS, load_data
from geomrob.data.corruptions import corrupt, generate
from geomrob.data.corruptions.generate import write_corrupted
from geomrob.data.corruptions.precomputed import MANIFEST, load_corrupted
from geomrob.data.entry import transformed
from geomrob.errors import UsageError

COUNT = 200


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A data folder with a CIFAR-10-C of few images, whose fog says in its pixels which severity and image they are."""
    monkeypatch.setitem(DATASETS, "cifar10", replace(DATASETS["cifar10"], splits={"test": COUNT}))
    root = tmp_path / "CIFAR-10-C"
    root.mkdir()
    numbers = np.arange(5 * COUNT)
    pixels = np.zeros((5 * COUNT, 32, 32, 3), np.uint8)
    pixels[:, 0, 0] = np.stack((numbers // COUNT, numbers % COUNT // 100, numbers % 100), 1)
    np.save(root / "fog.npy", pixels)
    np.save(root / "labels.npy", np.tile(np.arange(COUNT) % 10, 5).astype(np.uint8))
    return root.parent


@pytest.mark.parametrize("severity", [1, 4])
def test_cifar_10_c_is_read_severity_after_severity(cifar, severity):
    found = load_corrupted("cifar10", "fog", severity, data_dir=cifar, samples=30, seed=2)
    assert (found.source, found.corruption, found.severity) == ("ready-made", "fog", severity)
    told = (found.samples.images[:, :, 0, 0] * 255).round().long()
    assert (told[:, 0] == severity - 1).all()
    assert torch.equal(100 * told[:, 1] + told[:, 2], found.samples.indices)
    assert torch.equal(found.samples.labels, found.samples.indices % 10)
    assert found.samples.classes[0] == "airplane"


def test_a_set_without_the_corruption_is_refused_and_not_filled_up(cifar):
    with pytest.raises(UsageError, match=r"hold snow.npy or snow/2; got fog: add it, or move CIFAR-10-C away"):
        load_corrupted("cifar10", "snow", 2, data_dir=cifar)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            np.zeros(COUNT, np.uint8),
            r"1,000 labels, .* 200 test images five times; got \(200,\): repeat them",
        ),
        (np.sort(np.tile(np.arange(COUNT) % 10, 5)).astype(np.uint8), "the same labels five times; got others"),
        (np.full(5 * COUNT, 10, np.uint8), r"must lie in 0 \.\.\. 9; got 10"),
    ],
    ids=["not repeated", "sorted by image", "of another set"],
)
def test_wrong_labels_are_explained(cifar, labels, words):
    np.save(cifar / "CIFAR-10-C" / "labels.npy", labels)
    with pytest.raises(UsageError, match=words):
        load_corrupted("cifar10", "fog", 1, data_dir=cifar, samples=3)


def test_wrong_arrays_are_explained(cifar):
    root = cifar / "CIFAR-10-C"
    for shape in ((COUNT, 32, 32, 3), (5 * COUNT, 28, 28, 3), (5 * COUNT, 3, 32, 32)):
        np.save(root / "frost.npy", np.zeros(shape, np.uint8))
        with pytest.raises(UsageError, match=r"\(1,000, 32, 32, 3\) bytes, the 200 test images five.*; got uint8"):
            load_corrupted("cifar10", "frost", 1, data_dir=cifar)
    (root / "snow.npy").write_bytes(b"no array")
    with pytest.raises(UsageError, match=r"snow.npy must be a readable .npy file"):
        load_corrupted("cifar10", "snow", 1, data_dir=cifar)


def folder(root, classes, count=2, side=24, start=0):
    """Make an image folder; each image has one value of its own."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            value = start + 10 * label + i
            Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(root / name / f"{i}.png")
    return root


def test_imagenet_c_is_read_for_a_folder_of_some_of_its_classes(tmp_path):
    folder(tmp_path / "ImageNet-C" / "fog" / "1", ["a", "b", "c"], start=101)
    folder(tmp_path / "ImageNet-C" / "fog" / "2", ["a", "b", "c"], start=102)
    images = folder(tmp_path / "images", ["a", "c"])
    found = load_corrupted(images, "fog", 2, data_dir=tmp_path)
    assert (found.source, found.samples.classes) == ("ready-made", ("a", "c"))
    assert found.samples.labels.tolist() == [0, 0, 1, 1]
    assert (found.samples.images[:, 0, 0, 0] * 255).round().tolist() == [102, 103, 122, 123]
    with pytest.raises(UsageError, match="got fog: add it"):
        load_corrupted(images, "snow", 2, data_dir=tmp_path)
    whole = load_corrupted(tmp_path / "ImageNet-C", "fog", 1)
    assert (whole.source, len(whole.samples), whole.samples.classes) == ("ready-made", 6, ("a", "b", "c"))


def test_a_folder_of_other_classes_is_corrupted_now(tmp_path):
    folder(tmp_path / "ImageNet-C" / "fog" / "1", ["a", "b"])
    images = folder(tmp_path / "images", ["a", "z"])
    found = load_corrupted(images, "contrast", 2, data_dir=tmp_path)
    assert (found.source, found.samples.classes) == ("made", ("a", "z"))


def test_what_is_not_on_disk_is_made_from_the_same_draw(monkeypatch):
    monkeypatch.delenv("GEOMROB_DATA", raising=False)
    clean = load_data("fashion-mnist-1k", samples=5, seed=1)
    found = load_corrupted("fashion-mnist-1k", "shot_noise", 3, samples=5, seed=1)
    assert found.source == "made"
    assert torch.equal(found.samples.indices, clean.indices)
    assert torch.equal(found.samples.images, corrupt(clean.images, "shot_noise", 3, seed=1, indices=clean.indices))


def test_corrupted_images_may_be_edited():
    plain = load_corrupted("fashion-mnist-1k", "shot_noise", 3, samples=5).samples
    found = load_corrupted("fashion-mnist-1k", "shot_noise", 3, samples=5, transform="lowpass:8").samples
    assert found.name == "fashion-mnist-1k (lowpass:8)"
    assert torch.equal(found.images, transformed(plain, "lowpass:8").images)


def test_a_set_that_geomrob_wrote_is_read_back_as_made(tmp_path):
    out = tmp_path / "out"
    assert write_corrupted("fashion-mnist-1k", out, names=("fog", "shot_noise"), samples=6, seed=4).left_out == ()
    assert np.load(out / "fog.npy").shape == (30, 28, 28, 1)
    for severity in (1, 5):
        found = load_corrupted(out, "shot_noise", severity)
        now = load_corrupted("fashion-mnist-1k", "shot_noise", severity, samples=6, seed=4)
        assert found.source == now.source == "made"
        assert torch.equal(found.samples.images, now.samples.images)
        assert torch.equal(found.samples.labels, now.samples.labels)
        assert found.samples.classes == now.samples.classes


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_folder_becomes_folders(tmp_path, form, monkeypatch):
    monkeypatch.setattr("geomrob.data.corruptions.generate.AT_ONCE", 3)
    images = folder(tmp_path / "images", ["a", "b"], count=3)
    (images / "b" / "1.png").write_bytes(b"no picture")
    left_out = write_corrupted(images, tmp_path / "out", names=("gaussian_noise",), form=form, seed=4).left_out
    assert len(left_out) == 1
    assert left_out[0].startswith("b/1.png: ")
    written = sorted(path.name for path in (tmp_path / "out" / "gaussian_noise" / "3").rglob("*/*.*"))
    assert written == [f"{name}.{form}" for name in ("0", "0", "1", "2", "2")]
    found = load_corrupted(tmp_path / "out", "gaussian_noise", 3)
    now = load_corrupted(images, "gaussian_noise", 3, seed=4)
    assert found.source == "made"
    assert torch.equal(found.samples.labels, now.samples.labels)
    error = float((found.samples.images - now.samples.images).abs().max())
    assert error == 0 if form == "png" else 0 < error < 0.5


def test_a_stopped_run_goes_on_with_the_same_settings_only(tmp_path):
    out = tmp_path / "out"
    write_corrupted("fashion-mnist-1k", out, names=("fog",), samples=3)
    before = (out / "fog.npy").stat().st_mtime_ns
    write_corrupted("fashion-mnist-1k", out, names=("fog", "snow"), samples=3)
    assert (out / "fog.npy").stat().st_mtime_ns == before
    assert json.loads((out / MANIFEST).read_text())["finished"] == ["fog", "snow"]
    with pytest.raises(UsageError, match=r"out must be made with the same samples, seed; got .* with 3, not 4"):
        write_corrupted("fashion-mnist-1k", out, names=("fog",), samples=4, seed=1)


def test_a_distributed_set_is_never_written_to(cifar):
    with pytest.raises(UsageError, match="out must be a new folder"):
        write_corrupted("fashion-mnist-1k", cifar / "CIFAR-10-C", names=("fog",))


@pytest.mark.parametrize(("name", "severity", "words"), [("fogg", 1, "did you mean fog"), ("fog", 6, "got 6")])
def test_misuse_is_told_before_anything_is_read(name, severity, words):
    with pytest.raises(UsageError, match=words):
        load_corrupted("no such data", name, severity)


def test_unknown_names_are_told_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="did you mean fog"):
        write_corrupted("fashion-mnist-1k", tmp_path / "out", names=("snow", "fogg"))
    assert not (tmp_path / "out").exists()


def test_classes_without_an_image_keep_their_number(tmp_path):
    images = folder(tmp_path / "images", ["a", "b", "c"])
    drawn = ((seed, load_data(images, samples=1, seed=seed)) for seed in range(20))
    seed, clean = next((seed, one) for seed, one in drawn if one.labels.item() > 0)
    write_corrupted(images, tmp_path / "out", names=("contrast",), samples=1, seed=seed)
    found = load_corrupted(tmp_path / "out", "contrast", 4).samples
    assert (found.classes, found.labels.item()) == (clean.classes, clean.labels.item())


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_images_of_one_name_are_all_kept(tmp_path, form):
    images = folder(tmp_path / "images", ["a"], count=1)
    for suffix, value in (("bmp", 60), ("jpg", 120), ("jpeg", 180)):
        Image.fromarray(np.full((24, 24, 3), value, np.uint8)).save(images / "a" / f"0.{suffix}")
    write_corrupted(images, tmp_path / "out", names=("contrast",), form=form)
    found = load_corrupted(tmp_path / "out", "contrast", 1).samples
    values = sorted((found.images.mean((1, 2, 3)) * 255).round().int().tolist())
    assert values == pytest.approx([0, 60, 120, 180], abs=2)


def test_a_corruption_that_is_not_whole_is_refused(tmp_path, monkeypatch):
    images = folder(tmp_path / "images", ["a", "b"])
    encoded, seen = generate._encoded, []

    def stop(*words):
        seen.append(1)
        if len(seen) > 3:
            raise KeyboardInterrupt
        return encoded(*words)

    monkeypatch.setattr(generate, "_encoded", stop)
    with pytest.raises(KeyboardInterrupt):
        write_corrupted(images, tmp_path / "out", names=("contrast",))
    with pytest.raises(UsageError, match=r"contrast of .*out must be whole; got a run .* stopped: run it again"):
        load_corrupted(tmp_path / "out", "contrast", 1)
    monkeypatch.setattr(generate, "_encoded", encoded)
    write_corrupted(images, tmp_path / "out", names=("contrast",))
    assert len(load_corrupted(tmp_path / "out", "contrast", 5).samples) == 4


def test_a_run_that_goes_on_still_names_what_it_left_out(tmp_path):
    images = folder(tmp_path / "images", ["a", "b"])
    (images / "b" / "1.png").write_bytes(b"no picture")
    first = write_corrupted(images, tmp_path / "out", names=("contrast",)).left_out
    assert len(first) == 1
    assert write_corrupted(images, tmp_path / "out", names=("contrast",)).left_out == first


def test_a_refused_run_can_be_begun_again(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="samples must lie in"):
        write_corrupted("fashion-mnist-1k", out, names=("fog",), samples=0)
    assert not out.exists()
    images = folder(tmp_path / "images", ["a"], side=64)
    with pytest.raises(UsageError, match="got auto"):
        write_corrupted(images, out, names=("contrast",))
    assert write_corrupted(images, out, names=("contrast",), table="cifar").left_out == ()


def test_images_of_another_size_are_refused_wherever_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "AT_ONCE", 1)
    images = folder(tmp_path / "images", ["a"])
    folder(images, ["b"], side=32)
    with pytest.raises(UsageError, match="must all have one size"):
        write_corrupted(images, tmp_path / "out", names=("contrast",))


def test_arrays_are_written_in_parts_with_the_same_answer(tmp_path, monkeypatch):
    for block in (2, 1024):
        monkeypatch.setattr(generate, "BLOCK", block)
        write_corrupted("fashion-mnist-1k", tmp_path / str(block), names=("shot_noise",), samples=5)
    one, other = (np.load(tmp_path / str(block) / "shot_noise.npy") for block in (2, 1024))
    np.testing.assert_array_equal(one, other)
