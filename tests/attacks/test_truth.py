"""The truth: linear and ball classifiers know their margins in the whole space and in any subspace."""

import math
from copy import deepcopy

import pytest
import torch

from geomrob.analysis.margins import margin_curve
from geomrob.attacks import ATTACKS
from geomrob.attacks.engine.boundary_search import OVERSTEP
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks, rings
from tests.oracles import LinearModel, SphereModel

SHAPE = (2, 8, 8)
METHODS = ("deepfool", "superdeepfool", "tight", "ddn")
SUBSPACES = {"dct": blocks, "haar": blocks, "random": rings}
EXACT = {torch.float64: 1e-5, torch.float32: 1e-3}


def subspaces(name):
    cut = SUBSPACES[name]
    return cut(basis(name, SHAPE[1:]), 4, 2) if cut is blocks else cut(basis(name, SHAPE[1:]), 3)


def images(model, count=6, spread=1.0):
    """Return images in [0, 1] around the middle of the ball, or anywhere."""
    noise = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    middle = model.centre.double() if isinstance(model, SphereModel) else torch.full((1, *SHAPE), 0.5).double()
    return (middle + spread * (noise - 0.5)).to(next(model.parameters()).dtype)


def close(found, truth, relative):
    return bool(((found.double() - truth).abs() <= relative * truth).all())


def to_boundary(model, result):
    """Return how far the boundary is along the ray of each perturbation, by halving in float64."""
    model, low, high = deepcopy(model).double(), torch.zeros(len(result.inputs)), torch.ones(len(result.inputs))
    inputs, ray = result.inputs.double(), (result.perturbed.double() - result.inputs.double()) * 1.01
    low, high = low.double(), high.double()
    for _ in range(40):
        middle = (low + high) / 2
        crossed = model(inputs + middle.reshape(-1, 1, 1, 1) * ray).argmax(1) != result.labels
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return high * ray.flatten(1).norm(dim=1)


@pytest.mark.parametrize("dtype", EXACT, ids=str)
@pytest.mark.parametrize("name", SUBSPACES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("oracle", [LinearModel, SphereModel])
def test_margins_in_subspaces_are_exact(oracle, method, name, dtype):
    model = oracle(shape=SHAPE, dtype=dtype)
    inputs, bands = images(model, spread=0.3 if oracle is SphereModel else 1.0), subspaces(name)
    truth = torch.stack([model.margins(inputs, band.project) for band in bands])
    assert bool(torch.isfinite(truth).all())
    curve = margin_curve(model, inputs, subspaces=bands, attack=method)
    assert bool((curve.distances.double() >= truth * (1 - EXACT[dtype] / 10)).all()), "closer than the boundary is"
    if method == "ddn" and oracle is LinearModel:
        # DDN follows the cross-entropy, so where several planes are near it may end at another than the nearest.
        assert float((curve.distances.double() / truth).median()) < 1.1
        assert close(curve.distances, truth, 0.5)
    else:
        assert close(curve.distances, truth, EXACT[dtype])


@pytest.mark.parametrize("dtype", EXACT, ids=str)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("oracle", [LinearModel, SphereModel])
def test_attacks_in_the_whole_space_find_the_exact_direction(oracle, method, dtype):
    model = oracle(shape=SHAPE, dtype=dtype)
    inputs = images(model, spread=0.3 if oracle is SphereModel else 1.0)
    truth = model.margins(inputs)
    result = ATTACKS[method].attack(model, inputs)
    assert result.success_rate == 1
    assert bool((result.distances().double() >= truth * (1 - EXACT[dtype] / 10)).all())
    if method == "ddn" and oracle is LinearModel:
        assert close(result.distances(), truth, 0.5)
    else:
        assert close(to_boundary(model, result), truth, EXACT[dtype])
        if (method, oracle) != ("deepfool", SphereModel):  # whose first step passes the ball's nearly flat middle
            assert close(result.distances(), truth, 0.05 if method == "ddn" else 0.021)


def test_overshoot_is_the_share_by_which_deepfool_passes_a_plane():
    model = LinearModel(shape=SHAPE)
    inputs = images(model)
    found = ATTACKS["deepfool"].attack(model, inputs, overshoot=0.25).distances()
    torch.testing.assert_close(found, 1.25 * model.margins(inputs), rtol=2 * OVERSTEP, atol=0)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_deepfool_is_exact_in_three_norms(norm):
    model = LinearModel(shape=SHAPE)
    inputs = images(model)
    result = ATTACKS["deepfool"].attack(model, inputs, norm=norm, overshoot=1e-6, nearest=9)
    assert result.success_rate == 1
    torch.testing.assert_close(result.distances(norm), model.margins(inputs, p=norm), rtol=2 * OVERSTEP, atol=0)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_margins_in_three_norms_where_pixels_are_the_basis(norm):
    model, bands = LinearModel(shape=SHAPE), blocks(basis("pixel", SHAPE[1:]), 4, 2)
    inputs = images(model)
    truth = torch.stack([model.margins(inputs, band.project, p=norm) for band in bands])
    curve = margin_curve(model, inputs, subspaces=bands, attack="deepfool", norm=norm, nearest=9)
    assert close(curve.distances, truth, 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_target_is_as_far_as_all_planes_between_say(method):
    """With two planes to cross the truth is a small quadratic programme; with two classes it is one plane."""
    model = LinearModel(shape=SHAPE, classes=2)
    inputs = images(model)
    targets = 1 - model(inputs).argmax(1)
    options = {} if method in {"ddn", "tight"} else {"overshoot": 1e-6}
    result = ATTACKS[method].attack(model, inputs, targets=targets, **options)
    assert torch.equal(model(result.perturbed).argmax(1), targets)
    assert close(result.distances(), model.margins(inputs), {"ddn": 0.05, "tight": 1e-3}.get(method, 2 * OVERSTEP))


@pytest.mark.parametrize("method", METHODS)
def test_targets_among_ten_are_reached(method):
    model = LinearModel(shape=SHAPE)
    inputs = images(model)
    targets = model(inputs).topk(4).indices[:, 3]
    result = ATTACKS[method].attack(model, inputs, targets=targets)
    assert torch.equal(model(result.perturbed).argmax(1), targets)
    assert bool((result.distances() > model.margins(inputs)).all())


@pytest.mark.parametrize("method", METHODS)
def test_a_ball_out_of_reach_is_infinitely_far(method):
    model, band = SphereModel(shape=SHAPE, radius=1.0), subspaces("dct")[0]
    away = images(model, spread=0.4) - model.centre
    inputs = model.centre + away - band.project(away) / 2
    assert bool(torch.isinf(model.margins(inputs, band.project)).all())
    curve = margin_curve(model, inputs, subspaces=[band], attack=method)
    assert bool(torch.isinf(curve.distances).all())
    assert not bool((curve.status == 0).any())
