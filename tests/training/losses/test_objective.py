"""The loss is the sum of its parts; a training with any of them goes on after a kill as if nothing had been."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.data import load_data
from geomrob.errors import UsageError
from geomrob.models.architectures.resnet import resnet
from geomrob.models.architectures.vgg import vgg
from geomrob.models.layers.hah import HaHBlock
from geomrob.models.layers.hebbian import hebbian_cost
from geomrob.training import Adversarial, Hebbian, Options, Similarity, fit
from geomrob.training.losses.adversarial import adversarial_images
from geomrob.training.losses.objective import Objective
from geomrob.training.losses.pixel_similarity import SimilarityTerm

GREY = {"shape": (1, 28, 28), "mean": [0.286], "std": [0.353]}
PAIRS = Similarity(threshold=0.2, pairs=4, images=50)
COSTS = Hebbian(weights=(0.1, 0.05))


@pytest.fixture(scope="module")
def clothes():
    return load_data("fashion-mnist-1k", samples=80)


def seeded(builder, **options) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return builder(**GREY, **options)


def small_resnet() -> nn.Module:
    return seeded(resnet, widths=(4, 8), depths=(1, 1), stem_pool=2)


def small_hah() -> nn.Module:
    return seeded(vgg, plan=(8, "M", 10, "M", 12, "M"), hah=2)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_the_parts_add_up(clothes):
    images, labels = clothes.images[:20], clothes.labels[:20]
    model = small_resnet().eval()
    plain = F.cross_entropy(model(images), labels)
    assert torch.equal(Objective(model, Options(), images)(model, images, labels, generator()), plain)

    objective = Objective(model, Options(similarity=PAIRS), clothes.images).eval()
    term = SimilarityTerm(clothes.images[:50], objective.similarity.layers, threshold=0.2, pairs=4).eval()
    together = objective(model, images, labels, generator())
    torch.testing.assert_close(together, plain + 10 * term(model, generator()))

    robust = Adversarial(epsilon=0.3, steps=2)
    moved = adversarial_images(model, images, labels, robust, generator())
    together = Objective(model, Options(adversarial=robust), images)(model, images, labels, generator())
    torch.testing.assert_close(together, F.cross_entropy(model(moved), labels))


def test_the_hebbian_costs_of_all_blocks_are_taken_off(clothes):
    images, labels = clothes.images[:20], clothes.labels[:20]
    model = small_hah().eval()
    seen = []
    for block in model.modules():
        if isinstance(block, HaHBlock):
            block.conv.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    plain = F.cross_entropy(model(images), labels)
    reward = 0.1 * hebbian_cost(seen[0]) + 0.05 * hebbian_cost(seen[1])
    together = Objective(model, Options(hebbian=COSTS), images)(model, images, labels, generator())
    torch.testing.assert_close(together, plain - reward)


def test_costs_must_fit_the_model(clothes):
    with pytest.raises(UsageError, match="HaH block"):
        fit(small_resnet(), clothes, Options(epochs=1, hebbian=COSTS))
    with pytest.raises(UsageError, match="layers of"):
        fit(small_hah(), clothes, Options(epochs=1, similarity=PAIRS))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (small_resnet, Options(similarity=PAIRS, epochs=3, batch=20, max_rate=0.01)),
        (small_resnet, Options(similarity=PAIRS, epochs=3, batch=20, max_rate=0.01, ema=0.9, channels_last=True)),
        (small_hah, Options(hebbian=COSTS, epochs=3, batch=20, optimizer="adam", max_rate=1e-3, schedule="constant")),
    ],
    ids=["similarity", "similarity-ema", "hebbian"],
)
def test_a_killed_and_resumed_training_equals_an_uninterrupted_one(tmp_path, clothes, make, options):
    def killed(epoch, step, _steps, _loss):
        if epoch == 2 and step == 2:
            raise KeyboardInterrupt

    straight = fit(make(), clothes, options, seed=5, out=tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        fit(make(), clothes, options, seed=5, out=tmp_path / "killed", progress=killed)
    resumed = fit(make(), clothes, options, seed=5, out=tmp_path / "killed")
    for key, value in straight.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[key], value, rtol=0, atol=1e-6)
    assert [one.loss for one in resumed.history] == pytest.approx([one.loss for one in straight.history], abs=1e-6)
    assert len(resumed.notes) == options.channels_last
    last = [path / "objective.safetensors" for path in (tmp_path / "straight", tmp_path / "killed")]
    assert last[0].is_file() == last[1].is_file() == (options.similarity is not None)
