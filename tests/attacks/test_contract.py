"""What every attack promises, row by row of ATTACKS."""

import math

import pytest
import torch

from geomrob.attacks.table import ATTACKS
from geomrob.inference import Prepared
from geomrob.results import Status
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.attacks.rows import attack, every, rows
from tests.attacks.zoo import Breaks, images, net

BAND = blocks(basis("dct", (8, 8)), 4, 2)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@every()
def test_shapes_types_and_success(name, dtype):
    model, inputs = net(dtype=dtype), images(dtype=dtype)
    result = attack(name, model, inputs)
    assert result.perturbed.shape == inputs.shape
    assert result.perturbed.dtype == dtype
    assert not result.perturbed.requires_grad
    for field in (result.success, result.status, result.steps, result.forwards, result.backwards):
        assert field.shape == (len(inputs),)
    assert torch.equal(result.labels, model(inputs).argmax(1))
    assert result.success_rate == 1 or ATTACKS[name].takes("epsilon")
    assert torch.equal(result.success, result.status == Status.FOUND)
    assert torch.equal(result.success, model(result.perturbed).argmax(1) != result.labels)
    one_by_one = torch.cat([model(image[None]).argmax(1) for image in result.perturbed])
    assert torch.equal(result.success, one_by_one != result.labels)
    assert bool((result.forwards > 0).all())
    assert bool(((result.backwards > 0) == (ATTACKS[name].kind in ("minimal", "budget"))).all())
    assert bool((result.steps > 0).all()) or ATTACKS[name].kind == "budget"


@every(takes=("targets",))
def test_targets_are_reached(name):
    model, inputs = net(), images()
    targets = model(inputs).argsort(1)[:, 1]
    result = attack(name, model, inputs, targets=targets)
    assert bool(result.success.any())
    assert torch.equal(result.success, model(result.perturbed).argmax(1) == targets)
    assert bool(torch.isinf(result.distances()[~result.success]).all())


@pytest.mark.parametrize("kind", ["numbers", "one image", "an image each"])
@every(takes=("bounds",))
def test_inside_the_box(name, kind):
    model, inputs = net(), images()
    bounds = {
        "numbers": (0.0, 1.0),
        "one image": (torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)),
        "an image each": ((inputs - 0.2).clamp(min=0), (inputs + 0.2).clamp(max=1)),
    }[kind]
    result = attack(name, model, inputs, bounds=bounds)
    assert bool((result.perturbed >= bounds[0]).all())
    assert bool((result.perturbed <= bounds[1]).all())
    assert bool(result.success.any())
    assert torch.equal(result.success, model(result.perturbed).argmax(1) != result.labels)


@every(takes=("subspace",))
def test_inside_the_subspace_and_the_box(name):
    model, inputs = net(), 0.3 + 0.4 * images()
    for bounds in (None, (0.0, 1.0)):
        result = attack(name, model, inputs, subspace=BAND, bounds=bounds)
        move = result.perturbation
        torch.testing.assert_close(BAND.project(move), move, atol=1e-6, rtol=0)
        assert bool(result.success.any())
        assert torch.equal(result.success, model(result.perturbed).argmax(1) != result.labels)
        if bounds is not None:
            assert float(result.perturbed.min()) >= -1e-6
            assert float(result.perturbed.max()) <= 1 + 1e-6


@every("minimal", "decision")
def test_labels_given(name):
    model, inputs = net(), images()
    predicted = model(inputs).argmax(1)
    labels = predicted.clone()
    labels[::2] = (labels[::2] + 1) % 4
    result = attack(name, model, inputs, labels)
    assert result.success_rate == 1
    assert torch.equal(result.labels, labels)
    assert result.distances()[::2].tolist() == [0] * len(inputs[::2])
    assert torch.equal(result.perturbed[::2], inputs[::2])
    assert bool((result.distances()[1::2] > 0).all())
    nothing_to_do = attack(name, model, inputs, (predicted + 1) % 4)
    assert nothing_to_do.success_rate == 1
    assert torch.equal(nothing_to_do.perturbed, inputs)


@pytest.mark.parametrize("classes", [2, 3, 40])
@every("minimal")
def test_any_number_of_classes(name, classes):
    result = attack(name, net(classes=classes), images())
    assert result.success_rate == 1


@every(takes=("candidates",))
def test_one_image_one_candidate(name):
    model, inputs = net(), images()
    result = attack(name, model, inputs[:1], candidates=2)
    assert result.success.shape == (1,)


@pytest.mark.parametrize("size", [1, 7])
@every()
def test_the_answer_does_not_depend_on_how_the_batch_is_split_or_ordered(name, size):
    model, inputs = net(), images(9)
    whole = attack(name, model, inputs)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(size))
    keyed = ATTACKS[name].takes("indices")
    parts = [attack(name, model, inputs[some], **({"indices": some} if keyed else {})) for some in order.split(size)]
    for field in ("perturbed", "labels", "success", "status", "steps", "forwards", "backwards"):
        again = torch.cat([getattr(part, field) for part in parts])
        assert torch.equal(again, getattr(whole, field)[order]), field


@every("minimal", "budget", takes=("memory",))
def test_another_memory_budget_changes_no_more_than_the_rounding(name):
    """The block follows from the budget, and the last bits from the block: no bits are promised here."""
    model, inputs = net(), images(9)
    whole, small = attack(name, model, inputs), attack(name, model, inputs, memory=200_000)
    torch.testing.assert_close(small.perturbed, whole.perturbed, atol=1e-5, rtol=0)
    assert torch.equal(small.success, whole.success)


BREAKS = [(name, call) for name in rows() for call in ((0, 1, 4, 6) if name in rows("minimal") else (0, 1, 2))]


@pytest.mark.parametrize(("name", "call"), BREAKS)
def test_no_trace_is_left(name, call):
    inputs, labels = images().requires_grad_(), torch.zeros(9, dtype=torch.int64)
    model = Breaks(net(), call)
    model.train()
    model.model[4].eval()
    model.model[1].bias.requires_grad_(False)
    before, copies = torch.get_rng_state(), (inputs.detach().clone(), labels.clone())
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    gradients = torch.is_grad_enabled()
    if call:
        with pytest.raises(ZeroDivisionError):
            attack(name, model, inputs, labels)
    else:
        result = attack(name, model, inputs, labels)
        assert not result.perturbed.requires_grad
        assert not result.inputs.requires_grad
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(inputs, copies[0])
    assert torch.equal(labels, copies[1])
    assert inputs.requires_grad
    assert inputs.grad is None
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert torch.is_grad_enabled() == gradients


@every()
def test_a_function_is_a_model_and_no_grad_around_is_no_matter(name):
    model, inputs = net(), images()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    expected = attack(name, model, inputs)
    with torch.no_grad():
        found = attack(name, model.forward, inputs)
    assert torch.equal(found.perturbed, expected.perturbed)
    assert all(parameter.grad is None for parameter in model.parameters())


@every(takes=("memory",))
def test_every_evaluation_is_counted(name):
    calls = {"rows": 0}
    model, inputs = net(), images(1)

    def counted(batch):
        calls["rows"] += 1
        return model(batch)

    # With one image every row of a call is an evaluation; two calls find the size of a block where gradients are taken.
    result = attack(name, Prepared(counted, inputs, checked=False), inputs, memory=1)
    assert int(result.forwards) == calls["rows"] - (2 if ATTACKS[name].kind in ("minimal", "budget") else 0)
    assert math.isfinite(float(result.distances())) == bool(result.success)
    # Three more ask whether the model is deterministic, before and after; they belong to no image.
    before = calls["rows"]
    attack(name, counted, inputs, memory=1)
    assert calls["rows"] - before == before + 2 + int(result.success)
