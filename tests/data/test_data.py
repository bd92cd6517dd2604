"""The table of data sets, `load`, and the embedded images."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from geomrob.data import DATASETS, embedded, idx, load_data
from geomrob.errors import UsageError
from geomrob.spectral.frequency_filters import low_pass

ROOT = Path(__file__).parents[2]


def test_the_embedded_set_is_balanced_small_and_in_range():
    clothes = load_data("fashion-mnist-1k")
    assert clothes.images.shape == (1000, 1, 28, 28)
    assert clothes.labels.bincount().tolist() == [100] * 10
    assert len(clothes.indices.unique()) == 1000
    assert 0 <= clothes.images.min() < clothes.images.max() <= 1
    assert sum(file.stat().st_size for file in embedded.ASSETS.glob("fashion-mnist-1k*")) < 600_000
    assert "MIT License" in (embedded.ASSETS / "fashion-mnist-1k.LICENSE.txt").read_text()


def test_a_mosaic_taken_apart_is_what_was_laid_out():
    images = torch.arange(100 * 784, dtype=torch.int32).to(torch.uint8).reshape(100, 28, 28).numpy()
    mosaic = embedded.to_mosaic(images)
    assert (mosaic[28:56, 28:56] == images[51]).all()
    assert (embedded.from_mosaic(mosaic) == images).all()


@pytest.mark.parametrize("damage", ["png", "json", "pixels"])
def test_a_damaged_installation_is_told(tmp_path, monkeypatch, damage):
    for suffix in ("png", "json"):
        name = f"fashion-mnist-1k.{suffix}"
        content = (embedded.ASSETS / name).read_bytes()
        if suffix == damage:
            content = content[:500]
        if suffix == "json" and damage == "pixels":
            content = content.replace(b'"pixels_sha256": "', b'"pixels_sha256": "0')
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(embedded, "ASSETS", tmp_path)
    with pytest.raises(UsageError, match="install geomrob again"):
        load_data("fashion-mnist-1k")


@pytest.mark.parametrize("name", DATASETS)
def test_every_entry_is_complete(name):
    entry = DATASETS[name]
    assert entry.splits["test"] > 0
    assert len(set(entry.classes)) == len(entry.classes)
    assert entry.licence
    assert entry.reference


def test_draws_leave_the_global_generator_alone_and_repeat():
    before = torch.get_rng_state()
    one, two = load_data("fashion-mnist-1k", samples=30, seed=3), load_data("fashion-mnist-1k", samples=30, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.images, two.images)
    assert one.indices.tolist() != load_data("fashion-mnist-1k", samples=30, seed=4).indices.tolist()


def test_the_drawn_order_is_the_same_everywhere():
    assert load_data("fashion-mnist-1k", samples=5, seed=0).indices.tolist() == [410, 359, 758, 826, 495]


@pytest.mark.parametrize("samples", [0, -3, 1001])
def test_impossible_draws_are_refused(samples):
    with pytest.raises(UsageError, match=r"samples must lie in 1 ... 1000; got"):
        load_data("fashion-mnist-1k", samples=samples)


def test_unknown_names_offer_the_nearest():
    with pytest.raises(UsageError, match="did you mean fashion-mnist"):
        load_data("fasion-mnist")
    with pytest.raises(UsageError, match="split must be one of test"):
        load_data("fashion-mnist-1k", split="train")
    with pytest.raises(UsageError, match="neither: check the path"):
        load_data("some/where")


@pytest.mark.slow
@pytest.mark.skipif("GEOMROB_DATA" not in os.environ, reason="GEOMROB_DATA names no folder with the full data sets")
def test_the_embedded_images_are_made_again_byte_for_byte(tmp_path):
    script = ROOT / "experiments" / "embed_fashion_mnist.py"
    words = [sys.executable, str(script), "--data-dir", os.environ["GEOMROB_DATA"], "--out", str(tmp_path)]
    subprocess.run(words, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    for name in ("fashion-mnist-1k.png", "fashion-mnist-1k.json"):
        assert (tmp_path / name).read_bytes() == (embedded.ASSETS / name).read_bytes()
    images, labels, _ = idx.read(Path(os.environ["GEOMROB_DATA"]) / "FashionMNIST" / "raw", "test")
    clothes = load_data("fashion-mnist-1k")
    assert (labels[clothes.indices] == clothes.labels.numpy()).all()
    assert ((clothes.images * 255).round().numpy() == images[clothes.indices]).all()


@pytest.mark.slow
@pytest.mark.skipif("GEOMROB_DATA" not in os.environ, reason="GEOMROB_DATA names no folder with the full data sets")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_full_sets_have_the_size_that_the_table_states(name, split):
    entry = DATASETS[name]
    if not (Path(os.environ["GEOMROB_DATA"]) / entry.folder).is_dir():
        pytest.skip(f"{entry.folder} is not in GEOMROB_DATA")
    samples = load_data(name, split=split)
    assert samples.images.shape == (entry.splits[split], *entry.shape)
    assert len(samples.labels.unique()) == len(entry.classes)


def test_edited_images_are_those_of_the_same_draw():
    plain = load_data("fashion-mnist-1k", samples=6, seed=2)
    edited = load_data("fashion-mnist-1k", samples=6, seed=2, transform="lowpass:14")
    torch.testing.assert_close(edited.images, low_pass(plain.images, 14), atol=1e-5, rtol=0)
    assert torch.equal(edited.indices, plain.indices)
    assert edited.name == "fashion-mnist-1k (lowpass:14)"
    assert edited.subset(torch.tensor([1])).name == edited.name
    with pytest.raises(UsageError, match="did you mean flip"):
        load_data("fashion-mnist-1k", transform="flp")
