"""Surrogate and smoothed gradients against closed forms: where plain gradients fail, the true margin is found."""

import math

import pytest
import torch
from torch import nn

from geomrob.attacks import deepfool, tight
from geomrob.errors import UsageError
from geomrob.models import load_model, smoothed_gradients, surrogate_gradients
from geomrob.models.layers.hah import HaHBlock, SmoothHaHBlock
from geomrob.results import Status
from tests.oracles import LinearModel

LEVELS = 255


class Rounded(nn.Module):
    """Round to levels: the gradient is zero."""

    def forward(self, inputs):
        """Return the rounded inputs."""
        return (inputs * LEVELS).round() / LEVELS


class HardThreshold(nn.Module):
    """Keep what reaches 0.6, as the threshold of a HaH block does: no gradient below."""

    def forward(self, inputs):
        """Return the inputs that are kept, zero elsewhere."""
        return inputs * (inputs >= 0.6)


class SoftThreshold(nn.Module):
    """The same with a sigmoid."""

    def forward(self, inputs):
        """Return the inputs weighted by a sigmoid."""
        return inputs * torch.sigmoid((inputs - 0.6) / 0.06)


class Ripples(nn.Module):
    """A linear model whose logits have ripples too small to matter and too steep for a gradient."""

    amplitude, frequency = 0.002, 30000

    def __init__(self):
        super().__init__()
        self.linear = LinearModel()

    def forward(self, inputs):
        """Return logits whose gap differs from the linear one by at most twice the amplitude."""
        logits = self.linear(inputs)
        ripple = self.amplitude * torch.sin(self.frequency * inputs).flatten(1).mean(1)
        return logits + ripple[:, None] * torch.linspace(-1, 1, logits.shape[1], dtype=logits.dtype) * 8


def images(count=12):
    generator = torch.Generator().manual_seed(3)
    return 0.45 + 0.1 * torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64)


def test_straight_through_a_rounding_the_margin_of_the_linear_model_is_found():
    linear, inputs = LinearModel(), images()
    model = nn.Sequential(Rounded(), linear)
    plain = tight(model, inputs)
    assert bool((plain.status == Status.INVARIANT).all()), "no gradient passes a rounding"
    through = surrogate_gradients(model, {Rounded: lambda layer: nn.Identity()})
    found = tight(through, inputs)
    assert found.success_rate == 1
    assert bool((model(found.perturbed).argmax(1) != model(inputs).argmax(1)).all())
    # Rounding moves an image by at most half a level in each of its 64 elements.
    margins, slack = linear.margins(inputs), math.sqrt(64) / 2 / LEVELS
    assert bool(((found.distances() - margins).abs() <= slack).all())


def test_through_a_threshold_an_element_that_is_not_active_yet_is_raised():
    head = nn.Linear(4, 2, bias=False).double()
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0, 0, 0, 0.9], [1, 0, 0, 0]]))
    model = nn.Sequential(HardThreshold(), nn.Flatten(), head)
    inputs = torch.tensor([0.5, 0.3, 0.3, 0.62], dtype=torch.float64).reshape(1, 1, 2, 2)
    # At 0.6 the first element counts 0.6 at once, more than 0.9 times 0.62: raised by 0.1 the class changes. Without
    # the first element it can only be reached where the last one falls below 0.6, and then both logits are 0.
    found = tight(surrogate_gradients(model, {HardThreshold: lambda layer: SoftThreshold()}), inputs)
    assert 0.1 <= found.distances().item() < 0.13
    plain = tight(model, inputs)
    assert not plain.success.item() or plain.distances().item() > 0.3


def test_smoothed_gradients_pass_over_ripples_that_stop_plain_ones():
    model, inputs = Ripples(), images()
    margins, plain = model.linear.margins(inputs), tight(model, inputs)
    assert plain.distances().median() > 1.1 * margins.median(), "the ripples hide the boundary"
    found = tight(smoothed_gradients(model, noise=0.02, samples=8), inputs)
    assert found.success_rate == 1
    assert bool((model(found.perturbed).argmax(1) != model(inputs).argmax(1)).all())
    assert found.distances().median() < 1.1 * margins.median()


def test_logits_are_bitwise_those_of_the_model_and_the_model_stays_as_it_was():
    model, inputs = load_model("fmnist-hah"), torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    names = [name for name, _ in model.named_modules()]
    through = surrogate_gradients(model)
    smooth = smoothed_gradients(through, samples=2)
    logits = model(inputs)
    for other in (through, smooth):
        points = inputs.clone().requires_grad_()
        assert torch.equal(other(points), logits)
        assert torch.equal(other(inputs), logits)
    assert [name for name, _ in model.named_modules()] == names
    (own,) = torch.autograd.grad(model(points := inputs.clone().requires_grad_()).amax(1).sum(), points)
    (new,) = torch.autograd.grad(through(points).amax(1).sum(), points)
    assert not torch.allclose(own, new)


def test_the_gradient_is_that_of_the_surrogate_and_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    block, inputs = HaHBlock(1, 4).double(), torch.rand(3, 1, 6, 6, dtype=torch.float64)
    through, surrogate = surrogate_gradients(block), SmoothHaHBlock(block)
    points = inputs.clone().requires_grad_()
    (found,) = torch.autograd.grad(through(points).square().sum(), points)
    outputs = surrogate(points)
    (truth,) = torch.autograd.grad(outputs, points, 2 * block(inputs))
    torch.testing.assert_close(found, truth)
    smooth = smoothed_gradients(through, samples=4)
    (whole,) = torch.autograd.grad(smooth(points).square().sum(), points)
    one = inputs[1:2].clone().requires_grad_()
    (alone,) = torch.autograd.grad(smooth(one).square().sum(), one)
    torch.testing.assert_close(whole[1:2], alone)


def test_towards_temperature_zero_the_surrogate_is_the_block():
    torch.manual_seed(0)
    block, inputs = HaHBlock(1, 4).double(), torch.rand(2, 1, 6, 6, dtype=torch.float64)
    exact, cold = block(inputs), SmoothHaHBlock(block, 1e-9)(inputs)
    # The response that is the threshold itself is kept by the block, and halved by any sigmoid.
    assert int(((exact - cold).abs() > 1e-6).flatten(2).sum(2).max()) <= 1
    assert bool((SmoothHaHBlock(block, 1.0)(inputs) != exact).any())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: surrogate_gradients(LinearModel()), "model must have a layer with a surrogate"),
        (lambda: surrogate_gradients(nn.Flatten(), {}), "model must have a layer with a surrogate"),
        (lambda: smoothed_gradients(nn.Flatten(), noise=0), "noise must be above 0"),
        (lambda: smoothed_gradients(nn.Flatten(), samples=3), "samples must be an even number"),
        (lambda: SmoothHaHBlock(HaHBlock(1, 2), 0), "temperature must be above 0"),
        (
            lambda: surrogate_gradients(nn.Sequential(Rounded()), {Rounded: lambda layer: nn.Flatten()})(
                torch.rand(1, 1, 2, 2, requires_grad=True)
            ),
            "surrogates must return the shape of their layer",
        ),
    ],
)
def test_misuse_is_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()


def test_a_surrogate_that_is_not_finite_leaves_the_logits_as_they_are():
    class Overflows(nn.Module):
        def forward(self, inputs):
            return torch.where(inputs > 0.5, math.inf, inputs)

    model = nn.Sequential(nn.Flatten(), nn.Sigmoid())
    points = torch.tensor([[[[0.2, 0.9]]]], requires_grad=True)
    outputs = surrogate_gradients(model, {nn.Sigmoid: lambda layer: Overflows()})(points)
    assert torch.equal(outputs.detach(), model(points).detach())
    (gradient,) = torch.autograd.grad(outputs.sum(), points)
    assert gradient.flatten().tolist() == [1.0, 0.0]


def test_smoothed_gradients_take_models_that_return_dictionaries():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 5)

        def forward(self, images):
            return {"logits": self.layer(images.flatten(1)), "features": images}

    model, images = Named(), torch.rand(3, 1, 8, 8)
    plain = deepfool(model, images).distances()
    torch.testing.assert_close(deepfool(smoothed_gradients(model), images).distances(), plain)


def test_layers_inside_layers_each_have_their_surrogate():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Rounding()

        def forward(self, values):
            return self.inner(values).sign()

    class Rounding(nn.Module):
        def forward(self, values):
            return (4 * values).round() / 4

    model = nn.Sequential(nn.Flatten(), Outer())
    table = {Rounding: lambda _: nn.Identity(), Outer: lambda layer: layer.inner}
    images = torch.rand(2, 1, 2, 2, requires_grad=True)
    outputs = surrogate_gradients(model, table)(images)
    assert torch.equal(outputs, model(images))
    assert torch.equal(torch.autograd.grad(outputs.sum(), images)[0], torch.ones(2, 1, 2, 2))
