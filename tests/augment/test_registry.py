import dataclasses
import importlib.util
import math
import sys
import types

import pytest
import torch
from torch import nn

from geomrob import randomness
from geomrob.augment import registry
from geomrob.augment.auto_augment import policy
from geomrob.augment.prime import PRESETS, prime
from geomrob.augment.registry import METHODS, enlarged, views, write_samples
from geomrob.augment.registry import augmentation as make
from geomrob.data import load_data
from geomrob.data.entry import transformed
from geomrob.errors import UsageError
from geomrob.training import Adversarial, Augment, Options, fit
from geomrob.training.losses.jsd import jsd
from geomrob.training.losses.objective import Objective
from geomrob.training.recipe import Recipe
from geomrob.training.recipe_files import read_recipe

OURS = ["prime", "augmix"]
KORNIA = importlib.util.find_spec("kornia") is not None


@pytest.fixture(scope="module")
def clothes():
    return load_data("fashion-mnist-1k", samples=40, seed=0)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def test_a_table_of_a_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "fmnist-lenet"\ndata = "mnist"\n[augment]\nmethod = "prime"\njsd = 12\nbeta = [2, 1]\n')
    how = read_recipe(path).options.augment
    assert how == Augment(method="prime", jsd=12, beta=(2, 1))
    assert how.prime() == dataclasses.replace(PRESETS["cifar"], beta=(2, 1))
    assert Augment(preset="imagenet-released", mixing="thesis").prime().mixing == "thesis"


def test_primitives_of_a_recipe_with_their_cuts_and_strengths(tmp_path, clothes):
    path = tmp_path / "mine.toml"
    own = 'primitives = ["spatial", "color"]\nspatial_cut = 10\ncolor_cut = 500\ncolor_strength = 0.001\n'
    path.write_text(f'model = "fmnist-lenet"\ndata = "mnist"\n[augment]\n{own}')
    how = read_recipe(path).options.augment
    changed = {"primitives": ("spatial", "color"), "spatial_cut": 10, "color_cut": 500, "color_strength": 0.001}
    assert how.prime() == dataclasses.replace(PRESETS["cifar"], **changed)
    keys = randomness.image_keys(1, clothes.indices, epoch=0)
    assert torch.equal(make(how)(clothes.images, keys), prime(clothes.images, keys, how.prime()))
    assert not torch.equal(make(Augment())(clothes.images, keys), make(how)(clothes.images, keys))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("primitives", ("spectra",), "primitive must be one of .*spectral"),
        ("color_strength", -0.1, r"color_strength of \[augment\] must be at least 0"),
        ("spatial_cut", -3, r"spatial_cut, color_cut .* must be at least 0"),
        ("spectral_strength", math.inf, "spectral_strength"),
    ],
)
def test_a_primitive_that_is_none_is_refused(name, value, message):
    with pytest.raises(UsageError, match=message):
        Augment(**{name: value})


@pytest.mark.parametrize("method", OURS)
def test_what_a_step_sees_does_not_depend_on_the_batch(clothes, method):
    how = Augment(method=method)
    seen = views(clothes.images, clothes.indices, how, seed=3, epoch=2)
    parts = [
        views(clothes.images[i : i + 7], clothes.indices[i : i + 7], how, seed=3, epoch=2) for i in range(0, 40, 7)
    ]
    torch.testing.assert_close(torch.cat(parts), seen, atol=2e-5, rtol=0)
    assert (views(clothes.images, clothes.indices, how, seed=3, epoch=3) - seen).abs().max() > 0.05
    three = views(clothes.images, clothes.indices, dataclasses.replace(how, jsd=12.0), seed=3, epoch=2)
    assert torch.equal(three[:40], clothes.images)
    assert torch.equal(three[40:80], seen)
    assert (three[80:] - seen).abs().max() > 0.05


@pytest.mark.parametrize("method", OURS)
def test_low_pass_images_are_clipped_before_they_are_augmented(clothes, method):
    filtered = transformed(clothes, "lowpass:14").images
    assert filtered.min() < 0
    assert filtered.max() > 1
    seen = views(filtered, clothes.indices, Augment(method=method, jsd=12.0), seed=3, epoch=2)
    assert torch.equal(seen[:40], filtered)
    wanted = views(filtered.clamp(0, 1), clothes.indices, Augment(method=method), seed=3, epoch=2)
    torch.testing.assert_close(seen[40:80], wanted, atol=2e-5, rtol=0)


def test_images_without_their_range_are_not_augmented(clothes, tmp_path):
    options = Options(augment=Augment())
    assert Recipe("fmnist-lenet", "mnist", transform="gray+lowpass:14", options=options).transform
    for name in ("flip", "highpass:14", "lowpass:14+flip", "bandstop:0:4"):
        with pytest.raises(UsageError, match=r"gray or lowpass with \[augment\].*: put the edit into the model"):
            Recipe("fmnist-lenet", "mnist", transform=name, options=options)
    with pytest.raises(UsageError, match="images"):
        write_samples(transformed(clothes, "flip"), tmp_path / "flipped.npz")
    assert not list(tmp_path.iterdir())


def test_the_loss_with_consistency_by_hand(clothes):
    model = linear()
    images = views(clothes.images, clothes.indices, Augment(jsd=12.0), seed=0, epoch=1)
    objective = Objective(model, Options(augment=Augment(jsd=12.0)), clothes.images)
    found = objective(model, images, clothes.labels, torch.Generator())
    clean, one, other = (model(part) for part in images.split(40))
    torch.testing.assert_close(found, nn.functional.cross_entropy(clean, clothes.labels) + 12 * jsd(clean, one, other))


@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("weight", [0.0, 12.0])
def test_training_resumes_where_it_stopped(tmp_path, clothes, method, weight):
    options = Options(epochs=2, batch=16, max_rate=0.05, crop=1, augment=Augment(method=method, jsd=weight))

    def stop(done, steps):
        if done == steps // 2 + 1:
            raise KeyboardInterrupt

    straight = fit(linear(), clothes, options, seed=1)
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), clothes, options, seed=1, out=tmp_path, progress=stop)
    resumed = fit(linear(), clothes, options, seed=1, out=tmp_path)
    for key, value in straight.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[key], value, rtol=0, atol=1e-6)
    plain = fit(linear(), clothes, dataclasses.replace(options, augment=None), seed=1)
    assert plain.history[0].loss != straight.history[0].loss


@pytest.mark.parametrize("method", OURS)
def test_a_set_augmented_beforehand(tmp_path, clothes, method):
    how = Augment(method=method)
    larger = enlarged(clothes, 2, how, seed=5, batch=9)
    assert torch.equal(larger.images[:40], clothes.images)
    assert torch.equal(larger.labels, clothes.labels.repeat(3))
    assert torch.equal(larger.indices, clothes.indices.repeat(3))
    first = make(how)(clothes.images, randomness.image_keys(5, clothes.indices, epoch=0))
    torch.testing.assert_close(larger.images[40:80], first, atol=2e-5, rtol=0)
    assert (larger.images[80:] - first).abs().max() > 0.05
    again = load_data(write_samples(larger, tmp_path / "larger.npz"))
    torch.testing.assert_close(again.images, larger.images, atol=0.5 / 255 + 1e-6, rtol=0)
    assert torch.equal(again.labels, larger.labels)
    assert again.classes == larger.classes


def test_augmented_images_are_those_of_the_function(clothes):
    keys = randomness.image_keys(0, clothes.indices)
    assert torch.equal(registry.augmentation(Augment())(clothes.images, keys), prime(clothes.images, keys))


class Stand(nn.Module):
    """Adds noise from the global generator, as kornia's policies draw."""

    def __init__(self, **options):
        super().__init__()

    def forward(self, images):
        return images + torch.rand(images.shape)


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(OURS)))
def test_policies_draw_image_by_image_and_leave_no_trace(monkeypatch, clothes, method):
    names = {"AutoAugment": Stand, "RandAugment": Stand, "TrivialAugment": Stand}
    monkeypatch.setitem(sys.modules, "kornia.augmentation.auto", types.SimpleNamespace(**names))
    make.cache_clear()
    function = make(Augment(method=method))
    keys = randomness.image_keys(0, clothes.indices)
    before = torch.get_rng_state()
    drawn = function(clothes.images, keys)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.cat([function(clothes.images[i : i + 1], keys[i : i + 1]) for i in range(40)]), drawn)
    assert drawn.max() <= 1
    assert len(drawn.flatten(1)[:, 0].unique()) > 20
    make.cache_clear()


def test_absence_of_kornia_is_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.augmentation.auto", None)
    with pytest.raises(UsageError, match=r"geomrob\[kornia\]"):
        policy("RandAugment")
    with pytest.raises(UsageError, match="did you mean RandAugment"):
        policy("RandAugmnt")


@pytest.mark.skipif(not KORNIA, reason="kornia is an extra")
@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugment"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_the_policies_of_kornia(name, shape):
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    keys = randomness.image_keys(0, torch.arange(6))
    drawn = policy(name)(images, keys)
    assert drawn.shape == images.shape
    assert 0 <= drawn.min() < drawn.max() <= 1
    torch.testing.assert_close(policy(name)(images[3:], keys[3:]), drawn[3:])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"method": "prim"}, "did you mean prime"),
        ({"preset": "cfar"}, "did you mean cifar"),
        ({"mixing": "theses"}, "did you mean thesis"),
        ({"jsd": -1.0}, "jsd of .augment. must be at least 0"),
        ({"jsd": math.inf}, "jsd of .augment. must be at least 0"),
        ({"severity": 0.0}, "severity of AugMix"),
        ({"width": 0}, "must be at least 1"),
    ],
)
def test_misuse(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        Augment(**words)


def test_more_misuse(clothes, tmp_path):
    with pytest.raises(UsageError, match="must go without"):
        Options(adversarial=Adversarial(), augment=Augment(jsd=12.0))
    with pytest.raises(UsageError, match="copies must be at least 1"):
        enlarged(clothes, 0)
    with pytest.raises(UsageError, match=r"must end in \.npz"):
        write_samples(clothes, tmp_path / "larger.npy")
