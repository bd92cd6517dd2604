import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.layers.push_pull_2020 import UpsampledPushPullConv2d, upsampled_push_pull


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def enlarged(kernel, side):
    """A square filter read between its elements, corner on corner."""
    small = len(kernel)

    def at(position):
        exact = position * (small - 1) / (side - 1) if side > 1 else 0.0
        low = min(int(exact), small - 2) if small > 1 else 0
        return low, min(low + 1, small - 1), exact - low

    rows = []
    for i in range(side):
        top, bottom, down = at(i)
        row = []
        for j in range(side):
            left, right, across = at(j)
            upper = kernel[top][left] * (1 - across) + kernel[top][right] * across
            lower = kernel[bottom][left] * (1 - across) + kernel[bottom][right] * across
            row.append(upper * (1 - down) + lower * down)
        rows.append(row)
    return rows


def answer(image, kernels, i, j):
    """The sum of products of filters centred on a pixel of an image of lists, zeros outside."""
    total = 0.0
    for plane, kernel in zip(image, kernels, strict=True):
        reach = len(kernel) // 2
        for k, row in enumerate(kernel):
            for m, value in enumerate(row):
                y, x = i + k - reach, j + m - reach
                if 0 <= y < len(plane) and 0 <= x < len(plane[0]):
                    total += plane[y][x] * value
    return total


@pytest.mark.parametrize(("scale", "side"), [(1, 3), (2, 7), (1.5, 5)])
@pytest.mark.parametrize("stride", [1, 2])
def test_is_the_formula_written_as_loops(scale, side, stride):
    inputs, weight = normal(1, 2, 6, 7), normal(3, 2, 3, 3, seed=1)
    alpha, bias = normal(3, seed=2), normal(3, seed=3)
    found = upsampled_push_pull(inputs, weight, alpha, bias, scale=scale, stride=stride, padding=1)
    image = inputs[0].tolist()
    for out in range(3):
        push = weight[out].tolist()
        pull = [[[-value for value in row] for row in enlarged(kernel, side)] for kernel in push]
        for i in range(0, 6, stride):
            for j in range(0, 7, stride):
                shift = float(bias[out])
                excited = max(answer(image, push, i, j) + shift, 0.0)
                inhibited = max(answer(image, pull, i, j) - shift, 0.0)
                expected = excited - float(alpha[out]) * inhibited
                assert float(found[0, out, i // stride, j // stride]) == pytest.approx(expected, abs=1e-12)


def test_at_scale_one_and_full_inhibition_the_layer_is_a_plain_convolution():
    inputs, weight, bias = normal(2, 3, 8, 8), normal(4, 3, 3, 3, seed=1), normal(4, seed=2)
    found = upsampled_push_pull(inputs, weight, 1.0, bias, scale=1, padding=1)
    torch.testing.assert_close(found, F.conv2d(inputs, weight, bias, padding=1))


@pytest.mark.parametrize(("side", "wide", "growth"), [(3, 7, 49 / 9), (7, 15, 225 / 49)])
def test_the_pull_filter_grows_by_its_area(side, wide, growth):
    layer = UpsampledPushPullConv2d(1, 1, side, padding=side // 2)
    assert layer.pull_side == wide
    with torch.no_grad():
        layer.weight.fill_(1)
        dark = layer(-torch.ones(1, 1, 40, 40))
    # On a uniform dark image the push is silent and the pull answers with the sum of its filter.
    assert float(dark[0, 0, 20, 20]) == pytest.approx(-growth * side**2, rel=1e-5)


def test_gradients_are_those_of_finite_differences():
    given = [normal(1, 2, 5, 5), normal(4, 1, 3, 3, seed=1), normal(4, seed=2), normal(4, seed=3)]
    given = [tensor.requires_grad_() for tensor in given]
    assert torch.autograd.gradcheck(lambda *t: upsampled_push_pull(*t, groups=2, padding=1, stride=2), given)


@pytest.mark.parametrize("inhibition", [1.0, 0.3, "trainable"])
def test_the_layer_is_the_function(inhibition):
    layer = UpsampledPushPullConv2d(4, 6, 3, 2, 1, groups=2, bias=True, inhibition=inhibition)
    inputs = normal(2, 4, 8, 9).float()
    expected = upsampled_push_pull(
        inputs, layer.weight, layer.inhibition, layer.bias, scale=2, stride=2, padding=1, groups=2
    )
    torch.testing.assert_close(layer(inputs), expected)
    assert isinstance(layer.inhibition, nn.Parameter) == (inhibition == "trainable")
    assert "pull=7x7" in repr(layer)


def test_a_trainable_inhibition_lies_about_a_half_and_cannot_turn():
    layer = UpsampledPushPullConv2d(3, 300, 3, inhibition="trainable")
    reach = 1 / math.sqrt(900)
    assert layer.inhibition.min() >= 0.5 - reach
    assert layer.inhibition.max() <= 0.5 + reach
    assert layer.inhibition.max() - layer.inhibition.min() > 1.8 * reach
    with torch.no_grad():
        layer.inhibition.fill_(-1)
    inputs = normal(1, 3, 9, 9).float()
    found = layer(inputs)
    torch.testing.assert_close(found, F.conv2d(inputs, layer.weight).relu())
    found.sum().backward()
    assert layer.inhibition.grad.eq(0).all()


@pytest.mark.parametrize("options", [{"kernel_size": 4}, {"kernel_size": 3, "scale": 0.5}])
def test_unfit_filters_are_refused(options):
    with pytest.raises(UsageError, match="side must be odd and scale at least 1"):
        UpsampledPushPullConv2d(1, 1, **options)


@pytest.mark.parametrize("inhibition", ["learned", math.nan])
def test_an_unfit_inhibition_is_refused(inhibition):
    with pytest.raises(UsageError, match="inhibition must be"):
        UpsampledPushPullConv2d(1, 1, 3, inhibition=inhibition)
