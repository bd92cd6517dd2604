import pytest
import torch
from torch import nn

from geomrob.errors import UsageError
from geomrob.training import Adversarial
from geomrob.training.losses.adversarial import adversarial_images


def linear(weight: torch.Tensor) -> nn.Module:
    """Two classes, logits (0, w.x): the loss of class 0 grows along w everywhere."""
    layer = nn.Linear(weight.numel(), 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.zeros_like(weight), weight]))
    return nn.Sequential(nn.Flatten(), layer)


@pytest.fixture
def weight():
    return torch.randn(16, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_linear_model_is_left_along_its_normal_to_the_border_of_the_ball(weight, norm, random_start):
    images, labels = torch.full((5, 1, 4, 4), 0.5), torch.zeros(5, dtype=torch.long)
    how = Adversarial(norm=norm, epsilon=0.2, steps=10, random_start=random_start)
    found = adversarial_images(linear(weight), images, labels, how, torch.Generator().manual_seed(0))
    farthest = 0.2 * (weight.sign() if norm == "linf" else weight / weight.norm())
    best = float(weight @ farthest)
    reached = (found - images).flatten(1) @ weight
    assert bool((reached <= best + 1e-5).all())
    assert bool((reached >= (0.999 if norm == "linf" else 0.9) * best).all())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_it_stays_in_the_ball_and_among_images(weight, norm):
    images = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    how = Adversarial(norm=norm, epsilon=0.3, steps=4, step=0.3)
    found = adversarial_images(linear(weight), images, torch.arange(20) % 2, how, torch.Generator().manual_seed(0))
    moved = (found - images).flatten(1)
    assert float(moved.norm(dim=1).max() if norm == "l2" else moved.abs().max()) <= 0.3 + 1e-6
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert not found.requires_grad


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_random_starts_fill_the_ball(weight, norm):
    images = torch.full((4000, 1, 2, 2), 0.5)
    how = Adversarial(norm=norm, epsilon=0.4, steps=1, step=1e-12)
    labels = torch.zeros(4000, dtype=torch.long)
    found = adversarial_images(linear(weight[:4]), images, labels, how, torch.Generator().manual_seed(0))
    moved = (found - images).flatten(1)
    radius = moved.norm(dim=1) if norm == "l2" else moved.abs().amax(1)
    share = ((radius / 0.4) ** 4).sort().values
    assert float((share - torch.linspace(0, 1, 4000)).abs().max()) < 0.03
    assert float(moved.mean(0).abs().max()) < 0.02


@pytest.mark.parametrize("statistics", ["eval", "train"])
def test_no_trace_is_left_and_batch_statistics_are_used_as_asked(statistics):
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).train()
    model[4].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    seen: list[bool] = []
    model[1].register_forward_hook(lambda module, *_: seen.append(module.training))
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    how = Adversarial(steps=2, statistics=statistics)
    adversarial_images(model, images, torch.arange(6) % 2, how, torch.Generator())
    assert seen == [statistics == "train"] * 2
    assert model.training
    assert not model[4].training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_flat_model_moves_nothing():
    model = linear(torch.zeros(4))
    images = torch.full((2, 1, 2, 2), 0.5)
    how = Adversarial(random_start=False)
    found = adversarial_images(model, images, torch.tensor([0, 1]), how, torch.Generator())
    assert torch.equal(found, images)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"norm": "l3"}, "norm of"),
        ({"statistics": "none"}, "statistics of"),
        ({"epsilon": 0.0}, "epsilon of .* above 0"),
        ({"steps": 0}, "steps at least 1"),
        ({"step": float("inf")}, "must be a finite number of usual size; got inf"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Adversarial(**options)
