"""The closed form against Algorithm 1, one coordinate at a time."""

import pytest
import torch

from geomrob.attacks.engine.sparse_projection import box_around, to_hyperplane
from geomrob.errors import UsageError
from tests.attacks.sparse_twin import linear_solver


def problems(count, size, seed):
    """Random problems: a third with zero and tied normals, the plane on either side, near or far, pixels at bounds."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    x = ((draw(count, size) * 1.4) - 0.2).clamp(0, 1)
    normal = draw(count, size) - 0.5
    third = count // 3
    normal[:third] = (normal[:third] * 6).round() / 6
    width = draw(count, 1)
    low, high = (x - width * draw(count, size)).clamp_min(0), (x + width * draw(count, size)).clamp_max(1)
    reach = draw(count, 1) * 10 ** (2 * draw(count, 1) - 1)
    through = x + reach * torch.where(draw(count, 1) < 0.5, 1, -1) * normal + 0.05 * (draw(count, size) - 0.5)
    return x, normal, through, low, high


def test_it_equals_the_sequential_solver_on_a_thousand_problems():
    given = problems(1000, 40, seed=0)
    moved, feasible = to_hyperplane(*given)
    expected = [linear_solver(*row) for row in zip(*given, strict=True)]
    assert (moved - torch.stack([x for x, _ in expected])).abs().max() < 1e-9
    assert feasible.tolist() == [reached for _, reached in expected]
    x, normal, through = given[:3]
    above = (normal * (x - through)).sum(1) > 0
    assert 100 < feasible.sum() < 900
    assert 300 < above.sum() < 700
    assert (normal == 0).any(1).sum() > 300


def test_a_plane_out_of_reach_saturates_what_has_a_part_in_the_normal():
    x = torch.full((1, 4), 0.5)
    normal = torch.tensor([[1.0, -2.0, 0.0, 0.5]])
    moved, feasible = to_hyperplane(x, normal, x + 9 * normal, x - 0.25, x + 0.5)
    assert moved.tolist() == [[1.0, 0.25, 0.5, 1.0]]
    assert feasible.tolist() == [False]


def test_a_point_on_the_plane_stays_and_a_zero_normal_moves_nothing():
    x, zero = torch.rand(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    for normal, through in ((torch.ones_like(x), x), (zero, x + 1)):
        moved, _ = to_hyperplane(x, normal, through, zero, zero + 1)
        assert torch.equal(moved, x)


def test_a_coordinate_at_its_bound_is_passed_over():
    x = torch.tensor([[1.0, 0.5]])
    moved, feasible = to_hyperplane(
        x, torch.tensor([[2.0, 1.0]]), x + 0.1, torch.zeros(1, 2), torch.ones(1, 2), slack=0
    )
    assert moved[0].tolist() == pytest.approx([1.0, 0.8])
    assert feasible.all()


def test_the_box_is_the_bounds_cut_to_the_radius():
    images = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)
    low, high = box_around(images, (0.0, 0.9 + torch.zeros(1, 1, 1, 1).add(0.1)), 0.25)
    assert low.flatten().tolist() == [0.0, 0.25, 0.75]
    assert high.flatten().tolist() == [0.25, 0.75, 1.0]


@pytest.mark.parametrize(
    ("bounds", "radius", "message"),
    [
        ((1.0, 0.0), None, "bounds must have low <= high; got low 1 above high 0: swap them"),
        ((0.0, float("nan")), None, "bounds must be numbers; got NaN"),
        ((torch.full((2, 1, 2, 2), float("nan")), 1.0), None, "bounds must be numbers; got NaN"),
        ((0.0, 0.5), None, r"inputs must lie in bounds \(0, 0.5\)"),
        ((torch.tensor(0.0), torch.tensor(0.5)), None, "bounds must contain the inputs; got a box that misses image 1"),
        ((torch.zeros(3, 1, 2, 2), 1.0), None, "bounds must be numbers or shaped as the inputs"),
        ((0.0, 1.0), 0.0, "radius must be above 0; got 0"),
        ((0.0, 1.0), -0.1, "radius must be above 0; got -0.1"),
        ((0.0, 1.0), float("nan"), "radius must be above 0; got nan"),
    ],
)
def test_a_wrong_box_is_refused_with_a_sentence(bounds, radius, message):
    images = torch.tensor([0.25, 0.75]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    with pytest.raises(UsageError, match=message):
        box_around(images, bounds, radius)
