import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from geomrob import randomness
from geomrob.augment import augmix as module
from geomrob.augment import pil_operations as pil
from geomrob.augment.augmix import OPERATIONS, AugMix, augmix
from geomrob.errors import UsageError
from geomrob.training.losses.jsd import jsd

KEYS = randomness.image_keys(7, torch.arange(10_000))
AFFINE, BILINEAR = Image.Transform.AFFINE, Image.Resampling.BILINEAR


def eight_bit(count=12, shape=(3, 17, 14), seed=0):
    return torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(seed)).float()


def smooth(count=6):
    """Few values, a narrow range, constant channels: where tables of grey values are tried."""
    images = (eight_bit(count) / 9).floor() + 40
    images[0] = 77
    images[1, 0] = (images[1, 0] > 50) * 200
    return images


def by_pillow(images, operation):
    pictures = [Image.fromarray(image.permute(1, 2, 0).byte().numpy()) for image in images]
    changed = [np.asarray(operation(picture, index)) for index, picture in enumerate(pictures)]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("images", [eight_bit(), smooth()], ids=["random", "smooth"])
def test_operations_without_a_number_are_those_of_pillow(images):
    assert torch.equal(pil.autocontrast(images), by_pillow(images, lambda picture, _: ImageOps.autocontrast(picture)))
    assert torch.equal(pil.equalize(images), by_pillow(images, lambda picture, _: ImageOps.equalize(picture)))


def test_equalize_of_large_images_is_that_of_pillow():
    images = (eight_bit(3, (1, 64, 60)) / 2).floor().expand(-1, 3, -1, -1).contiguous()
    assert torch.equal(pil.equalize(images), by_pillow(images, lambda picture, _: ImageOps.equalize(picture)))


def test_operations_on_values_are_those_of_pillow():
    images = eight_bit(9)
    bits = torch.arange(9.0).clamp(1, 8)
    expected = by_pillow(images, lambda picture, index: ImageOps.posterize(picture, int(bits[index])))
    assert torch.equal(pil.posterize(images, bits), expected)
    assert not pil.posterize(images, torch.zeros(9)).any()
    threshold = torch.linspace(0, 256, 9)
    expected = by_pillow(images, lambda picture, index: ImageOps.solarize(picture, int(threshold[index])))
    assert torch.equal(pil.solarize(images, threshold.floor()), expected)


def test_rotations_are_those_of_pillow():
    """Every value, at every whole angle that AugMix draws; at -30 degrees rounding decides two of 3.7 million."""
    degrees = torch.cat((torch.arange(-30.0, 31), torch.tensor([90.0, -90, 180, 45, 12.5])))
    for shape in ((3, 32, 32), (1, 28, 28), (3, 17, 14)):
        images = eight_bit(len(degrees), shape).expand(-1, 3, -1, -1).contiguous()
        expected = by_pillow(images, lambda picture, index: picture.rotate(float(degrees[index]), resample=BILINEAR))
        assert torch.equal(pil.rotate(images, degrees), expected)
    images = eight_bit(400, (3, 32, 32))
    expected = by_pillow(images, lambda picture, _: picture.rotate(-30, resample=BILINEAR))
    assert torch.equal(pil.rotate(images, torch.full((400,), -30.0)), expected)


@pytest.mark.parametrize(
    ("function", "place"),
    [(pil.shear_x, 1), (pil.shear_y, 3), (pil.translate_x, 2), (pil.translate_y, 5)],
)
def test_shears_and_translations_are_those_of_pillow(function, place):
    images = eight_bit()
    amounts = torch.linspace(-0.3, 0.3, 12) * (1 if place in (1, 3) else 15)

    def transformed(picture, index):
        numbers = [1.0, 0, 0, 0, 1, 0]
        numbers[place] = float(amounts[index])
        return picture.transform(picture.size, AFFINE, tuple(numbers), resample=BILINEAR)

    expected = by_pillow(images, transformed)
    assert torch.equal(function(images, amounts), expected)


def test_levels_are_those_of_the_published_code(monkeypatch):
    """Amount = whole part of level * most / 10, level ~ U(0.1, 3), sign by a coin."""
    seen = {}
    for name in OPERATIONS:
        operation = OPERATIONS[name]
        if operation.number is not None:
            spy = module.Operation(
                lambda images, number, name=name: seen.setdefault(name, number) is None or images,
                operation.most,
                operation.whole,
                operation.signed,
                operation.number,
            )
            monkeypatch.setitem(OPERATIONS, name, spy)
            module.operate(name, torch.zeros(10_000, 1, 32, 30), KEYS, 3.0)
    assert set(seen["posterize"].tolist()) == {3.0, 4.0}
    assert float((seen["posterize"] == 3).float().mean()) == pytest.approx(0.5 / 2.9, abs=0.02)
    assert seen["rotate"].abs().max() == 8
    assert float(seen["rotate"].mean()) == pytest.approx(0, abs=0.15)
    assert (seen["solarize"].min(), seen["solarize"].max()) == (256 - 76, 256 - 2)
    assert 0.089 < seen["shear_x"].max() <= 0.09
    assert seen["translate_x"].abs().max() == 2
    assert seen["translate_y"].abs().max() == 3


def test_images_stay_in_range_and_are_the_same_in_any_batch():
    images = eight_bit(20) / 255
    drawn = augmix(images, KEYS[:20])
    assert 0 <= drawn.min() < drawn.max() <= 1
    torch.testing.assert_close(torch.cat([augmix(images[i : i + 1], KEYS[i : i + 1]) for i in range(20)]), drawn)
    assert (augmix(images, KEYS[20:40]) - drawn).abs().max() > 0.01
    assert torch.equal(images, eight_bit(20) / 255)
    fixed = augmix(images, KEYS[:20], AugMix(width=1, depth=2, operations=("solarize",)))
    assert (fixed - images).abs().max() > 0.01


def test_jsd_by_hand():
    """Three certain, different answers: each KL is ln 3. Two of three agree: (2 ln 3/2 + ln 3) / 3."""
    sure = 50 * torch.eye(3)
    assert float(jsd(sure[:1], sure[1:2], sure[2:])) == pytest.approx(math.log(3), abs=1e-5)
    assert float(jsd(sure[:1], sure[:1], sure[2:])) == pytest.approx((2 * math.log(1.5) + math.log(3)) / 3, abs=1e-5)
    logits = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = logits.softmax(2)
    mixture = p.mean(0)
    wanted = (p * (p / mixture).log()).sum(2).mean()
    assert float(jsd(*logits)) == pytest.approx(float(wanted))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"operations": ("rotat",)}, "did you mean rotate"),
        ({"width": 0}, "must be at least 1"),
        ({"severity": 11.0}, r"severity of AugMix must lie in \[0.1, 10\]"),
    ],
)
def test_misuse(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        AugMix(**words)
