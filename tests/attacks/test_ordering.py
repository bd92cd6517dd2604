"""Orders of each row's values: those of a stable sort, whatever the kernel."""

import pytest
import torch

from geomrob.attacks.engine.ordering import descending, ranks


def rows(kind, dtype=torch.float32):
    values = torch.randn(9, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    if kind == "ties":
        return values.round()
    if kind == "zeros":
        return torch.where(values > 0, 0.0, -0.0) * values.abs().round().clamp_max(1)
    if kind == "infinite":
        return torch.where(values > 1, torch.inf, torch.where(values < 0, -torch.inf, values))
    if kind == "extreme":
        return values * 10.0 ** torch.arange(-45, 40, 1.7)[:50]
    return values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["plain", "ties", "zeros", "infinite", "extreme"])
@pytest.mark.parametrize("count", [None, 1, 7, 30, 80])
def test_it_is_the_order_of_a_stable_sort(kind, dtype, count):
    values = rows(kind, dtype)
    expected = values.sort(dim=1, descending=True, stable=True)
    largest, order = descending(values, count)
    assert torch.equal(order, expected.indices[:, :count])
    assert torch.equal(largest, expected.values[:, :count])
    assert torch.equal(ranks(values), expected.indices.argsort(dim=1))


@pytest.mark.parametrize("shape", [(0, 5), (3, 1)])
def test_no_rows_and_single_values_have_an_order(shape):
    values = torch.rand(shape)
    assert descending(values)[1].shape == shape
    assert descending(values, 4)[0].shape[0] == shape[0]
