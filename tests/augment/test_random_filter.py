import pytest
import torch
import torch.nn.functional as F

from geomrob import randomness
from geomrob.augment.random_filter import filtered, random_filter, taps
from geomrob.errors import UsageError

MANY = randomness.image_keys(3, torch.arange(10_000))


def picture(shape=(2, 6, 5)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_mean_and_variance_over_many_draws():
    """Before the clipping: E = x, Var = sigma^2 (sum of squares of the 3x3 neighbourhood)."""
    image, sigma = picture(), 0.7
    drawn = filtered(image.expand(10_000, -1, -1, -1), taps(MANY, 3, torch.full((10_000,), sigma)))
    wanted = sigma**2 * 9 * F.avg_pool2d(image**2, 3, 1, 1)
    assert ((drawn.mean(0) - image).abs() / wanted.sqrt()).max() < 5 / 100
    assert (drawn.var(0) / wanted - 1).abs().max() < 0.08


def test_sigma_is_uniform_up_to_the_strength():
    """A grey image far from the ends: Var of the middle = 0.25 * 9 * E sigma^2 = 0.25 * 9 * strength^2 / 3."""
    drawn = random_filter(torch.full((10_000, 1, 3, 3), 0.5), MANY, strength=0.02)[:, 0, 1, 1]
    assert float(drawn.var() / (0.25 * 9 * 0.02**2 / 3)) == pytest.approx(1, abs=0.08)
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_is_the_cross_correlation_of_torch(size):
    images = picture((4, 3, 7, 6))
    filters = taps(MANY[:4], size, torch.ones(4))
    wanted = torch.cat(
        [
            F.conv2d(image[:, None], one[None, None], padding=size // 2).transpose(0, 1)
            for image, one in zip(images, filters, strict=True)
        ]
    )
    torch.testing.assert_close(filtered(images, filters), wanted)


def test_without_strength_it_is_the_identity_and_the_released_delta_is_not():
    images = picture((2, 3, 6, 5))
    assert torch.equal(random_filter(images, MANY[:2], strength=0), images)
    moved = random_filter(images, MANY[:2], strength=0, delta="released")
    assert torch.equal(moved[..., :-1, :-1], images[..., 1:, 1:])
    assert not moved[..., -1, :].any()
    assert not moved[..., -1].any()


def test_the_result_is_clipped_and_does_not_depend_on_the_batch():
    images = picture((20, 3, 6, 5))
    drawn = random_filter(images, MANY[:20])
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert torch.equal(torch.cat([random_filter(images[i : i + 1], MANY[i : i + 1]) for i in range(20)]), drawn)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"size": 4}, "must be odd; got 4"),
        ({"delta": "center"}, "did you mean centre"),
        ({"strength": -1}, "at least 0"),
    ],
)
def test_misuse(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        random_filter(picture((1, 1, 4, 4)), MANY[:1], **words)
