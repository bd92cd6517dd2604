"""The oracles themselves: stepping the stated distance along the stated direction lands on the boundary."""

import pytest
import torch

from tests.oracles import LinearModel, SphereModel


def first_rows(images):
    """Project onto the upper half of the image: the simplest subspace there is."""
    mask = torch.zeros_like(images)
    mask[..., : images.shape[-2] // 2, :] = 1
    return images * mask


def inputs(count=5):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("project", [None, first_rows])
def test_linear_margin_is_where_the_decision_ties(linear_model: LinearModel, project):
    images = inputs()
    logits = linear_model(images)
    margins = linear_model.margins(images, project)
    gaps = []
    for k in range(logits.shape[1]):
        normal = linear_model.weight[k] - linear_model.weight[logits.argmax(1)]
        normal = normal if project is None else project(normal)
        length = normal.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, 1, 1, 1)
        moved = linear_model(images + margins.reshape(-1, 1, 1, 1) * normal / length)
        gap = moved.gather(1, logits.argmax(1, keepdim=True)).squeeze(1) - moved[:, k]
        gaps.append(torch.where(logits.argmax(1) == k, torch.inf, gap))
    nearest = torch.stack(gaps).min(0).values
    torch.testing.assert_close(nearest, torch.zeros_like(nearest), atol=1e-10, rtol=0)


@pytest.mark.parametrize("project", [None, first_rows])
def test_sphere_margin_lands_on_the_sphere(sphere_model: SphereModel, project):
    images = sphere_model.centre + 0.3 * (inputs() - 0.5)
    assert (sphere_model(images).argmax(1) == 0).all()
    offset = images - sphere_model.centre
    inside = offset if project is None else project(offset)
    step = inside / inside.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    moved = sphere_model(images + sphere_model.margins(images, project).reshape(-1, 1, 1, 1) * step)
    torch.testing.assert_close(moved[:, 0], torch.zeros(5, dtype=torch.float64), atol=1e-10, rtol=0)


def test_sphere_out_of_reach_is_infinite(sphere_model: SphereModel):
    far = sphere_model.centre.repeat(1, 1, 1, 1)
    far = far.clone()
    far[..., 4:, :] += 3
    assert sphere_model.margins(far, first_rows).tolist() == [torch.inf]
    assert torch.isfinite(sphere_model.margins(far)).all()
