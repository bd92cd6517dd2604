import math

import pytest
import torch

from geomrob.analysis.geometry.directional_distance import distance_along
from geomrob.errors import UsageError
from tests.oracles import LinearModel


def some(count=6):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def exact(model: LinearModel, images, directions):
    """The first hyperplane that each ray of a linear model meets."""
    logits = model(images)
    own = logits.argmax(1)
    slope = (directions / directions.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)).flatten(1) @ model.weight.flatten(1).T
    found = []
    for index, c in enumerate(own.tolist()):
        gaps, rates = logits[index, c] - logits[index], slope[index] - slope[index, c]
        found.append(
            min(
                ((g / r).item() for k, (g, r) in enumerate(zip(gaps, rates, strict=True)) if k != c and r > 0),
                default=math.inf,
            )
        )
    return found


def test_a_ray_ends_at_the_first_plane_it_meets(linear_model):
    images = some()
    directions = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = distance_along(linear_model, images, directions, farthest=50, points=400)
    assert found.tolist() == pytest.approx(exact(linear_model, images, directions), rel=1e-4)
    assert torch.equal(found, distance_along(linear_model, images, 7 * directions, farthest=50, points=400))


def test_the_way_of_the_margin_is_as_long_as_the_margin(sphere_model):
    centre = torch.full((1, 1, 8, 8), 0.5, dtype=torch.float64)
    images = centre + 0.05 * torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    images = images.clamp(0, 1)
    slope = torch.autograd.grad((sphere_model(images.requires_grad_())).diff(dim=1).sum(), images)[0]
    images = images.detach()
    toward = slope * torch.where(sphere_model(images).argmax(1) == 0, 1.0, -1.0).reshape(-1, 1, 1, 1)
    found = distance_along(sphere_model, images, toward)
    assert found.tolist() == pytest.approx(sphere_model.margins(images).tolist(), rel=1e-3)


def test_a_ray_that_meets_nothing_is_infinite(linear_model):
    images = some(2)
    near = distance_along(linear_model, images, torch.ones_like(images), farthest=1e-9)
    assert near.tolist() == [math.inf, math.inf]


def test_each_image_has_its_own_answer(linear_model):
    images = some()
    directions = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = distance_along(linear_model, images, directions)
    parts = [distance_along(linear_model, images[i : i + 1], directions[i : i + 1]) for i in range(6)]
    assert torch.allclose(whole, torch.cat(parts))


def test_misuse_is_told(linear_model):
    images = some(2)
    directions = torch.ones_like(images)
    directions[1] = 0
    with pytest.raises(UsageError, match="none of them 0"):
        distance_along(linear_model, images, directions)
    with pytest.raises(UsageError, match="as long as inputs"):
        distance_along(linear_model, images, directions[:1])
    with pytest.raises(UsageError, match="points at least 2"):
        distance_along(linear_model, images, torch.ones_like(images), points=1)
