"""The Hebbian term: eq. 5 and the layer-local gradients, each against its definition on a net of two layers."""

import time
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomrob.errors import UsageError
from geomrob.models.architectures.plans import SMALL, VGG16
from geomrob.models.architectures.vgg import vgg
from geomrob.models.layers.hah import HaHBlock, adaptive_threshold, divisive_normalization, normalized_weight
from geomrob.models.layers.hebbian import hebbian_cost
from geomrob.training.losses.hebbian import HebbianTerm

ALPHA = (0.3, 0.7)


class Two(nn.Module):
    """Two HaH blocks and a linear layer, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = HaHBlock(3, 10), HaHBlock(10, 20)
        self.fc = nn.Linear(20, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc(self.second(self.first(inputs)).mean((2, 3)))


@pytest.fixture
def model() -> Two:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Two().double()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(5, 3, 8, 8, generator=generator, dtype=torch.float64), torch.arange(5) % 4


def by_hand(model: Two, images: Tensor, cut: bool) -> tuple[Tensor, Tensor]:
    """Return the costs of both layers; `cut` keeps the second from the weights of the first."""
    first = F.conv2d(images, normalized_weight(model.first.conv.weight), padding=1)
    hidden = adaptive_threshold(divisive_normalization(first.relu()))
    hidden = hidden.detach() if cut else hidden
    return hebbian_cost(first), hebbian_cost(F.conv2d(hidden, normalized_weight(model.second.conv.weight), padding=1))


@pytest.mark.parametrize("gradients", ["paper", "local"])
def test_the_gradients_are_those_of_the_definition(model, batch, gradients):
    images, labels = batch
    with HebbianTerm(model, ALPHA, gradients=gradients) as term:
        loss = F.cross_entropy(model(images), labels)
    value = term.value()
    found = torch.autograd.grad(loss - value, list(model.parameters()))
    costs = by_hand(model, images, cut=gradients == "local")
    expected_value = ALPHA[0] * costs[0] + ALPHA[1] * costs[1]
    assert torch.allclose(value, expected_value, rtol=1e-12)
    expected = torch.autograd.grad(F.cross_entropy(model(images), labels) - expected_value, list(model.parameters()))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-14)


def test_local_gradients_equal_the_released_sweep_from_deep_to_shallow(model, batch):
    images, labels = batch
    with HebbianTerm(model, ALPHA, gradients="local") as term:
        loss = F.cross_entropy(model(images), labels)
    found = torch.autograd.grad(loss - term.value(), list(model.parameters()))
    # As released: each layer's gradient is emptied before the backward pass of its own cost, deepest layer first.
    costs = by_hand(model, images, cut=False)
    for index, conv in ((1, model.second.conv), (0, model.first.conv)):
        conv.weight.grad = None
        (-ALPHA[index] * costs[index]).backward(retain_graph=True)
    F.cross_entropy(model(images), labels).backward()
    for ours, parameter in zip(found, model.parameters(), strict=True):
        assert torch.allclose(ours, parameter.grad, rtol=1e-9, atol=1e-14)


def test_the_two_differ_in_the_first_layer_only(model, batch):
    images, _ = batch
    gradients = {}
    for name in ("paper", "local"):
        with HebbianTerm(model, ALPHA, gradients=name) as term:
            model(images)
        weights = [model.first.conv.weight, model.second.conv.weight]
        gradients[name] = torch.autograd.grad(term.value(), weights)
    assert torch.allclose(gradients["paper"][1], gradients["local"][1], rtol=1e-12)
    assert not torch.allclose(gradients["paper"][0], gradients["local"][0], rtol=1e-2)


def test_share_and_balance_reach_the_cost(model, batch):
    images, _ = batch
    with HebbianTerm(model, (1.0, 0.0), share=0.5, balance=2.0) as term:
        model(images)
    assert torch.allclose(term.value(), hebbian_cost(model.first.conv(images), share=0.5, balance=2.0))


def test_the_logits_are_the_same_and_no_hook_is_left(model, batch):
    images, _ = batch
    with torch.no_grad():
        before = model(images)
        with HebbianTerm(model, ALPHA) as term:
            during = model(images)
        value = term.value()
        assert torch.equal(model(images), before)
    assert torch.equal(before, during)
    assert term.value() == value
    assert not any(module._forward_hooks for module in model.modules())


def test_an_error_inside_leaves_no_hook(model):
    with pytest.raises(RuntimeError), HebbianTerm(model, ALPHA):
        model(torch.zeros(1, 5, 8, 8, dtype=torch.float64))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_context_opened_again_starts_afresh_and_passes_add_up(model, batch):
    images, _ = batch
    listener = HebbianTerm(model, ALPHA)
    values = []
    for passes in (1, 1, 2):
        with listener as term, torch.no_grad():
            for _ in range(passes):
                model(images)
        values.append(term.value())
    assert values[0] == values[1]
    assert torch.allclose(values[2], 2 * values[0])


def test_without_blocks_or_passes_the_term_is_zero(model):
    with HebbianTerm(nn.Linear(2, 2), ()) as nothing:
        pass
    assert nothing.value() == HebbianTerm(model, ALPHA).value() == 0.0


def test_the_blocks_of_a_vgg_are_found_in_order():
    model = vgg(shape=(1, 28, 28), mean=[0.0], std=[1.0], plan=SMALL, hah=4)
    assert [block.conv.out_channels for block in HebbianTerm(model, (1, 2, 3, 4)).blocks] == [16, 16, 32, 32]


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ((0.1,), {}, "weights must be one a HaH block; got 1 for 2"),
        ((0.1, -0.1), {}, "weights must be at least 0"),
        (ALPHA, {"gradients": "globl"}, "gradients must be one of paper, local"),
    ],
)
def test_a_term_without_sense_is_refused(model, weights, options, message):
    with pytest.raises(UsageError, match=message):
        HebbianTerm(model, weights, **options)


def step_costs(
    plan: tuple[int | str, ...], shape: tuple[int, int, int], batch: int, blocks: int, rounds: int
) -> tuple[float, float, float]:
    """CPU time of a step with HaH blocks, with the cost and with the local one, over that of the plain VGG's."""
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(batch, *shape, generator=generator), torch.arange(batch) % 10
    facts = {"shape": shape, "mean": [0.5] * shape[0], "std": [0.25] * shape[0], "plan": plan}
    kinds = [(0, None), (blocks, None), (blocks, "paper"), (blocks, "local")]
    models = [vgg(**facts, hah=count) for count, _ in kinds]
    optimizers = [torch.optim.Adam(model.parameters(), 1e-3) for model in models]
    seconds: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for (_, gradients), model, optimizer, taken in zip(kinds, models, optimizers, seconds, strict=True):
            start = time.process_time()
            optimizer.zero_grad()
            with HebbianTerm(model, (1e-3,) * blocks, gradients=gradients) if gradients else nullcontext() as term:
                loss = F.cross_entropy(model(images), labels)
            (loss if term is None else loss - term.value()).backward()
            optimizer.step()
            taken.append(time.process_time() - start)
    plain, *others = [min(taken) for taken in seconds]
    bare, paper, local = (other / plain for other in others)
    print(f"plain {plain:.3f} s, HaH x{bare:.2f}, with its cost x{paper:.2f}, with the local one x{local:.2f}")
    return bare, paper, local


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("plan", "shape", "batch", "blocks", "rounds"), [(SMALL, (1, 28, 28), 128, 4, 12), (VGG16, (3, 32, 32), 32, 6, 4)]
)
def test_a_step_with_hah_blocks_takes_at_most_1_6_times_the_plain_step(plan, shape, batch, blocks, rounds):
    bare, paper, _ = step_costs(plan, shape, batch, blocks, rounds)
    assert bare <= 1.6
    assert paper <= 1.6
