"""Layers: sparsity and signal-to-noise ratio where both have a closed form, and nothing left on the model."""

import math

import pytest
import torch
from torch import nn

from geomrob.analysis.layers import layers
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.errors import UsageError
from geomrob.results import equal
from tests.attacks.zoo import Breaks, Greedy, images


class Probe(nn.Module):
    """Shows a layer the activations that a function makes of the images."""

    def __init__(self, make):
        super().__init__()
        self.make = make
        self.layer = nn.Identity()

    def forward(self, inputs):
        return self.layer(self.make(inputs)).flatten(1)[:, :4]


def seen(make, inputs=None, **options):
    options = {"names": ["layer"], **options}
    return layers(Probe(make), images(5) if inputs is None else inputs, **options)


def conv_net(dtype=torch.float32):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 4))
    return nn.Sequential(body, nn.Dropout(0.5)).to(dtype)


def one_hot(inputs):
    here = torch.zeros(len(inputs), 7, 8, 8, dtype=inputs.dtype)
    here[:, 3] = inputs[:, 0] + 0.5
    return here


def test_one_speaking_channel_is_0_and_all_alike_is_1():
    found = seen(one_hot)
    torch.testing.assert_close(found.sparsity, torch.zeros(1, 5, dtype=torch.float64), atol=1e-7, rtol=0)
    assert (found.channels.tolist(), found.locations.tolist(), found.silent.sum().item()) == ([7], [64], 0)
    assert found.active_share.tolist() == pytest.approx([1 / 7])
    alike = seen(lambda inputs: (inputs + 0.5).repeat(1, 7, 1, 1) * torch.tensor([1, -1] * 3 + [1.0]).reshape(7, 1, 1))
    assert alike.hoyer.tolist() == pytest.approx([1], abs=1e-6)
    assert alike.active_share.tolist() == [1]


def test_gaussian_activations_have_the_ratio_of_their_moments():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(1, 400, 16, 16, generator=generator)
    found = seen(lambda inputs: drawn.repeat(len(inputs), 1, 1, 1))
    expected = (math.sqrt(2 / math.pi * 400) - 1) / (math.sqrt(400) - 1)
    assert found.hoyer.tolist() == pytest.approx([expected], abs=0.005)


def test_silent_places_are_counted_and_left_out():
    def half(inputs):
        here = one_hot(inputs).repeat(1, 1, 1, 1)
        here[:, :, 4:], here[0] = 0, 0
        return here

    found = seen(half)
    assert found.silent.tolist() == [[64, 32, 32, 32, 32]]
    assert torch.isnan(found.sparsity[0, 0])
    assert found.hoyer.tolist() == pytest.approx([0], abs=1e-7)


def test_one_channel_has_no_sparsity():
    found = seen(lambda inputs: inputs)
    assert torch.isnan(found.sparsity).all()
    assert torch.isnan(found.hoyer).all()
    assert torch.isfinite(found.snr_db()).all()


@pytest.mark.parametrize("clamp", [False, True])
def test_the_identity_hands_on_exactly_the_noise(clamp):
    inputs = images(6, dtype=torch.float64)
    found = seen(lambda x: x, inputs, sigma=0.2, repeats=3, seed=5, clamp=clamp, indices=torch.arange(6) + 40)
    for repeat in range(3):
        drawn = noisy(inputs, epsilon=0.2, seed=5 + repeat, indices=torch.arange(6) + 40) - inputs
        kept = drawn.flatten(1).square().sum(1)
        if clamp:
            torch.testing.assert_close(found.noise[0, repeat], kept)
        else:
            assert (found.noise[0, repeat] > kept).all()
    torch.testing.assert_close(found.signal[0], inputs.flatten(1).square().sum(1))


def test_snr_has_its_closed_form():
    inputs = images(10, shape=(3, 16, 16), dtype=torch.float64)
    found = seen(lambda x: 7 * x, inputs, sigma=0.1, repeats=8)
    energy, size = inputs.flatten(1).square().sum(1), inputs[0].numel()
    # The mean of 1 / chi^2 with D degrees of freedom is 1 / (D - 2).
    expected = 10 * math.log10(float(energy.mean()) / 0.01 / (size - 2))
    assert found.snr_db().tolist() == pytest.approx([expected], abs=0.05)
    ratio = 10 * math.log10(float(energy.mean()) / 0.01 / size)
    assert found.snr_db("ratio").tolist() == pytest.approx([ratio], abs=0.05)
    half = seen(lambda x: 7 * x, inputs, sigma=0.05, repeats=8)
    assert (half.snr_db() - found.snr_db()).tolist() == pytest.approx([20 * math.log10(2)], abs=1e-6)


def test_averages_are_those_of_a_plain_loop():
    found = layers(conv_net(), images(8), repeats=2)
    ratios = [
        [s / (math.sqrt(w) + 1e-9) ** 2 for row in noise for s, w in zip(signal, row, strict=True)]
        for signal, noise in zip(found.signal.tolist(), found.noise.tolist(), strict=True)
    ]
    mean = [10 * math.log10(sum(row) / 16) for row in ratios]
    assert found.snr_db().tolist() == pytest.approx(mean, rel=1e-9)
    median = [10 * math.log10((sorted(row)[7] + sorted(row)[8]) / 2) for row in ratios]
    assert found.snr_db("median").tolist() == pytest.approx(median, rel=1e-9)
    with pytest.raises(UsageError, match="how must be one of mean, median, ratio; got 'means'"):
        found.snr_db("means")


def test_noise_that_reaches_nothing_is_counted_and_finite():
    found = seen(torch.ones_like)
    assert found.untouched.tolist() == [5]
    assert torch.isfinite(found.snr_db()).all()
    assert torch.isinf(found.snr_db(guard=0)).all()


def test_every_number_is_that_of_a_plain_forward_pass():
    model = conv_net(torch.float64).eval()
    inputs = images(4, dtype=torch.float64)
    found = layers(model, inputs)
    assert (found.names, found.kinds) == (("0.0", "0.4"), ("Conv2d", "Linear"))
    flat = model[0][:4](inputs)
    l1, l2 = flat.abs().sum(1), flat.square().sum(1).sqrt()
    torch.testing.assert_close(found.sparsity[1], (l1 / l2 - 1) / (math.sqrt(54) - 1))
    torch.testing.assert_close(found.active[1], (flat != 0).double().mean(1))
    torch.testing.assert_close(found.predictions, model(inputs).argmax(1))
    block = layers(model, inputs, names=["0.1"], at="output")
    hidden = model[0][:2](inputs)
    ratio = hidden.abs().sum(1) / hidden.square().sum(1).sqrt()
    ratio = ((ratio - 1) / (math.sqrt(6) - 1)).flatten(1)
    torch.testing.assert_close(block.sparsity[0], ratio.nanmean(1))
    assert block.silent[0].tolist() == ratio.isnan().sum(1).tolist()


def test_no_split_changes_an_image():
    model, inputs = conv_net(), images(21)
    keys = torch.arange(21) * 3
    whole = layers(model, inputs, indices=keys)
    for start, stop in ((0, 4), (4, 21)):
        part = layers(model, inputs[start:stop], indices=keys[start:stop])
        for name in ("sparsity", "active", "signal", "noise"):
            assert equal(getattr(part, name), getattr(whole, name)[..., start:stop]), name


def test_a_call_too_large_for_memory_is_halved():
    model = conv_net()
    small = Greedy(model, 8, torch.OutOfMemoryError("no memory"))
    found, whole = layers(small, images(9)), layers(model, images(9))
    torch.testing.assert_close(found.noise, whole.noise)
    torch.testing.assert_close(found.sparsity, whole.sparsity, equal_nan=True)


def test_a_layer_that_is_called_again_is_another_row():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(64, 64)

        def forward(self, inputs):
            return self.mix(self.mix(inputs.flatten(1)).relu())[:, :5]

    found = layers(Twice(), images(3))
    assert found.names == ("mix", "mix#2")
    assert found.active_share[0] > 0.99
    assert found.active_share[1] < 0.9


def test_windows_stacked_along_the_batch_are_places_of_their_image():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(16, 16)

        def forward(self, inputs):
            return self.mix(inputs.reshape(4 * len(inputs), 1, 16)).reshape(len(inputs), -1)

    inputs = images(3, dtype=torch.float64)
    found = layers(Windows().double(), inputs)
    assert (found.channels.tolist(), found.locations.tolist()) == ([16], [4])
    torch.testing.assert_close(found.signal[0], inputs.flatten(1).square().sum(1))


def test_a_module_with_its_own_kernel_is_a_layer():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 1, 3, 3))

        def forward(self, inputs):
            return nn.functional.conv2d(inputs, self.weight)

    model = nn.Sequential(Own(), nn.Flatten(), nn.LayerNorm([144]), nn.Linear(144, 3))
    assert layers(model, images(2)).names == ("0", "3")


@pytest.mark.parametrize("fails", [False, True])
def test_no_trace_is_left(fails):
    model = conv_net()
    model.train()
    model[0].eval()
    net = Breaks(model, 2) if fails else model
    net.training = True
    before, state = [module.training for module in net.modules()], torch.get_rng_state()
    if fails:
        with pytest.raises(ZeroDivisionError):
            layers(net, images(3), repeats=4)
    else:
        layers(net, images(3))
    assert [module.training for module in net.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_decides():
    one, same, other = (layers(conv_net(), images(4), seed=seed) for seed in (1, 1, 2))
    assert equal(one.noise, same.noise)
    assert not torch.equal(one.noise, other.noise)


def test_misuse_is_one_sentence():
    model, inputs = conv_net(), images(3)
    with pytest.raises(UsageError, match=r"model must be a torch.nn.Module; got function"):
        layers(lambda x: x, inputs)
    with pytest.raises(UsageError, match=r"layer must be one of .*; got '0.9'"):
        layers(model, inputs, names=["0.9"])
    with pytest.raises(UsageError, match="at must be one of input, output; got 'inside'"):
        layers(model, inputs, at="inside")
    with pytest.raises(UsageError, match=r"sigma must be above 0 and finite, below .*; got 0"):
        layers(model, inputs, sigma=0)
    with pytest.raises(UsageError, match="repeats must be at least 1, at most 1,000,000; got 0"):
        layers(model, inputs, repeats=0)
    with pytest.raises(UsageError, match="labels must be classes from 0 to 3; got 0 to 9"):
        layers(model, inputs, torch.tensor([0, 9, 1]))
    model.spare = nn.Linear(3, 3)
    assert "spare" not in layers(model[0], inputs).names
    idle = Probe(lambda x: x)
    idle.spare = nn.Linear(3, 3)
    with pytest.raises(UsageError, match="modules that the forward pass calls on float tensors; got spare"):
        layers(idle, inputs, names=["layer", "spare"])
