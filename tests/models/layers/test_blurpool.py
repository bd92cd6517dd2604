import math

import pytest
import torch
import torch.nn.functional as F

from geomrob.models.layers.blurpool import BlurPool, binomial, blur_pool

ROWS = {1: [1], 2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1], 7: [1, 6, 15, 20, 15, 6, 1]}


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", ROWS)
def test_the_filter_is_pascals_triangle(size):
    expected = torch.tensor([[a * b for a in ROWS[size]] for b in ROWS[size]]) / 4 ** (size - 1)
    torch.testing.assert_close(binomial(size), expected)
    assert float(binomial(size).sum()) == pytest.approx(1)


@pytest.mark.parametrize("size", ROWS)
@pytest.mark.parametrize("stride", [1, 2, 3, (1, 2)])
def test_is_the_formula_written_as_loops(size, stride):
    inputs = uniform(1, 2, 9, 10).double()
    found = blur_pool(inputs, size=size, stride=stride)
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    assert found.shape == (1, 2, math.ceil(9 / steps[0]), math.ceil(10 / steps[1]))

    def mirrored(index, side):
        index = abs(index)
        return index if index < side else 2 * (side - 1) - index

    before = (size - 1) // 2
    for i, y in enumerate(range(0, 9, steps[0])):
        for j, x in enumerate(range(0, 10, steps[1])):
            total = sum(
                ROWS[size][k] * ROWS[size][m] * inputs[0, :, mirrored(y + k - before, 9), mirrored(x + m - before, 10)]
                for k in range(size)
                for m in range(size)
            )
            torch.testing.assert_close(found[0, :, i, j], total / 4 ** (size - 1))


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_stride_one_is_the_plain_filter_and_a_stride_keeps_every_other_place(size):
    inputs = uniform(2, 3, 11, 12)
    filtered = BlurPool(size, 1)(inputs)
    inside = F.conv2d(inputs.flatten(0, 1)[:, None], binomial(size)[None, None]).view(2, 3, 12 - size, 13 - size)
    before = (size - 1) // 2
    torch.testing.assert_close(filtered[..., before : before + 12 - size, before : before + 13 - size], inside)
    torch.testing.assert_close(BlurPool(size, 2)(inputs), filtered[..., ::2, ::2])
    torch.testing.assert_close(blur_pool(inputs, size=size), BlurPool(size, 2)(inputs))


@pytest.mark.parametrize("size", [1, 2, 4, 7])
@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_a_constant_stays_a_constant_however_small_the_image(size, side):
    found = BlurPool(size)(torch.full((1, 2, side, side), 0.3))
    torch.testing.assert_close(found, torch.full((1, 2, (side + 1) // 2, (side + 1) // 2), 0.3))


def test_the_finest_stripes_vanish():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert blur_pool(stripes, size=1).eq(1).all(), "subsampling alone takes them for a constant"
    assert blur_pool(stripes, size=3).abs().max() < 1e-6


def test_it_adds_nothing_to_the_weights_and_follows_the_type():
    layer = BlurPool(4).double()
    assert not layer.state_dict()
    assert layer(torch.ones(1, 1, 8, 8, dtype=torch.float64)).dtype == torch.float64
    assert BlurPool(4)(torch.ones(1, 1, 8, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert torch.autograd.gradcheck(layer, torch.rand(1, 1, 5, 5, dtype=torch.float64, requires_grad=True))
