import pytest
import torch
from torch import nn

from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.data.entry import Samples
from geomrob.errors import UsageError
from geomrob.training import Options
from geomrob.training.fine_tune import fine_tune


def separable(count=40) -> Samples:
    """Two classes: the first pixel is dark or bright."""
    labels = torch.arange(count) % 2
    images = torch.rand(count, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    images[:, 0, 0, 0] = 0.2 + 0.6 * labels
    return Samples(images, labels, ("dark", "bright"), torch.arange(count), "made")


def threshold() -> nn.Module:
    """Bright above one half, after one linear layer and nothing else."""
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-1.0, 0, 0, 0], [1, 0, 0, 0]]))
        layer.bias.copy_(torch.tensor([0.5, -0.5]))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)


FEW = Options(epochs=2, batch=10, max_rate=0.1, weight_decay=0)


def test_the_copy_is_trained_on_the_moved_samples_with_their_old_labels():
    """One batch of one epoch: the step is that on the images of which three are moved."""
    model, data = threshold(), separable()
    seen: list[torch.Tensor] = []
    tuned = fine_tune(model, data, Options(epochs=1, batch=40, max_rate=0.1), samples=3)
    assert tuned.positions.tolist() == sorted({*tuned.positions.tolist()})
    moved = deepfool(model, data.images[tuned.positions])
    assert torch.equal(tuned.moved.perturbed, moved.perturbed)
    assert bool(moved.success.all())

    def unmoved(_model, inputs):
        seen.append(inputs)
        return deepfool(_model, inputs, steps=1, overshoot=-0.9)

    plain = fine_tune(model, data, Options(epochs=1, batch=40, max_rate=0.1), samples=3, attack=unmoved)
    assert torch.equal(seen[0], data.images[tuned.positions])
    assert not bool(plain.moved.success.any())
    assert not torch.equal(plain.model[1].weight, tuned.model[1].weight)
    assert tuned.history[0].loss > plain.history[0].loss


def test_the_model_and_the_samples_are_left_as_they_were():
    model, data = threshold(), separable()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = data.images.clone()
    tuned = fine_tune(model, data, FEW, samples=5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(data.images, images)
    assert not any(parameter.requires_grad for parameter in (*model.parameters(), *tuned.model.parameters()))
    assert not tuned.model.training


def test_the_seed_draws_the_samples():
    places = [fine_tune(threshold(), separable(), FEW, samples=6, seed=seed).positions.tolist() for seed in (0, 0, 1)]
    assert places[0] == places[1] != places[2]


def test_misuse_is_told():
    with pytest.raises(UsageError, match=r"samples must lie in 1 ... 40; got 41"):
        fine_tune(threshold(), separable(), FEW, samples=41)
    with pytest.raises(UsageError, match="held_out must be 0"):
        fine_tune(threshold(), separable(), Options(held_out=5), samples=4)
