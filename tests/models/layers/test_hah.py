"""The HaH block: formulas against straight loops, scale invariance, active fraction, gradients."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from geomrob.errors import UsageError
from geomrob.models.layers import order_statistics
from geomrob.models.layers.hah import (
    HaHBlock,
    WeightNormConv2d,
    adaptive_threshold,
    divisive_normalization,
    normalized_weight,
)
from geomrob.models.layers.hebbian import hebbian_cost
from geomrob.models.layers.order_statistics import order_statistic


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def block(**options) -> HaHBlock:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HaHBlock(3, 16, **options)


# Unit filters


def test_filters_have_unit_norm_and_a_filter_of_zeros_stays_one():
    weight = draw(5, 3, 3, 3)
    weight[2] = 0
    weight.requires_grad_(True)
    unit = normalized_weight(weight)
    assert torch.allclose(unit.flatten(1).norm(dim=1), torch.tensor([1.0, 1, 0, 1, 1]))
    assert torch.allclose(unit[0], weight[0] / (weight[0] ** 2).sum().sqrt())
    unit.sum().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_the_module_agrees_with_the_function_and_ignores_the_length_of_its_filters():
    conv, images = WeightNormConv2d(3, 4, kernel=5), draw(2, 3, 9, 7)
    expected = F.conv2d(images, normalized_weight(conv.weight), padding=2)
    assert torch.equal(conv(images), expected)
    conv.weight.data.mul_(7)
    assert torch.allclose(conv(images), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", [0, 4])
def test_an_even_kernel_is_refused(kernel):
    with pytest.raises(UsageError, match="kernel must be odd"):
        WeightNormConv2d(3, 4, kernel=kernel)


# Divisive normalisation


def looped_normalization(responses: np.ndarray, sigma: float, pooled: bool) -> np.ndarray:
    """Eq. 2, place by place."""
    normalized = np.zeros_like(responses)
    _, channels, height, width = responses.shape
    for image, out in zip(responses, normalized, strict=True):
        mean = np.zeros((height, width))
        for row in range(height):
            for column in range(width):
                for channel in range(channels):
                    rows, columns = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
                    value = image[channel, rows, columns].max() if pooled else image[channel, row, column]
                    mean[row, column] += value / channels
        for row in range(height):
            for column in range(width):
                divisor = sigma * mean.max() + (1 - sigma) * mean[row, column]
                if divisor > 0:
                    out[:, row, column] = image[:, row, column] / divisor
    return normalized


@pytest.mark.parametrize("field", ["mean", "pooled"])
@pytest.mark.parametrize("sigma", [0.0, 0.1, 1.0])
def test_normalization_equals_a_loop_over_places(field, sigma):
    responses = draw(3, 4, 5, 6, dtype=torch.float64).relu()
    responses[1] = 0
    responses[2, :, :3] = 0
    found = divisive_normalization(responses, sigma=sigma, field=field)
    expected = looped_normalization(responses.numpy(), sigma, field == "pooled")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("field", ["mean", "pooled"])
def test_gradients_of_the_normalization(field):
    responses = draw(2, 3, 4, 4, dtype=torch.float64).abs().add(0.1).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda y: divisive_normalization(y, field=field), responses)
    assert torch.autograd.gradgradcheck(lambda y: divisive_normalization(y, field=field), responses)


def test_an_image_without_response_gives_zeros_and_finite_gradients():
    responses = torch.zeros(2, 3, 4, 4)
    responses[1] = 1
    responses.requires_grad_(True)
    features = divisive_normalization(responses, sigma=0.0)
    assert torch.equal(features[0], torch.zeros(3, 4, 4))
    features.sum().backward()
    assert responses.grad is not None
    assert responses.grad.isfinite().all()


# Threshold


def looped_threshold(responses: np.ndarray, active: float | str, strict: bool) -> np.ndarray:
    """Eq. 3 and its released form, map by map, each with a sorted list."""
    kept = np.zeros_like(responses)
    for index in np.ndindex(*responses.shape[:2]):
        values = sorted(responses[index].ravel())
        places = len(values)
        smaller = places - max(1, math.ceil(round(0.0 if active == "mean" else active * places, 9)))
        if active == "mean":
            tau = sum(values) / places
        elif strict:
            tau = values[smaller - 1] if smaller else -math.inf
        else:
            tau = values[smaller]
        chosen = responses[index] > tau if strict else responses[index] >= tau
        kept[index] = np.where(chosen, responses[index], 0)
    return kept


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("active", [0.05, 0.2, 0.5, 1.0, "mean"])
@pytest.mark.parametrize("shape", [(3, 4, 7, 9), (2, 3, 1, 1), (2, 3, 1, 2)])
def test_the_threshold_equals_a_sorted_loop(shape, active, strict):
    responses = draw(*shape, dtype=torch.float64).relu()
    found = adaptive_threshold(responses, active=active, strict=strict)
    np.testing.assert_array_equal(found.numpy(), looped_threshold(responses.numpy(), active, strict))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("active", "kept"), [(0.1, 103), (0.2, 205), (0.25, 256), (1.0, 1024)])
def test_the_active_fraction_is_the_one_asked_for(active, kept, strict):
    order = torch.stack([torch.randperm(1024, generator=torch.Generator().manual_seed(seed)) for seed in range(32)])
    responses = (1.0 + order).reshape(4, 8, 32, 32)
    found = adaptive_threshold(responses, active=active, strict=strict)
    assert ((found > 0).sum((2, 3)) == kept).all()


@pytest.mark.parametrize("strict", [False, True])
def test_a_map_of_mostly_zeros_keeps_what_it_has_and_no_gradient_passes_through_zeros(strict):
    responses = torch.zeros(1, 2, 10, 10)
    responses[0, 0, 0, :7] = torch.arange(1.0, 8)
    responses.requires_grad_(True)
    found = adaptive_threshold(responses, strict=strict)
    assert torch.equal(found, responses)
    assert int((found > 0).sum()) == 7


def test_equal_responses_are_all_kept_or_with_strict_all_dropped():
    responses = torch.ones(1, 1, 10, 10)
    responses[0, 0, 0, :5] = torch.arange(2.0, 7)
    assert int((adaptive_threshold(responses) > 0).sum()) == 100
    assert int((adaptive_threshold(responses, strict=True) > 0).sum()) == 5
    uneven = responses * (1 - 1e-7 * torch.rand(1, 1, 10, 10, generator=torch.Generator().manual_seed(0)))
    assert int((adaptive_threshold(uneven) > 0).sum()) == 100


@pytest.mark.parametrize("active", [0.2, "mean"])
def test_no_gradient_passes_through_the_threshold(active):
    responses = draw(2, 3, 5, 5, dtype=torch.float64).abs().requires_grad_(True)
    found = adaptive_threshold(responses, active=active)
    (gradient,) = torch.autograd.grad(found.sum(), responses)
    assert torch.equal(gradient, (found > 0).to(torch.float64))
    assert torch.autograd.gradcheck(lambda y: adaptive_threshold(y, active=active), responses)


def test_negative_responses_behind_batch_normalization_are_ranked_like_others():
    responses = torch.tensor([-5.0, -1.0, -2.0, -3.0, -4.0]).reshape(1, 1, 1, 5)
    assert adaptive_threshold(responses, active=0.4).flatten().tolist() == [0, -1, -2, 0, 0]


def test_a_batch_worked_on_in_pieces_gives_the_same(monkeypatch):
    responses = draw(7, 10, 6, 5)
    whole = adaptive_threshold(responses), hebbian_cost(responses)
    monkeypatch.setattr(order_statistics, "PIECE", 600)
    assert torch.equal(adaptive_threshold(responses), whole[0])
    assert torch.allclose(hebbian_cost(responses), whole[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rank", [1, 17, 50])
def test_the_order_statistic_is_a_value_of_the_sorted_row(rank, dtype):
    rows = draw(6, 50).relu().to(dtype)
    assert torch.equal(order_statistic(rows, rank), rows.sort(-1).values[:, rank - 1])


# Cost


def looped_cost(projections: torch.Tensor, share: float, balance: float) -> torch.Tensor:
    """Eq. 4 with a sorted list a place."""
    count, channels, height, width = projections.shape
    top = math.ceil(round(share * channels, 9))
    places = []
    for image in range(count):
        for row in range(height):
            for column in range(width):
                values = projections[image, :, row, column].relu().sort(descending=True).values
                rest = values[top:].mean() if top < channels else 0.0
                places.append(values[:top].mean() - balance * rest)
    return torch.stack(places).mean()


@pytest.mark.parametrize(("share", "balance"), [(0.1, 0.1), (0.3, 1.0), (0.1, 0.0), (1.0, 0.1), (0.01, 0.5)])
def test_the_cost_and_its_gradient_equal_a_sorted_loop(share, balance):
    projections = draw(2, 20, 3, 4, dtype=torch.float64).requires_grad_(True)
    found = hebbian_cost(projections, share=share, balance=balance)
    expected = looped_cost(projections, share, balance)
    assert torch.allclose(found, expected, rtol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, projections), torch.autograd.grad(expected, projections)
    assert torch.allclose(ours, theirs, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda p: hebbian_cost(p, share=share, balance=balance), projections)


def test_the_cost_of_ties_equals_a_sorted_loop_and_ties_share_the_gradient():
    projections = draw(2, 10, 3, 4, dtype=torch.float64)
    projections[0, :4] = 3.0
    projections[1] = -1.0
    projections.requires_grad_(True)
    found = hebbian_cost(projections, share=0.2, balance=0.5)
    assert torch.allclose(found, looped_cost(projections, 0.2, 0.5), rtol=1e-12)
    (gradient,) = torch.autograd.grad(found, projections)
    # Two of four rewarded by 1/2 each, two punished by 0.5/8: the mean of these, over 24 places.
    assert torch.allclose(gradient[0, :4], torch.full((4, 3, 4), (0.5 - 0.0625) / 2 / 24, dtype=torch.float64))
    assert not gradient[1].any()


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.5}, {"balance": -1.0}])
def test_a_cost_without_sense_is_refused(options):
    with pytest.raises(UsageError, match="share must lie"):
        hebbian_cost(torch.zeros(1, 4, 2, 2), **options)


# Block


def test_the_block_is_the_composition_of_its_functions():
    images = draw(2, 3, 8, 8)
    unit = block(active=0.3, sigma=0.2, field="pooled", strict=True)
    hidden = F.conv2d(images, normalized_weight(unit.conv.weight), padding=1).relu()
    hidden = divisive_normalization(hidden, sigma=0.2, field="pooled")
    assert torch.equal(unit(images), adaptive_threshold(hidden, active=0.3, strict=True))
    assert torch.equal(block(active=None, sigma=0.2, field="pooled")(images), hidden)


@pytest.mark.parametrize("options", [{}, {"active": "mean"}, {"active": None}, {"field": "pooled"}, {"strict": True}])
@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_scaling_the_input_changes_nothing(scale, options):
    images = draw(4, 3, 16, 16).abs()
    unit = block(**options)
    assert torch.allclose(unit(scale * images), unit(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_scaling_changes_nothing_on_a_flat_background(scale):
    images = torch.full((2, 3, 16, 16), 0.37)
    images[:, :, 4:9, 4:9] = draw(2, 3, 5, 5).abs()
    unit = block()
    assert torch.allclose(unit(scale * images), unit(images), rtol=0, atol=1e-5)


def test_batch_normalization_in_its_place_is_not_free_of_scale():
    unit, images = block(normalization="batch").eval(), draw(2, 3, 8, 8)
    assert isinstance(unit.bn, torch.nn.BatchNorm2d)
    assert not torch.allclose(unit(3 * images), unit(images), atol=1e-3)


def test_the_answer_for_an_image_does_not_depend_on_its_batch():
    images, unit = draw(4, 3, 8, 8), block()
    assert torch.allclose(unit(images)[1:2], unit(images[1:2]), atol=1e-6)


def test_channels_last_gives_the_same():
    images, unit = draw(2, 3, 8, 8), block()
    assert torch.allclose(unit(images.to(memory_format=torch.channels_last)), unit(images), atol=1e-6)


def test_an_unknown_rule_for_the_threshold_is_refused():
    with pytest.raises(UsageError, match="active must lie in"):
        adaptive_threshold(torch.zeros(1, 1, 2, 2), active="median")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 1.5}, "sigma must"),
        ({"active": 0.0}, "active must"),
        ({"field": "meen"}, "field must be one of"),
        ({"normalization": "layer"}, "normalization must be one of"),
    ],
)
def test_options_without_sense_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        block(**options)
