"""Pruning: fewer pixels, still across, inside the box and the budget."""

import itertools

import pytest
import torch

from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.data import load_data
from geomrob.inference import Prepared
from geomrob.models import load_model
from tests.attacks.zoo import images, net
from tests.oracles import LinearModel


def pixels(result):
    return (result.perturbation != 0).any(1).flatten(1).sum(1)


def clothes(count):
    model, data = load_model("fmnist-lenet"), load_data("fashion-mnist-1k", samples=1000)
    return model, data.images[model(data.images).argmax(1) == data.labels][:count]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)], ids=str)
def test_never_more_pixels_and_still_across(shape):
    model, inputs = net(shape, classes=10), images(40, shape)
    plain, pruned = sparsefool(model, inputs), sparsefool(model, inputs, prune=True)
    assert pruned.success_rate == 1
    assert bool((pixels(pruned) <= pixels(plain)).all())
    assert pixels(pruned).double().mean() < 0.7 * pixels(plain).double().mean()
    assert torch.equal(pruned.success, model(pruned.perturbed).argmax(1) != pruned.labels)
    assert float(pruned.perturbed.min()) >= 0
    assert float(pruned.perturbed.max()) <= 1


@pytest.mark.parametrize("count", ["pixels", "elements"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 6)], ids=str)
def test_the_budget_is_never_exceeded_and_more_of_it_is_no_worse(shape, count):
    model, inputs = net(shape, classes=10), images(24, shape)
    before = torch.full((24,), torch.inf)
    for budget in (1, 10, 20, 40, 70, 100, 150, 300):
        result = sparsefool(model, inputs, prune=True, budget=budget, count=count)
        assert bool((result.forwards + result.backwards <= max(budget, 4)).all()), budget
        few = getattr(result, count)
        assert bool((few <= before).all()), budget
        before = few
    assert bool((before <= getattr(sparsefool(model, inputs), count)).all())


@pytest.mark.parametrize(("budget", "most"), [(30, 8), (60, 7), (150, 5)])
def test_pixels_of_clothes(budget, most):
    model, inputs = clothes(24)
    result = sparsefool(model, inputs, prune=True, budget=budget)
    assert result.success_rate == 1
    assert result.pixels.double().median() <= most


def test_what_it_counts_is_what_the_model_was_asked():
    model, inputs = net(classes=10), images(8)
    asked = torch.zeros(2, dtype=torch.int64)

    def counted(x):
        if x.requires_grad:
            x.register_hook(lambda slope: asked.__setitem__(1, asked[1] + len(slope)))
        asked[0] += len(x)
        return model(x)

    # With one image a call there is no padding: every row of every call is an evaluation, but for the probe of memory.
    assert Prepared(counted, inputs[:1], memory=1).block == 1
    probe = int(asked[0]) * len(inputs)
    asked.zero_()
    results = [
        sparsefool(Prepared(counted, image[None], checked=False), image[None], prune=True, memory=1) for image in inputs
    ]
    assert int(asked[0]) - probe == sum(int(result.forwards) for result in results)
    assert int(asked[1]) == sum(int(result.backwards) for result in results)


def test_one_pixel_fewer_is_not_enough_on_a_linear_model():
    model = LinearModel(shape=(1, 3, 4), classes=3)
    inputs = images(20, (1, 3, 4), torch.float64)
    result = sparsefool(model, inputs, prune=True, budget=400)
    corners = torch.eye(12, dtype=torch.float64)
    for image, own, count, found in zip(inputs, result.labels, pixels(result), result.success, strict=True):
        sizes = [s for s in range(1, 13) if crosses_with(model, image, own, s, corners)]
        assert bool(found) == bool(sizes)
        assert not sizes or int(count) == sizes[0]


def crosses_with(model, image, own, size, corners):
    """Whether changing some `size` pixels to the best ends of [0, 1] can change the class: all subsets tried."""
    weight = model.weight.flatten(1)
    for rival in set(range(3)) - {int(own)}:
        w = weight[rival] - weight[own]
        gain = torch.where(w > 0, 1 - image.flatten(), image.flatten()) * w.abs()
        lacking = (model(image[None])[0, own] - model(image[None])[0, rival]).item()
        best = max(sum(gain[list(some)].tolist()) for some in itertools.combinations(range(len(corners)), size))
        if best > lacking:
            return True
    return False


@pytest.mark.parametrize("count", ["pixels", "elements"])
def test_no_fewer_than_a_linear_model_needs_in_either_count(count):
    model, inputs = LinearModel(shape=(3, 4, 4), classes=2), images(16, (3, 4, 4), torch.float64)
    result = sparsefool(model, inputs, prune=True, budget=200, count=count)
    w = (model.weight[1] - model.weight[0]).flatten()
    lacking = model(inputs)[:, 1] - model(inputs)[:, 0]
    w = -lacking.sign()[:, None] * w
    gain = torch.where(w > 0, 1 - inputs.flatten(1), inputs.flatten(1)) * w.abs()
    gain = gain.view(16, 3, 16).sum(1) if count == "pixels" else gain
    needed = (gain.sort(1, descending=True).values.cumsum(1) < lacking.abs()[:, None]).sum(1) + 1
    assert torch.equal(getattr(result, count), needed.double())


def test_each_count_is_the_best_in_its_own():
    model, inputs = net((3, 8, 8), classes=10), images(24, (3, 8, 8))
    by = {count: sparsefool(model, inputs, prune=True, count=count) for count in ("pixels", "elements")}
    assert by["pixels"].pixels.mean() <= by["elements"].pixels.mean()
    assert by["elements"].elements.mean() < by["pixels"].elements.mean()


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "most"), [(150, 6.5), (400, 5.5)])
def test_claim_pixels_at_a_budget(budget, most):
    model, inputs = clothes(768)
    results = [sparsefool(model, some, prune=True, budget=budget) for some in inputs.split(256)]
    assert all(result.success_rate == 1 for result in results)
    assert sum(float(pixels(result).double().median()) for result in results) / 3 <= most
    assert all(float((r.forwards + r.backwards).double().mean()) <= budget for r in results)
