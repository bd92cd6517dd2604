import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomrob.errors import UsageError
from geomrob.models.layers.push_pull import PushPullConv2d, push_and_pull_kernels, push_pull
from geomrob.spectral.push_pull_kernel import push_pull_kernel, push_pull_response


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


@pytest.mark.parametrize("average", [0, 3, 5])
def test_without_inhibition_it_is_the_rectified_convolution(average):
    inputs, weight, bias = normal(2, 3, 9, 9), normal(4, 3, 3, 3, seed=1), normal(4, seed=2)
    plain = F.conv2d(inputs, weight, stride=2, padding=1)
    how = {"average": average, "stride": 2, "padding": 1}
    torch.testing.assert_close(push_pull(inputs, weight, 0.0, bias, **how), plain.relu() + bias[:, None, None])
    # The rectifier of the network leaves it as it is: conv -> relu and push-pull -> relu are one network.
    torch.testing.assert_close(push_pull(inputs, weight, 0.0, **how).relu(), plain.relu())
    unrectified = push_pull(inputs, weight, 0.0, bias, rectified=False, **how)
    torch.testing.assert_close(unrectified, F.conv2d(inputs, weight, bias, stride=2, padding=1))


@pytest.mark.parametrize("average", [0, 3, 5])
@pytest.mark.parametrize("alpha", [-1.5, 0.7, 3.0])
def test_without_rectifier_it_is_one_kernel(average, alpha):
    inputs, weight = normal(2, 3, 16, 14), normal(4, 3, 7, 7, seed=1)
    # No padding, and only answers whose whole box is there: at the border the layer averages over fewer.
    edge = average // 2
    found = push_pull(inputs, weight, alpha, average=average, rectified=False)
    found = found[..., edge : found.shape[-2] - edge, edge : found.shape[-1] - edge]
    expected = F.conv2d(inputs, push_pull_kernel(weight, alpha, box=average))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    single = push_pull(inputs.float(), weight.float(), alpha, average=average, rectified=False)
    single = single[..., edge : single.shape[-2] - edge, edge : single.shape[-1] - edge]
    assert (single - expected).abs().max() < 1e-6 * expected.abs().max()


@pytest.mark.parametrize("average", [0, 3])
def test_its_rectified_answer_is_that_of_the_mathematics(average):
    inputs, weight = normal(2, 3, 10, 10), normal(4, 3, 3, 3, seed=1)
    found = push_pull(inputs, weight, 0.6, average=average).relu()
    edge = average // 2
    found = found[..., edge : found.shape[-2] - edge, edge : found.shape[-1] - edge]
    torch.testing.assert_close(found, push_pull_response(inputs, weight, 0.6, box=average))


def test_borders_are_averages_of_what_is_there():
    # All pulls are equal, so that each average is, at corners too.
    ones, weight = torch.ones(1, 1, 5, 5), torch.tensor([[[[-2.0]]], [[[3.0]]]])
    found = push_pull(ones, weight, 0.5, average=5)
    assert found[0, 0].eq(0).all(), "max + min - w of one element is w, and a negative pull is silent"
    torch.testing.assert_close(found[0, 1], torch.full((5, 5), 3 - 0.5 * 3))


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize(("average", "groups", "stride"), [(0, 1, 1), (3, 2, 2), (5, 1, 1)])
def test_gradients_are_those_of_finite_differences(average, groups, stride, rectified):
    inputs, weight = normal(1, 2, 5, 5), normal(4, 2 // groups, 2, 2, seed=1)
    alpha, bias = normal(4, seed=2), normal(4, seed=3)

    def call(*tensors):
        return push_pull(*tensors, average=average, groups=groups, stride=stride, padding=1, rectified=rectified)

    given = [tensor.requires_grad_() for tensor in (inputs, weight, alpha, bias)]
    assert torch.autograd.gradcheck(call, given)


def test_the_extrema_take_part_in_the_gradient():
    weight = torch.tensor([[[[1.0, -4.0, 2.0, 6.0]]]], requires_grad=True)
    pull = push_and_pull_kernels(weight)[1]
    (gradient,) = torch.autograd.grad(pull.sum(), weight)
    # Four elements of -w + max + min: -1 each, +4 for the greatest and for the smallest.
    assert gradient.flatten().tolist() == [-1, 3, -1, 3]


def test_groups_are_convolutions_side_by_side():
    inputs, weight, alpha = normal(2, 6, 7, 7), normal(9, 2, 3, 3, seed=1), normal(9, seed=2)
    found = push_pull(inputs, weight, alpha, average=3, groups=3)
    parts = [
        push_pull(piece, filters, strength, average=3)
        for piece, filters, strength in zip(inputs.split(2, 1), weight.split(3), alpha.split(3), strict=True)
    ]
    torch.testing.assert_close(found, torch.cat(parts, 1))


@pytest.mark.parametrize("average", [-1, 2, 4])
def test_even_averages_are_refused(average):
    with pytest.raises(UsageError, match="average must be an odd side"):
        push_pull(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), 0.5, average=average)
    with pytest.raises(UsageError, match="average must be an odd side"):
        PushPullConv2d(1, 1, 3, average=average)


@pytest.mark.parametrize("inhibition", ["learned", math.nan, math.inf])
def test_an_unfit_inhibition_is_refused(inhibition):
    with pytest.raises(UsageError, match="inhibition must be 'trainable' or a finite number"):
        PushPullConv2d(1, 1, 3, inhibition=inhibition)


OPTIONS = [
    {},
    {"stride": 2, "padding": (1, 2), "dilation": (2, 1), "bias": False},
    {"padding": "same", "groups": 2, "average": 5},
    {"padding": "valid", "average": 0},
    {"padding": 1, "padding_mode": "reflect", "inhibition": 0.3},
    {"padding": "same", "padding_mode": "circular"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_layer_is_the_function(options):
    layer = PushPullConv2d(4, 6, 3, dtype=torch.float64, **options)
    inputs, how = normal(2, 4, 9, 10), dict(options)
    for name in ("bias", "inhibition", "padding_mode"):
        how.pop(name, None)
    if options.get("padding_mode", "zeros") != "zeros":
        inputs, how["padding"] = F.pad(inputs, [1] * 4, mode=options["padding_mode"]), 0
    how.setdefault("average", 3)
    expected = push_pull(inputs, layer.weight, layer.inhibition, layer.bias, **how)
    torch.testing.assert_close(layer(normal(2, 4, 9, 10)), expected)
    plain = nn.Conv2d(4, 6, 3, **{key: value for key, value in options.items() if key not in ("inhibition", "average")})
    assert layer(normal(2, 4, 9, 10)).shape == plain(normal(2, 4, 9, 10).float()).shape


def test_a_trainable_inhibition_is_drawn_from_the_global_generator():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second = PushPullConv2d(1, 500, 3), PushPullConv2d(1, 500, 3)
        torch.manual_seed(3)
        again = PushPullConv2d(1, 500, 3)
    assert torch.equal(first.inhibition, again.inhibition)
    assert not torch.equal(first.inhibition, second.inhibition)
    assert 0 <= first.inhibition.min() < 0.02
    assert 0.98 < first.inhibition.max() < 1
    assert [name for name, _ in first.named_parameters()] == ["weight", "bias", "inhibition"]


def test_a_fixed_inhibition_is_kept_with_the_weights_and_not_trained():
    layer = PushPullConv2d(1, 4, 3, inhibition=-2.0, bias=False)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.state_dict()["inhibition"].tolist() == [-2] * 4
    assert "inhibition=fixed" in repr(layer)
    assert "inhibition=trainable" in repr(PushPullConv2d(1, 4, 3))


def test_channels_last_stays_channels_last():
    layer, inputs = PushPullConv2d(3, 4, 3), normal(2, 3, 8, 8).float()
    found = layer(inputs.to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, layer(inputs))


@pytest.fixture
def counted(monkeypatch):
    """Return an evaluated layer and a list that grows by one whenever both filter banks are made."""
    made = []

    def spy(*given):
        made.append(1)
        return push_and_pull_kernels(*given)

    monkeypatch.setattr("geomrob.models.layers.push_pull.push_and_pull_kernels", spy)
    return PushPullConv2d(2, 3, 3).eval().requires_grad_(False), made


def double(layer):
    layer.weight.mul_(2)


def load_doubled(layer, **how):
    layer.load_state_dict(
        {key: value * 2 for key, value in layer.state_dict().items() if key == "weight"}, False, **how
    )


def replace_weight(layer):
    layer.weight = nn.Parameter(layer.weight * 2, requires_grad=False)


def edit_data(layer):
    layer.weight.data.mul_(2)
    layer.eval()


def change_data(layer):
    layer.weight.data = layer.weight.data * 2


CHANGES = [double, load_doubled, lambda layer: load_doubled(layer, assign=True), replace_weight, edit_data, change_data]


@pytest.mark.parametrize("change", CHANGES)
def test_kernels_are_kept_until_the_weights_change(counted, change):
    layer, made = counted
    inputs = normal(1, 2, 6, 6).float()
    first = layer(inputs)
    assert torch.equal(first, layer(inputs))
    assert len(made) == 1
    with torch.no_grad():
        change(layer)
    expected = push_pull(inputs, layer.weight, layer.inhibition, layer.bias, average=3)
    assert not torch.equal(expected, first)
    assert torch.equal(layer(inputs), expected)


def test_kernels_are_made_anew_for_another_type(counted):
    layer, made = counted
    inputs = normal(1, 2, 6, 6)
    single = layer(inputs.float())
    found = layer.double()(inputs)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), single)
    assert len(made) == 2


def test_nothing_is_kept_in_training_or_for_a_gradient(counted):
    layer, made = counted
    inputs = normal(1, 2, 6, 6).float()
    layer.train()
    layer(inputs), layer(inputs)
    assert len(made) == 2
    layer.eval().requires_grad_(True)
    with torch.no_grad():
        kept = layer(inputs)
    found = layer(inputs)
    assert torch.equal(found, kept)
    found.square().sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_what_is_kept_in_inference_mode_serves_gradients_of_images(counted):
    layer, made = counted
    inputs = normal(1, 2, 6, 6).float()
    with torch.inference_mode():
        layer(inputs)
    inputs.requires_grad_()
    layer(inputs).square().sum().backward()
    assert len(made) == 1
    assert inputs.grad.abs().sum() > 0


def test_copies_and_functional_calls_use_their_own_weights(counted):
    layer, _ = counted
    inputs = normal(1, 2, 6, 6).float()
    first = layer(inputs)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(inputs), first)
    other = {"weight": layer.weight * 3}
    found = torch.func.functional_call(layer, other, (inputs,))
    assert torch.equal(found, push_pull(inputs, other["weight"], layer.inhibition, layer.bias, average=3))
    assert torch.equal(layer(inputs), first)
    gradient = torch.func.grad(lambda w: torch.func.functional_call(layer, {"weight": w}, (inputs,)).square().sum())
    assert gradient(layer.weight).abs().sum() > 0
