"""Every corruption on every kind of image: shape, type, chance that is keyed, misuse in one sentence."""

import time

import numpy as np
import pytest
import torch

from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from geomrob.data.corruptions.severities import TABLES
from geomrob.errors import UsageError
from tests.data.corruptions.samples import colour, grey

NAMES = tuple(CORRUPTIONS)
CHANCELESS = {
    "defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur", "saturate",
}  # fmt: skip


def test_table_is_the_benchmark():
    assert len(CORRUPTIONS) == 19
    assert sum(one.benchmark for one in CORRUPTIONS.values()) == 15
    for table in TABLES.values():
        assert set(table) == set(CORRUPTIONS)
        assert all(len(rows) == 5 for rows in table.values())
    by_kind = {kind: sum(one.category == kind for one in CORRUPTIONS.values()) for kind in ("noise", "blur", "weather")}
    assert by_kind == {"noise": 4, "blur": 5, "weather": 5}


@pytest.mark.parametrize(
    ("split", "low", "mid"),
    [
        (
            "push_pull",
            {"frost", "fog", "brightness", "contrast"},
            {"glass_blur", "motion_blur", "zoom_blur", "snow", "elastic_transform"},
        ),
        (
            "pixel_similarity",
            {"snow", "frost", "fog", "brightness", "contrast"},
            {
                "motion_blur", "zoom_blur", "defocus_blur", "glass_blur", "elastic_transform", "jpeg_compression",
                "pixelate",
            },
        ),
    ],
)  # fmt: skip
def test_frequency_groups_are_those_of_the_papers(split, low, mid):
    groups = {name: getattr(one, split) for name, one in CORRUPTIONS.items()}
    assert {name for name, group in groups.items() if group == "low"} == low
    assert {name for name, group in groups.items() if group == "mid"} == mid
    benchmark = {name for name, one in CORRUPTIONS.items() if one.benchmark}
    assert {name for name, group in groups.items() if group == "high"} == benchmark - low - mid


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("images", "table"),
    [
        (grey(4), "auto"),
        (colour(4), "auto"),
        (colour(4, side=32), "auto"),
        (colour(4, side=32)[:, :1, :, :28], "cifar"),
        (colour(4, side=56), "imagenet"),
        (colour(4, side=56)[:, :1, 4:], "imagenet"),
    ],
    ids=["grey28", "colour28", "colour32", "grey32x28", "colour56", "grey52x56"],
)
def test_two_runs_any_split_any_order_are_one_answer(name, images, table):
    before = images.clone()
    severity = 1 + NAMES.index(name) % 5
    found = corrupt(images, name, severity, seed=3, table=table)
    assert (found.shape, found.dtype) == (images.shape, torch.uint8)
    assert torch.equal(found, corrupt(images, name, severity, seed=3, table=table))
    order = torch.tensor([2, 0, 3, 1])
    pieces = [
        corrupt(images[part], name, severity, seed=3, indices=part, table=table) for part in (order[:1], order[1:])
    ]
    assert torch.equal(found[order], torch.cat(pieces))
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_index_or_severity_is_another_draw(name):
    images = grey(1).expand(2, -1, -1, -1)
    found = corrupt(images, name, 3)
    alike = torch.equal(found[0], found[1])
    assert alike == torch.equal(found, corrupt(images, name, 3, seed=1)) == (name in CHANCELESS)


def test_noise_of_two_severities_is_not_one_noise_scaled():
    flat = torch.full((1, 1, 28, 28), 128, dtype=torch.uint8)
    one, two = (corrupt(flat, "gaussian_noise", s).double().flatten() - 128 for s in (1, 2))
    assert abs(float(torch.corrcoef(torch.stack((one, two)))[0, 1])) < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_large_batches_are_worked_on_in_parts_with_the_same_answer(name, monkeypatch):
    images = colour(5)
    found = corrupt(images, name, 4)
    monkeypatch.setattr("geomrob.data.corruptions.AT_ONCE", 2 * 3 * 28 * 28)
    assert torch.equal(found, corrupt(images, name, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_are_whole_steps_of_8_bits_in_their_own_type(dtype):
    images = colour(3)
    found = corrupt(images.to(dtype) / 255, "snow", 2)
    assert found.dtype == dtype
    assert torch.equal((found * 255).round().to(torch.uint8), corrupt(images, "snow", 2))
    assert torch.equal(found, (found * 255).round() / 255)


def test_equal_channels_make_grey_and_colour_agree_where_nothing_is_drawn_or_coloured():
    images = grey(3)
    for name in ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow", "fog", "brightness", "contrast",
                 "elastic_transform", "pixelate", "gaussian_blur"):  # fmt: skip
        three = corrupt(images.expand(-1, 3, -1, -1), name, 3)
        difference = (three - corrupt(images, name, 3).int()).abs()
        assert int(difference.max()) <= 1, name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_full_size(name):
    for images in (colour(2, side=224), colour(2, side=224)[:, :1]):
        for severity in SEVERITIES:
            found = corrupt(images, name, severity)
            assert torch.equal(found[1:], corrupt(images[1:], name, severity, indices=torch.tensor([1])))
            if not (name == "saturate" and images.shape[1] == 1):
                assert not torch.equal(found, images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "fogg"}, "did you mean fog"),
        ({"severity": 0}, r"severity must lie in 1 \.\.\. 5; got 0"),
        ({"severity": 6}, "got 6"),
        ({"table": "tiny"}, "table must be one of auto, cifar, imagenet"),
        ({"images": torch.zeros(2, 3, 64, 64)}, "cifar or imagenet for images of 64 x 64; got auto"),
        ({"images": torch.zeros(2, 3, 15, 28)}, "at least 16 x 16"),
        ({"images": torch.zeros(2, 2, 28, 28)}, "1 or 3 channels; got 2"),
        ({"images": torch.zeros(0, 3, 28, 28, dtype=torch.uint8)}, "N > 0"),
        ({"images": torch.full((1, 1, 28, 28), 2.0)}, "before normalisation"),
        ({"images": torch.full((1, 1, 28, 28), torch.nan)}, "must be finite"),
        ({"indices": torch.arange(3)}, r"indices must be shaped \(2,\)"),
        (
            {"name": "frost", "images": torch.zeros(1, 3, 400, 100), "table": "imagenet"},
            "at most 314x526 pixels for frost; got 400x100",
        ),
    ],
    ids=lambda change: ", ".join(change) if isinstance(change, dict) else "",
)
def test_misuse_is_one_sentence(change, words):
    call = {"images": torch.zeros(2, 1, 28, 28), "name": "fog", "severity": 3, **change}
    with pytest.raises(UsageError, match=words):
        corrupt(call.pop("images"), call.pop("name"), call.pop("severity"), **call)


@pytest.mark.benchmark
@pytest.mark.parametrize("name", NAMES)
def test_hundreds_of_small_images_a_second(name):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (512, 3, 32, 32), dtype=np.uint8))
    least = 60 if name in {"glass_blur", "motion_blur", "snow", "elastic_transform"} else 500
    corrupt(images[:8], name, 5)
    for severity in SEVERITIES:
        start = time.process_time()
        corrupt(images, name, severity)
        assert len(images) / (time.process_time() - start) > least
