"""Laws of `tight`: never farther than DeepFool, and no distance grows with the budget."""

import math
from itertools import pairwise

import pytest
import torch

from geomrob.analysis.margins import margin_curve
from geomrob.attacks import ATTACKS
from geomrob.data import load_data
from geomrob.models import load_model
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks, grid
from tests.attacks.zoo import images, net

NORMS = [1, 2, math.inf]
BUDGETS = (20, 30, 60, 100)
SHAPE = (1, 8, 8)
SUBSPACES = {"whole": None, "dct": blocks(basis("dct", (8, 8)), 4, 2)[1], "haar": grid(basis("haar", (8, 8)), 4)[1]}
SPACES = ["whole", "dct", pytest.param("haar", marks=pytest.mark.slow)]
ROUNDING = 1e-5


def attacked(name, model, inputs, norm, **options):
    result = ATTACKS[name].attack(model, inputs, norm=norm, **options)
    return result.distances(norm)


@pytest.mark.parametrize(
    ("space", "bounds"),
    [
        ("whole", (0.0, 1.0)),
        ("dct", None),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (("whole", None), ("dct", (0.0, 1.0)))),
        *(pytest.param("haar", bounds, marks=pytest.mark.slow) for bounds in (None, (0.0, 1.0))),
    ],
)
@pytest.mark.parametrize("norm", NORMS)
def test_no_distance_grows_with_the_budget(norm, space, bounds):
    model, inputs = net(SHAPE, classes=6, seed=3), images(4, SHAPE)
    how = {"norm": norm, "subspace": SUBSPACES[space], "bounds": bounds}
    found = [attacked("tight", model, inputs, budget=budget, **how) for budget in BUDGETS]
    for smaller, larger in pairwise(found):
        assert bool((larger <= smaller * (1 + ROUNDING)).all())


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("norm", [2, math.inf])
def test_no_distance_is_farther_than_that_of_deepfool(norm, space):
    """Both are pulled back to the boundary by the margin curve."""
    subspaces = [SUBSPACES[space] or blocks(basis("pixel", (8, 8)), 8, 1)[0]]
    for seed in range(2):
        model, inputs = net(SHAPE, classes=6, seed=seed), images(8, SHAPE, seed=seed)
        deepfool = margin_curve(model, inputs, subspaces=subspaces, attack="deepfool", norm=norm).distances
        tight = margin_curve(model, inputs, subspaces=subspaces, attack="tight", norm=norm, budget=20).distances
        assert bool((tight <= deepfool * (1 + ROUNDING)).all())


@pytest.mark.parametrize("norm", NORMS)
def test_laws_hold_on_an_embedded_network(norm):
    model, inputs = load_model("fmnist-lenet"), load_data("fashion-mnist-1k", samples=2).images
    bands = blocks(basis("dct", (28, 28)))[::10]
    how = {"subspaces": bands, "norm": norm}
    found = [margin_curve(model, inputs, attack="deepfool", **how).distances]
    found += [
        margin_curve(model, inputs, attack="tight", budget=budget, **how).distances for budget in (20, 30, 60, 100)
    ]
    for farther, closer in pairwise(found):
        assert bool((closer <= farther * (1 + ROUNDING)).all())
    assert bool((found[-1] < found[1]).any())


class Plateau(torch.nn.Module):
    """Three classes; the one that looks nearest saturates just below the first, the other is 0.25 away."""

    def forward(self, inputs):
        u, v = (inputs.flatten(1)[:, :2] - 0.5).unbind(1)
        return torch.stack([0 * u, 2 * u - 0.5, torch.tanh(20 * v) - 1.05], 1)


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
@pytest.mark.parametrize("norm", NORMS)
def test_a_run_that_finds_nothing_loses_nothing(norm, bounds):
    model, inputs = Plateau(), torch.full((2, 1, 2, 2), 0.5)
    found = [attacked("tight", model, inputs, norm, bounds=bounds, budget=budget) for budget in BUDGETS]
    assert bool(found[0].isfinite().all())
    for smaller, larger in pairwise(found):
        assert bool((larger <= smaller * (1 + ROUNDING)).all())


def test_budgets_between_two_rungs_cost_and_give_what_the_lower_one_does():
    model, inputs = net(classes=10), images(6)
    results = [ATTACKS["tight"].attack(model, inputs, budget=budget) for budget in (60, 79)]
    assert torch.equal(results[0].perturbed, results[1].perturbed)
    assert torch.equal(results[0].backwards, results[1].backwards)
    assert float(results[0].backwards.double().mean()) < 65
