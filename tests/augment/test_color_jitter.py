import math

import pytest
import torch

from geomrob import randomness
from geomrob.augment.color_jitter import random_colors, recolored
from geomrob.errors import UsageError

MANY = randomness.image_keys(4, torch.arange(10_000))
VALUES = torch.tensor([0.1, 0.37, 0.5, 0.82]).reshape(1, 1, 1, 4)


def squares(frequencies):
    return sum(torch.sin(math.pi * k * VALUES.flatten()) ** 2 for k in frequencies)


def test_mean_and_variance_over_many_draws():
    """E = x, Var = E sigma^2 * sum of sin^2(pi k x), with E sigma^2 = strength^2 / 3; nothing is clipped here."""
    drawn = random_colors(VALUES.expand(10_000, 1, 1, 4), MANY, cut=6, strength=0.01).flatten(1)
    wanted = 0.01**2 / 3 * squares(range(1, 7))
    assert ((drawn.mean(0) - VALUES.flatten()).abs() / wanted.sqrt()).max() < 0.05
    assert (drawn.var(0) / wanted - 1).abs().max() < 0.1


def test_mean_and_variance_of_bands():
    drawn = random_colors(VALUES.expand(10_000, 1, 1, 4), MANY, cut=8, strength=0.01, band=3).flatten(1)
    wanted = sum(0.01**2 / 3 / 6 * squares(range(first, first + 3)) for first in range(1, 7))
    assert (drawn.var(0) / wanted - 1).abs().max() < 0.1


def test_mean_and_variance_of_the_released_law():
    drawn = random_colors(VALUES.expand(10_000, 1, 1, 4), MANY, cut=5, strength=1e-4, law="released").flatten(1)
    wanted = sum(1e-4 / 2 / 5 * squares(range(1, cut + 1)) for cut in range(1, 6))
    assert ((drawn.mean(0) - VALUES.flatten()).abs() / wanted.sqrt()).max() < 0.05
    assert (drawn.var(0) / wanted - 1).abs().max() < 0.12


@pytest.mark.parametrize(("count", "first"), [(1, 1), (10, 1), (20, 480), (100, 1)])
def test_the_recurrence_is_the_sum(count, first):
    images = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coefficients = randomness.normal(MANY[:2], 3 * count).unflatten(1, (3, count))
    wave = torch.arange(first, first + count, dtype=torch.float64)
    sines = torch.sin(math.pi * wave * images[..., None])
    wanted = images + (coefficients.double()[:, :, None, None] * sines).sum(-1)
    torch.testing.assert_close(recolored(images, coefficients, torch.full((2,), first)), wanted)
    single = recolored(images.float(), coefficients, torch.full((2,), first))
    assert (single - wanted).abs().max() < 2e-3 * coefficients.abs().max()


def test_black_and_white_stay_and_every_channel_has_its_curve():
    ends = torch.tensor([0.0, 1.0]).expand(5, 3, 1, 2)
    torch.testing.assert_close(random_colors(ends, MANY[:5], strength=1.0), ends, atol=2e-5, rtol=0)
    grey = random_colors(torch.full((5, 3, 2, 2), 0.3), MANY[:5], strength=0.1)
    assert (grey[:, 0] - grey[:, 1]).abs().min() > 0
    assert (grey[:, :, :1, :1] == grey).all()


def test_the_result_does_not_depend_on_the_batch():
    images = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    for law, band in (("thesis", 0), ("released", 4)):
        drawn = random_colors(images, MANY[:12], cut=9, strength=0.3, band=band, law=law)
        split = [
            random_colors(images[i : i + 5], MANY[i : min(i + 5, 12)], cut=9, strength=0.3, band=band, law=law)
            for i in (0, 5, 10)
        ]
        torch.testing.assert_close(torch.cat(split), drawn, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("words", "sentence"), [({"cut": 0}, "cut must be at least 1"), ({"law": "these"}, "did you mean thesis")]
)
def test_misuse(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        random_colors(VALUES, MANY[:1], **words)
