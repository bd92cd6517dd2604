"""Decision regions on a plane, against models whose regions are known."""

import math

import pytest
import torch
from torch import nn

from geomrob import cross_section
from geomrob.errors import UsageError
from tests.oracles import SphereModel

SHAPE = (1, 2, 3)


def axis(*numbers):
    """Return unit vectors as images."""
    return torch.eye(6, dtype=torch.float64)[list(numbers)].reshape(-1, *SHAPE)


def test_a_ball_is_cut_in_a_disc():
    model = SphereModel(SHAPE, radius=1.0)
    centre = model.centre[0]
    origin = centre + 0.6 * axis(5)[0]
    section = cross_section(model, origin, axis(0, 3), limits=(-1, 1, -2, 2), resolution=81)
    radius = torch.hypot(section.vertical[:, None], section.horizontal[None])
    clear = (radius - 0.8).abs() > 1e-6
    assert ((section.regions == 0) == (radius < 0.8))[clear].all()
    assert section.horizontal[[0, -1]].tolist() == [-1, 1]
    assert section.vertical[[0, -1]].tolist() == [-2, 2]
    assert section.provenance.forwards == 81**2


def test_images_are_projected_and_their_distance_is_kept():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(9, *SHAPE, dtype=torch.float64, generator=generator)
    skew = torch.stack((3 * axis(1)[0], 2 * axis(1)[0] + 0.5 * axis(4)[0]))
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double()
    labels = torch.arange(9) % 2
    section = cross_section(model, axis(0)[0], skew, inputs=images, labels=labels, resolution=3, classes=("a", "b"))
    offsets = (images - axis(0)).flatten(1)
    torch.testing.assert_close(section.points, offsets[:, [1, 4]])
    torch.testing.assert_close(section.away, offsets[:, [0, 2, 3, 5]].norm(dim=1))
    assert (section.classes, section.labels.tolist()) == (("a", "b"), labels.tolist())
    assert section.horizontal[0] < section.points[:, 0].min()
    assert section.vertical[-1] > section.points[:, 1].max()


def test_the_batch_does_not_matter_and_the_model_is_left_alone():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(6, 4)).double().train()
    parts = [
        cross_section(model, axis(0)[0], axis(1, 2), limits=(-1, 1, -1, 1), resolution=9, batch=batch).regions
        for batch in (7, 1000)
    ]
    assert torch.equal(*parts)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("directions", "options", "words"),
    [
        (axis(1, 1), {}, "directions must be two of length above 0 that are not parallel"),
        (0 * axis(0, 1), {}, "directions must be two of length above 0"),
        (axis(0, 1), {"limits": None}, "limits must be given without inputs"),
        (axis(0, 1), {"limits": (1, 0, 0, 1)}, "limits must rise"),
        (axis(0, 1), {"limits": (0, math.inf, 0, 1)}, "limits must rise"),
        (axis(0, 1), {"resolution": 1}, "resolution be at least 2"),
        (axis(0, 1), {"inputs": axis(0, 1)}, "labels must come with inputs"),
    ],
)
def test_misuse_is_told(directions, options, words):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double()
    with pytest.raises(UsageError, match=words):
        cross_section(model, axis(0)[0], directions, **({"limits": (0, 1, 0, 1)} | options))
