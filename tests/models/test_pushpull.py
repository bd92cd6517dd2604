import pytest
import torch

from geomrob.models.pushpull import push_pull


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(inputs, weight, alpha, bias, average, stride, padding, groups):
    """Eq. 5 written as it is read, one answer after the other."""
    images, filters = inputs.numpy(), weight.numpy()
    count, _, height, width = images.shape
    outs, fan, rows, columns = filters.shape
    tall, wide = (height + 2 * padding - rows) // stride + 1, (width + 2 * padding - columns) // stride + 1
    result = torch.zeros(count, outs, tall, wide, dtype=torch.float64)

    def answer(n, kernel, out, i, j):
        total = 0.0
        for c in range(fan):
            for k in range(rows):
                for m in range(columns):
                    y, x = i * stride + k - padding, j * stride + m - padding
                    if 0 <= y < height and 0 <= x < width:
                        total += kernel[c, k, m] * images[n, out // (outs // groups) * fan + c, y, x]
        return total

    for n in range(count):
        for out in range(outs):
            push = filters[out]
            pull = -push + push.max() + push.min()
            pulls = [[answer(n, pull, out, i, j) for j in range(wide)] for i in range(tall)]
            for i in range(tall):
                for j in range(wide):
                    near = range(-(average // 2), average // 2 + 1)
                    seen = [pulls[i + a][j + b] for a in near for b in near if 0 <= i + a < tall and 0 <= j + b < wide]
                    inhibited = float(alpha[out]) * max(sum(seen) / len(seen), 0.0)
                    result[n, out, i, j] = max(answer(n, push, out, i, j), 0.0) - inhibited + float(bias[out])
    return result


@pytest.mark.parametrize("average", [0, 1, 3, 5])
@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 1, 1), (2, 0, 1), (2, 2, 2)])
def test_is_the_formula_written_as_loops(average, stride, padding, groups):
    inputs, weight = normal(2, 4, 6, 7), normal(4, 4 // groups, 3, 3, seed=1)
    alpha, bias = normal(4, seed=2), normal(4, seed=3)
    found = push_pull(
        inputs, weight, alpha, bias, average=average, stride=stride, padding=padding, groups=groups
    )  # fmt: skip
    expected = by_loops(inputs, weight, alpha, bias, average, stride, padding, groups)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
