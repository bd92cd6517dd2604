"""Lazy images: a tensor that is read when it is used."""

import numpy as np
import pytest
import torch
from PIL import Image

from geomrob.arrays import check_images
from geomrob.data import load_data
from geomrob.data.entry import Samples, of_array, transformed
from geomrob.data.lazy import AT_ONCE, LazyImages, held_if_small
from geomrob.errors import UsageError

HELD = torch.rand(20, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def reads():
    return []


@pytest.fixture
def lazy(reads):
    def read(position):
        reads.append(position)
        return HELD[position]

    return LazyImages(read, 20, (3, 4, 5))


@pytest.mark.parametrize(
    "key", [slice(3, 9), slice(None), slice(-2, None), slice(None, None, 3), torch.tensor([4, 4, -1]), 7, -1, [2, 3]]
)
def test_what_is_taken_is_read_and_nothing_else(lazy, reads, key):
    taken = lazy[key]
    assert type(taken) is torch.Tensor
    assert torch.equal(taken, HELD[key])
    assert reads == torch.arange(20)[key].reshape(-1).tolist()


def test_a_mask_and_several_axes_are_taken_as_of_a_tensor(lazy):
    mask = torch.arange(20) % 3 == 0
    assert torch.equal(lazy[mask], HELD[mask])
    assert torch.equal(lazy[2:5, 1], HELD[2:5, 1])


def test_shape_type_and_device_are_known_without_reading(lazy, reads):
    assert (lazy.shape, len(lazy), lazy.ndim, lazy.numel()) == (HELD.shape, 20, 4, HELD.numel())
    assert (lazy.dtype, lazy.device, lazy.element_size(), lazy.nbytes) == (HELD.dtype, HELD.device, 4, HELD.nbytes)
    assert lazy.detach() is lazy.to("cpu") is lazy.cpu() is lazy
    assert lazy.is_floating_point()
    assert lazy.to(torch.float64).dtype == torch.float64
    assert lazy.picked(torch.tensor([5, 1])).shape == (2, 3, 4, 5)
    assert not reads


def test_every_other_operation_is_that_of_the_whole_tensor(lazy):
    assert torch.equal(lazy + 1, HELD + 1)
    assert torch.equal(torch.cat([lazy, lazy]), torch.cat([HELD, HELD]))
    weights = torch.ones(2, 3, 2, 2)
    assert torch.equal(torch.nn.functional.conv2d(lazy, weights), torch.nn.functional.conv2d(HELD, weights))
    assert type(lazy.mean()) is torch.Tensor


def test_parts_picks_types_and_changes_are_those_of_a_tensor(lazy, reads):
    parts = lazy.split(8)
    assert not reads
    assert all(torch.equal(part, held) for part, held in zip(parts, HELD.split(8), strict=True))
    rows = torch.tensor([9, 0, 9])
    assert torch.equal(lazy.picked(rows)[1:], HELD[rows][1:])
    assert torch.equal(lazy.to(torch.float64)[:2], HELD.double()[:2])
    changed = lazy.picked(rows).mapped(lambda image, row: image + row)
    assert torch.equal(changed[:], HELD[rows] + torch.arange(3).reshape(3, 1, 1, 1))


def test_an_image_of_another_shape_is_one_sentence():
    lazy = LazyImages(lambda position: torch.zeros(1, 2, 2 + position), 3, (1, 2, 2))
    assert lazy[0].shape == (1, 2, 2)
    with pytest.raises(UsageError, match=r"all be shaped \(1, 2, 2\); got \(1, 2, 4\) at 2"):
        lazy[2:]


def test_all_images_are_checked_a_few_at_a_time():
    def read(position):
        return torch.full((1, 2, 2), torch.nan if position in (70, 150) else 0.5)

    check_images(LazyImages(read, 70, (1, 2, 2)))
    with pytest.raises(UsageError, match="NaN or infinity in images 70:"):
        check_images(LazyImages(read, 140, (1, 2, 2)))
    with pytest.raises(UsageError, match=r"in bounds \(0, 1\); got \[2, 2\]"):
        check_images(LazyImages(lambda position: torch.full((1, 2, 2), 2.0), 200, (1, 2, 2)))


def test_small_sets_are_held_and_large_ones_are_not():
    side = 2**10
    for count, kind in ((AT_ONCE // (4 * side * side), torch.Tensor), (AT_ONCE // (4 * side * side) + 1, LazyImages)):
        assert type(held_if_small(LazyImages(lambda _: torch.zeros(1, side, side), count, (1, side, side)))) is kind


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr("geomrob.data.lazy.AT_ONCE", 0)


def test_a_memory_mapped_file_is_read_when_it_is_used(tmp_path, everything_is_large):
    array = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    images = of_array(np.load(tmp_path / "x.npy", mmap_mode="r"), torch.tensor([4, 2]))
    assert isinstance(images, LazyImages)
    assert torch.equal(images[:], torch.from_numpy(array[[4, 2]]).float() / 255)


def test_a_folder_has_the_same_images_read_at_once_or_when_used(tmp_path, monkeypatch):
    draws = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            pixels = draws.integers(0, 256, (8, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / "b" / "broken.png").write_bytes(b"no image")
    for transform in (None, "flip", "lowpass:4"):
        held = load_data(tmp_path, samples=5, seed=1, transform=transform)
        with monkeypatch.context() as patch:
            patch.setattr("geomrob.data.lazy.AT_ONCE", 0)
            lazy = load_data(tmp_path, samples=5, seed=1, transform=transform)
        assert isinstance(lazy.images, LazyImages)
        assert torch.equal(lazy.images[:], held.images)
        assert (lazy.name, lazy.skipped, lazy.labels.tolist()) == (held.name, held.skipped, held.labels.tolist())
        part = torch.tensor([3, 1])
        assert isinstance(lazy.subset(part).images, LazyImages)
        assert torch.equal(lazy.subset(part).images[:], held.subset(part).images)
    (tmp_path / "a" / "0.png").unlink()
    with pytest.raises(UsageError, match="must stay readable until the end"):
        lazy.images[:]


def test_a_transform_that_does_not_fit_is_reported_before_the_work(lazy):
    samples = Samples(lazy, torch.zeros(20, dtype=torch.int64), ("a",), torch.arange(20), "mine")
    with pytest.raises(UsageError, match="size of a corner"):
        transformed(samples, "lowpass:9")
