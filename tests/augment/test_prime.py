import dataclasses
import time

import pytest
import torch

from geomrob import randomness
from geomrob.augment import prime as module
from geomrob.augment.prime import PRESETS, Prime, prime
from geomrob.errors import UsageError
from geomrob.models import build
from geomrob.models.architectures.resnet import resnet

KEYS = randomness.image_keys(6, torch.arange(10_000))


def pictures(count=24, shape=(3, 10, 10)):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", PRESETS)
def test_images_stay_in_range_and_are_the_same_in_any_batch(name):
    images, how = pictures(), PRESETS[name]
    before = torch.get_rng_state()
    drawn = prime(images, KEYS[:24], how)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 <= drawn.min() < drawn.max() <= 1
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    shuffled = prime(images[order], KEYS[order], how)
    # Waves of up to 500 half periods on 10 pixels: their sums round.
    close = 2e-4 if name == "imagenet-released" else 2e-5
    torch.testing.assert_close(shuffled, drawn[order], atol=close, rtol=0)
    split = [prime(images[part], KEYS[part], how) for part in torch.arange(24).split(5)]
    torch.testing.assert_close(torch.cat(split), drawn, atol=close, rtol=0)
    assert torch.equal(prime(images, KEYS[:24], how), drawn)
    assert not torch.allclose(prime(images, KEYS[24:48], how), drawn, atol=1e-3)
    assert torch.equal(images, pictures())


@pytest.mark.parametrize("mixing", ["thesis", "beta", "released", "none"])
def test_without_strength_it_is_the_identity(mixing):
    images = pictures()
    still = prime(images, KEYS[:24], Prime(mixing=mixing, strength=0.0))
    torch.testing.assert_close(still, images, atol=2e-5, rtol=0)


def test_links_of_the_thesis_are_uniform_with_identity():
    links = module._links(KEYS, Prime())
    for place in range(3):
        assert (links[:, place].bincount(minlength=4) / 10_000 - 0.25).abs().max() < 0.02


def test_links_of_the_released_code_have_a_random_depth_and_no_identity():
    links = module._links(KEYS, Prime(mixing="released"))
    depth = (links < 3).sum(1)
    assert (depth.bincount(minlength=4)[1:] / 10_000 - 1 / 3).abs().max() < 0.02
    assert (links[:, 0].bincount(minlength=4)[:3] / 10_000 - 1 / 3).abs().max() < 0.02
    assert (links[:, 1:].diff(dim=1) >= 0)[links[:, 1] == 3].all()


@pytest.mark.parametrize(
    ("how", "mean", "square"),
    [
        (Prime(), 1 / 4, 1 / 10),
        (Prime(mixing="released"), 1 / 2, 1 / 3),
        (Prime(mixing="beta", beta=(3.0, 1.0)), 1 / 4, 1 / 10),
        (Prime(mixing="beta", beta=(1.0, 4.0)), 4 / 5, 2 / 3),
    ],
)
def test_the_weight_of_the_clean_image(how, mean, square):
    """Clean images of 1 and chains of 0: what comes out is the weight of the clean image."""
    ones = torch.ones(10_000, 1, 1, 1)
    weight = module._mixed(ones, torch.zeros(3, 10_000, 1, 1, 1), KEYS, how).flatten()
    assert float(weight.mean()) == pytest.approx(mean, abs=0.02)
    assert float(weight.square().mean()) == pytest.approx(square, abs=0.02)


def test_the_shares_sum_to_one():
    assert (
        module._mixed(torch.ones(50, 1, 2, 2), torch.ones(3, 50, 1, 2, 2), KEYS[:50], Prime()).sub(1).abs().max() < 1e-6
    )


def test_only_the_drawn_primitive_is_computed(monkeypatch):
    seen: dict[str, int] = {}

    def count(name, images, keys, how):
        seen[name] = seen.get(name, 0) + len(images)
        return images

    monkeypatch.setattr(module, "_primitive", count)
    prime(pictures(200), KEYS[:200], Prime())
    links = module._links(torch.cat([randomness.fork(KEYS[:200], 1, chain) for chain in range(3)]), Prime())
    assert seen == {name: int((links == number).sum()) for number, name in enumerate(module.PRIMITIVES)}


@pytest.mark.parametrize("name", module.PRIMITIVES)
def test_one_primitive_alone_and_the_strength(name):
    images = pictures(64)
    alone = Prime(primitives=(name,), mixing="none", depth=1)
    changed = [
        float((prime(images, KEYS[:64], dataclasses.replace(alone, strength=strength)) - images).abs().mean())
        for strength in (0.01, 0.1, 1.0)
    ]
    assert 0 < changed[0] < changed[1] < changed[2]


def test_the_released_strength_of_colours_is_a_variance():
    how = Prime(primitives=("color",), mixing="none", depth=1, law="released", color_strength=1e-4)
    images = torch.full((2000, 1, 4, 4), 0.5)
    one, half = (
        module._primitive("color", images, KEYS[:2000], dataclasses.replace(how, strength=strength)).var()
        for strength in (1.0, 0.5)
    )
    assert float(half / one) == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"mixing": "theses"}, "did you mean thesis"),
        ({"primitives": ("spatal",)}, "did you mean spatial"),
        ({"width": 0}, "must be at least 1"),
        ({"strength": -1.0}, "strength at least 0"),
        ({"beta": (1.0,)}, "two numbers above 0"),
        ({"delta": "corner"}, "delta of PRIME must be one of"),
    ],
)
def test_misuse(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        Prime(**words)


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("shape", "batch", "steps", "model", "limit"),
    [
        ((3, 32, 32), 32, 2, resnet, 1.27),
        ((1, 28, 28), 128, 8, lambda: build("fmnist-standard", seed=0), 2.0),
    ],
    ids=["resnet18", "small"],
)
def test_cost_of_a_training_step(shape, batch, steps, model, limit):
    """CPU time of the augmentation beside that of the step: the thesis pays 27 % more for a ResNet-18."""
    network = model().train().requires_grad_(True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images, labels, keys = pictures(batch, shape), torch.arange(batch) % 10, KEYS[:batch]

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def seconds(work):
        work()
        start = time.process_time()
        for _ in range(steps):
            work()
        return time.process_time() - start

    assert 1 + seconds(lambda: prime(images, keys)) / seconds(step) < limit
