"""How a model is asked: held in eval mode, in blocks that fit the memory."""

import pytest
import torch
from torch import nn

from geomrob.attacks.engine.boundary_search import refine
from geomrob.attacks.engine.linearize import linearise
from geomrob.attacks.engine.search import Found, Search
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.inference import block_size, evaluating
from tests.attacks.zoo import images, net


def test_evaluating_leaves_functions_alone():
    with evaluating(lambda batch: batch):
        pass


def test_the_size_of_a_block_follows_the_budget():
    model, example = net(shape=(3, 32, 32)), images(1, (3, 32, 32))
    sizes = [block_size(model, example, memory) for memory in (1, 1 << 18, 1 << 19, 1 << 20, 1 << 40)]
    assert sizes[0] == 1
    assert sizes[1] * 4 == sizes[2] * 2 == sizes[3]
    assert sizes[-1] == 64
    # Eight images and what autograd keeps, twice, of each: within half the budget.
    assert sizes[3] * (8 + 2) * example.numel() * 4 <= 1 << 19


def test_weights_do_not_count_against_the_budget_of_a_sample():
    model, example = nn.Sequential(nn.Flatten(), nn.Linear(64, 20_000), nn.Linear(20_000, 3)), images(1)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert block_size(model, example, 1 << 22) == block_size(model.forward, example, 1 << 22) >= 8


@pytest.mark.parametrize("memory", [1, 100_000, None])
def test_calls_have_one_shape(memory):
    sizes = []

    def model(batch):
        sizes.append(len(batch))
        return known(batch)

    known = net()
    deepfool(model, images(70), memory=memory)
    asked = sizes[2:]  # after the two that measure
    assert len(set(asked)) == 1
    assert asked[0] == (64 if memory is None else block_size(known, images(1), memory))


def test_refinement_ends_just_behind_the_boundary():
    model, inputs = net(dtype=torch.float64), images(9, dtype=torch.float64)
    found = deepfool(model, inputs, overshoot=0.7)
    search = Search(model, inputs, reference=found.labels)
    linearise(search)
    start = Found(found.perturbation, found.status, found.steps)
    before = search.forwards.clone()
    for tolerance in (1e-2, 1e-5, 1e-8):
        fine = refine(search, start, tolerance=tolerance)
        assert bool(search.crosses(fine.coefficients, search.pairs).all())
        assert not bool(search.crosses(fine.coefficients * (1 - tolerance), search.pairs).any())
        cosine = torch.cosine_similarity(fine.coefficients.flatten(1), start.coefficients.flatten(1))
        torch.testing.assert_close(cosine, torch.ones_like(cosine))
    assert float((search.forwards - before).max()) < 3 * 12


def test_refinement_leaves_failures_alone():
    model, inputs = net(), images(4)
    search = Search(model, inputs, reference=model(inputs).argmax(1))
    failed = Found(torch.ones_like(inputs), torch.ones(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    assert refine(search, failed) is failed
    assert float(search.forwards.sum()) == 0


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["deepfool", "superdeepfool", "ddn", "tight"])
def test_a_gpu_finds_what_a_cpu_finds(name):
    from geomrob.analysis.margins import margin_curve
    from geomrob.attacks import ATTACKS
    from geomrob.spectral.bases import basis
    from geomrob.spectral.subspaces import blocks

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
