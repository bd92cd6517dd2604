import math

import pytest
import torch
from torch import nn

from geomrob.analysis.embedding_distance import embedding_distance, features
from geomrob.errors import UsageError
from geomrob.models import load_model

FLAT = nn.Flatten()


def versions(n, count, seed):
    return torch.randn(n, count, 1, 2, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_it_is_equation_58_by_loops(batch):
    corrupted, augmented = versions(4, 3, 0), versions(4, 6, 1)
    found = embedding_distance(FLAT, corrupted, augmented, batch=batch)
    for n in range(4):
        for c in range(3):
            similar = [
                float(torch.cosine_similarity(corrupted[n, c].flatten(), augmented[n, t].flatten(), dim=0))
                for t in range(6)
            ]
            assert float(found[n, c]) == pytest.approx(1 - max(similar), abs=1e-6)


def test_right_and_opposite_angles():
    axes = torch.eye(6).reshape(6, 1, 1, 2, 3)
    assert embedding_distance(FLAT, axes[:1], axes[1:2]).item() == pytest.approx(1)
    assert embedding_distance(FLAT, axes[:1], -3 * axes[:1]).item() == pytest.approx(2)
    assert embedding_distance(FLAT, axes[:1], 0 * axes[:1]).item() == pytest.approx(1)


def test_more_versions_are_never_further():
    corrupted, augmented = versions(5, 4, 2), versions(5, 8, 3)
    few = embedding_distance(FLAT, corrupted, augmented[:, :3])
    assert (embedding_distance(FLAT, corrupted, augmented) <= few + 1e-6).all()
    assert not math.isnan(float(few.mean()))


def test_features_of_a_model_leave_no_trace():
    model = load_model("fmnist-lenet").train()
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    last = features(model)
    torch.testing.assert_close(model.fc3(last(images)), model(images))
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert features(model, "conv2")(images).shape == (3, 6 * 14 * 14)
    assert embedding_distance(last, images[:, None], images[:, None]).max() < 1e-5


def test_misuse():
    with pytest.raises(UsageError, match="at least one version"):
        embedding_distance(FLAT, versions(2, 1, 0), versions(2, 0, 0))
    with pytest.raises(UsageError, match="layer must be a module of the model; got 'fc9'"):
        features(load_model("fmnist-lenet"), "fc9")
    with pytest.raises(UsageError, match="layer must be a module"):
        features(FLAT)
    idle = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    idle.spare = nn.ModuleList([nn.Linear(2, 2)])
    idle.forward = lambda images: idle[1](idle[0](images))
    with pytest.raises(UsageError, match=r"got 'spare\.0', which it does not"):
        features(idle)(torch.zeros(1, 1, 2, 3))
