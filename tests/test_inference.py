"""How a model is evaluated: prepared once, held in eval mode, in padded blocks that fit the memory, counted."""

import pytest
import torch
from torch import nn

from geomrob.analysis.margins import margin_curve
from geomrob.arrays import norms
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.table import names
from geomrob.errors import UsageError
from geomrob.inference import Evaluations, Prepared, accuracy, evaluating, is_adversarial
from geomrob.inference.block_sizes import SHARES, equal_sizes
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.attacks.zoo import Greedy, images, net


class Recorded(nn.Module):
    """Notes the rows of each call, whether gradients are wanted, and whether all modules are in eval mode."""

    def __init__(self, model):
        super().__init__()
        self.model, self.calls = model, []

    def forward(self, inputs):
        training = any(module.training for module in self.modules())
        self.calls.append((inputs.detach().clone(), inputs.requires_grad, training))
        return self.model(inputs)


def frozen():
    """Return a net in training mode with one frozen sub-module, and what each module's mode is."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3)).train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    return model, [module.training for module in model.modules()]


def test_modes_and_flags_are_restored_as_found_also_after_an_error():
    model, modes = frozen()
    flags = [parameter.requires_grad for parameter in model.parameters()]
    ready = Prepared(model, images())

    def fail():
        with ready, ready:
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags


def test_a_function_is_evaluated_as_it_is():
    calls = []
    with evaluating(lambda batch: batch):
        ready = Prepared(lambda batch: (calls.append(len(batch)), batch.flatten(1)[:, :3])[1], images(3))
        assert torch.equal(ready.clean, images(3).flatten(1)[:, :3])
    assert calls == [2, 1, 64]


def test_accuracy_leaves_frozen_modules_frozen():
    model, modes = frozen()
    inputs, running = images(10), model[1].running_mean.clone()
    labels = torch.zeros(10, dtype=torch.int64)
    measured = accuracy(model, inputs, labels)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(model[1].running_mean, running)
    assert measured == float((model.eval()(inputs).argmax(1) == 0).double().mean())


def test_the_size_of_a_block_follows_the_budget():
    model, example = net(shape=(3, 32, 32)), images(1, (3, 32, 32))
    ready = Prepared(model, example)
    sizes = [Prepared(ready, example, memory=memory).block for memory in (1, 1 << 18, 1 << 19, 1 << 20, 1 << 40)]
    assert sizes[0] == 1
    assert sizes[1] * 4 == sizes[2] * 2 == sizes[3]
    assert sizes[-1] == 64
    # Eight images and what autograd keeps, twice, of each: within half the budget.
    assert sizes[3] * (8 + 2) * example.numel() * 4 <= 1 << 19


def test_weights_do_not_count_against_the_budget_of_a_sample():
    model, example = nn.Sequential(nn.Flatten(), nn.Linear(64, 20_000), nn.Linear(20_000, 3)), images(1)
    block = Prepared(model, example, memory=1 << 22).block
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert block == Prepared(model.forward, example, memory=1 << 22).block >= 8


@pytest.mark.parametrize("memory", [1, 100_000, None])
def test_calls_have_few_shapes_which_return_the_same_bits(memory, monkeypatch):
    sizes = []

    def model(batch):
        sizes.append(len(batch))
        return known(batch)

    known = net()
    result = deepfool(model, images(70), memory=memory)
    block = 64 if memory is None else Prepared(known, images(1), memory=memory).block
    assert set(sizes[2:]) <= {block, *(int(share * block) for share in SHARES)}  # after the two that measure
    sizes.clear()
    monkeypatch.setattr("geomrob.inference.prepared.rows_of_call", lambda ready, count, block: block)
    padded = deepfool(model, images(70), memory=memory)
    assert set(sizes[2:]) == {block}
    for field in ("perturbed", "success", "steps", "forwards", "backwards"):
        assert torch.equal(getattr(result, field), getattr(padded, field)), field


def test_a_model_with_other_bits_in_smaller_calls_gets_blocks_alone():
    """As a library's kernels for few rows do; by less than the check of other images in a call minds."""
    sizes = []

    class Kernels(nn.Module):
        def __init__(self):
            super().__init__()
            self.known = net()

        def forward(self, batch):
            sizes.append(len(batch))
            return self.known(batch) * (1 + 1e-7 * (len(batch) <= self.last))

    model = Kernels()
    for last, least in ((0, 4), (16, 24), (48, 64)):
        model.last = last
        ready = Prepared(model, images(3))
        for _ in range(6):
            ready.logits(images(3))
        sizes.clear()
        ready.logits(images(3))
        assert sizes == [least]


def test_the_sizes_of_a_module_are_looked_for_once_in_a_process_and_again_when_it_changes(monkeypatch):
    looked = []

    def counted(ready, block):
        looked.append(block)
        return equal_sizes(ready, block)

    monkeypatch.setattr("geomrob.inference.block_sizes.equal_sizes", counted)
    model, inputs = net(), images(70)

    def searches():
        looked.clear()
        sizes.clear()
        result = deepfool(model, inputs)
        return len(looked), result

    sizes = []
    handle = model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    first, result = searches()
    rows = sum(sizes)
    again, same = searches()
    assert (first, again) == (1, 0)
    assert sum(sizes) < rows
    assert torch.equal(same.perturbed, result.perturbed)
    with torch.no_grad():
        next(model.parameters()).mul_(1.5)
    assert [searches()[0] for _ in range(2)] == [1, 0], "another weight"
    next(model.parameters()).data = next(model.parameters()).data.clone()
    assert [searches()[0] for _ in range(2)] == [1, 0], "a weight at another place"
    model.flag = 2
    assert [searches()[0] for _ in range(2)] == [1, 0], "an attribute"
    handle.remove()
    assert [searches()[0] for _ in range(2)] == [1, 0], "a hook"
    inputs = inputs.double()
    model.double()
    assert [searches()[0] for _ in range(2)] == [1, 0], "another type"
    model.float()
    for _ in range(2):
        looked.clear()
        deepfool(model.forward, images(70))
        assert len(looked) == 1, "what a function holds is not known"


def test_everything_is_measured_once():
    model, inputs = Recorded(net()), images(70)
    with Prepared(model, inputs) as ready:
        ready.check_deterministic()
        ready.predictions.sum()
        curve = margin_curve(ready, inputs, subspaces=blocks(basis("dct", (8, 8)), 4, 2), attack="deepfool")
        deepfool(ready, inputs, memory=1 << 29)
        is_adversarial(ready, inputs[:3], curve.predictions[:3])
    probes = [inputs for inputs, gradients, _ in model.calls[:2] if gradients]
    assert [len(probe) for probe in probes] == [2, 1], "the block is measured first, by two images and one"
    assert [probe for probe in map(len, (part for part, *_ in model.calls[2:])) if probe < 4] == [], "and never again"
    clean = [torch.equal(part, inputs[:64]) for part, gradients, _ in model.calls if not gradients]
    assert sum(clean) == 2, "clean logits of the first block: by `ready`, and for the budget that deepfool was given"
    picked = torch.cat((inputs[60:64], inputs[:4]))
    probe = torch.cat((picked, (1 - picked[-1:]).expand(56, -1, -1, -1)))
    again = [torch.equal(part, probe) for part, *_ in model.calls]
    assert sum(again) == 2, "the determinism probe: by `ready`, and for the budget that deepfool was given"
    assert not any(training for *_, training in model.calls)


def test_a_curve_measures_once_and_finds_the_same_with_a_prepared_model():
    inputs, bands = images(9), blocks(basis("dct", (8, 8)), 4, 4)
    counts, curves = [], []
    for prepare in (lambda model: model, lambda model: Prepared(model, inputs)):
        model = Recorded(net())
        curves.append(margin_curve(prepare(model), inputs, subspaces=bands))
        counts.append(len(model.calls))
        padded = torch.cat((inputs, inputs[-1:].expand(55, -1, -1, -1)))
        assert [len(part) for part, *_ in model.calls].count(2) == 1
        assert sum(torch.equal(part, padded) for part, gradients, _ in model.calls if not gradients) == 1
    assert counts[0] == counts[1]
    assert torch.equal(curves[0].distances, curves[1].distances)


def test_other_images_and_images_changed_in_place_are_evaluated_again():
    model, inputs = net(), images(5)
    ready = Prepared(model, inputs)
    before = ready.clean
    assert Prepared(ready, inputs.detach()).clean is before
    assert torch.equal(Prepared(ready, inputs[1:]).clean, before[1:])
    assert torch.equal(ready.rows(slice(2, 4)).clean, before[2:4])
    inputs[0] = 0.5
    assert not torch.equal(Prepared(ready, inputs).clean[0], before[0])


def draws(batch):
    return batch.flatten(1)[:, :3] + torch.rand(())


def looks(batch):
    return batch.flatten(1)[:, :3] + batch.mean()


@pytest.mark.parametrize("count", [1, 3, 70])
def test_a_model_that_draws_is_not_deterministic_and_one_that_looks_at_its_batch_not_independent(count):
    inputs = images(count)
    assert not Prepared(draws, inputs).deterministic
    ready = Prepared(looks, inputs)
    assert ready.deterministic
    assert not ready.independent
    assert Prepared(net(), inputs).independent
    with pytest.raises(UsageError, match="model must be deterministic; got two different outputs"):
        Prepared(draws, inputs).check_deterministic()
    with pytest.raises(UsageError, match="model must return the same logits for an image whatever the other images"):
        ready.check_deterministic()
    Prepared(ready, inputs, checked=False).check_deterministic()


def test_a_row_that_is_given_twice_counts_twice():
    spent = Evaluations(3)
    spent.add(torch.tensor([2, 0, 2]), forwards=1, backwards=torch.tensor([1.0, 2.0, 3.0]))
    assert spent.forwards.tolist() == [1, 0, 2]
    assert spent.backwards.tolist() == [2, 0, 4]


def test_a_block_too_big_for_memory_is_halved_for_good():
    greedy = Greedy(net(), 5, torch.OutOfMemoryError("full"))
    ready = Prepared(greedy, images(20), block=16)
    assert torch.equal(ready.clean.argmax(1), net()(images(20)).argmax(1))
    assert ready.block == 4
    assert len(greedy.sizes) == 5
    assert Prepared(ready, images(20), block=16).block == 4
    assert Prepared(Prepared(greedy, images(20), block=3), images(6)).block == 3


def test_adversarial_or_not_by_label_and_by_target():
    model, inputs = net(), images(12)
    predicted = model(inputs).argmax(1)
    others = (predicted + 1) % 4
    assert not is_adversarial(model, inputs, predicted).any()
    assert is_adversarial(model, inputs, others).all()
    assert is_adversarial(model, inputs, predicted, predicted).all()
    assert not is_adversarial(model, inputs, predicted, others).any()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_users_channels_last_model_is_attacked_and_left_as_it_is(memory_format):
    """Weight gradients crash there in some versions of torch: an attack takes none, it freezes the parameters."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(4, 8, 1, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).to(memory_format=memory_format)
    inputs = images(20, (4, 14, 14)).to(memory_format=memory_format)
    result = deepfool(model, inputs)
    assert result.success_rate == 1
    assert torch.equal(model(result.perturbed).argmax(1) != result.labels, result.success)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    plain = deepfool(model.to(memory_format=torch.contiguous_format), inputs.contiguous())
    torch.testing.assert_close(norms(result.perturbation), norms(plain.perturbation), rtol=1e-3, atol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("name", names(search=True))
def test_a_gpu_finds_what_a_cpu_finds(name):
    from geomrob.attacks.table import ATTACKS

    model, inputs, bands = net(dtype=torch.float64), images(9, dtype=torch.float64), blocks(basis("dct", (8, 8)), 4, 2)
    here = margin_curve(model, inputs, subspaces=bands, attack=name)
    attack = ATTACKS[name].attack
    known, boxed = attack(model, inputs), attack(model, inputs, subspace=bands[0], bounds=(0, 1))
    model, inputs = model.cuda(), inputs.cuda()
    there = margin_curve(model, inputs, subspaces=bands, attack=name)
    assert there.distances.device.type == "cpu"
    assert "cuda" in there.provenance.device
    torch.testing.assert_close(there.distances.median(1).values, here.distances.median(1).values, rtol=1e-3, atol=0)
    found = attack(model, inputs)
    assert found.perturbed.is_cuda
    assert torch.equal(found.success.cpu(), known.success)
    torch.testing.assert_close(found.distances().cpu().median(), known.distances().median(), rtol=1e-3, atol=0)
    inside = attack(model, inputs, subspace=bands[0], bounds=(0, 1))
    assert torch.equal(inside.success.cpu(), boxed.success)
