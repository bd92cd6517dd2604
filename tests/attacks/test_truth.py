"""The truth: linear and ball classifiers know their margins in the whole space and in any subspace."""

import math
from copy import deepcopy

import pytest
import torch

from geomrob.analysis.margins import margin_curve
from geomrob.attacks.engine.boundary_search import OVERSTEP
from geomrob.attacks.table import ATTACKS, variants
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks, rings
from tests.attacks.rows import every, taken
from tests.oracles import LinearModel, SphereModel

SHAPE = (2, 8, 8)
SUBSPACES = {"dct": blocks, "haar": blocks, "random": rings}
EXACT = {torch.float64: 1e-5, torch.float32: 1e-3}

# What an attack cannot do stands here, by its name, with the reason.
FOLLOWS_LOSS = {"ddn"}
"""Those that follow the cross-entropy: where several planes are near they may end at another than the nearest."""
UNREFINED = {"deepfool"}
"""Those that return what they tried last: the first step to a ball passes its nearly flat middle."""
BEYOND = {"deepfool": 2 * OVERSTEP, "superdeepfool": 2 * OVERSTEP, "ddn": 0.05, "tight": 1e-3}
"""By how much of the truth an attack may pass a plane, at an overshoot of 1e-6 if it has one; others by 0.021."""
LONGER = {"sparsefool": 3.2, "boundary": 1.3}
"""How many times the truth an attack may be longer, at its defaults: SparseFool aims three times too far."""
ODDS = {"gaussian": (0.05, 1.0), "uniform": (0.1, 1 / math.sqrt(3)), "salt-pepper": (0.05, 0.5 / math.sqrt(0.05))}
"""A strength of each noise of independent elements, and how many times it the standard deviation of an element is."""


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
@pytest.mark.parametrize("kind", SUBSPACES)
@every("minimal", search=True)
@pytest.mark.parametrize("oracle", [LinearModel, SphereModel])
def test_margins_in_subspaces_are_exact(oracle, name, kind, dtype):
    model = oracle(shape=SHAPE, dtype=dtype)
    inputs, bands = images(model, spread=0.3 if oracle is SphereModel else 1.0), subspaces(kind)
    truth = torch.stack([model.margins(inputs, band.project) for band in bands])
    assert bool(torch.isfinite(truth).all())
    curve = margin_curve(model, inputs, subspaces=bands, attack=name)
    assert bool((curve.distances.double() >= truth * (1 - EXACT[dtype] / 10)).all()), "closer than the boundary is"
    if name in FOLLOWS_LOSS and oracle is LinearModel:
        assert float((curve.distances.double() / truth).median()) < 1.1
        assert close(curve.distances, truth, 0.5)
    else:
        assert close(curve.distances, truth, EXACT[dtype])


@pytest.mark.parametrize("dtype", EXACT, ids=str)
@every("minimal", takes=("subspace",))
@pytest.mark.parametrize("oracle", [LinearModel, SphereModel])
def test_attacks_in_the_whole_space_find_the_exact_direction(oracle, name, dtype):
    model = oracle(shape=SHAPE, dtype=dtype)
    inputs = images(model, spread=0.3 if oracle is SphereModel else 1.0)
    truth = model.margins(inputs)
    result = ATTACKS[name].attack(model, inputs)
    assert result.success_rate == 1
    assert bool((result.distances().double() >= truth * (1 - EXACT[dtype] / 10)).all())
    if name in FOLLOWS_LOSS and oracle is LinearModel:
        assert close(result.distances(), truth, 0.5)
    else:
        assert close(to_boundary(model, result), truth, EXACT[dtype])
        if oracle is LinearModel or name not in UNREFINED:
            assert close(result.distances(), truth, 0.05 if name in FOLLOWS_LOSS else 0.021)


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


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_tight_is_exact_in_three_norms(norm, classes):
    model = LinearModel(shape=SHAPE, classes=classes)
    inputs = images(model)
    result = ATTACKS["tight"].attack(model, inputs, norm=norm, budget=30)
    assert result.success_rate == 1
    torch.testing.assert_close(result.distances(norm), model.margins(inputs, p=norm), rtol=3 * OVERSTEP, atol=0)


@pytest.mark.parametrize("norm", [1, math.inf])
def test_tight_is_as_close_as_the_box_allows(norm):
    """With one plane the least perturbation of a box moves the steepest elements, or all, as far as they can go."""
    model = LinearModel(shape=SHAPE, classes=2)
    inputs = images(model)
    weight = (model.weight[1] - model.weight[0]).flatten()
    gap = (model(inputs)[:, 0] - model(inputs)[:, 1])[:, None]
    toward = torch.where(gap > 0, weight, -weight).reshape(len(inputs), -1)
    room = torch.where(toward > 0, 1 - inputs.flatten(1), inputs.flatten(1))
    if norm == 1:
        order = toward.abs().argsort(1, descending=True)
        gain, cost = (toward.abs() * room).gather(1, order).cumsum(1), room.gather(1, order).cumsum(1)
        first = (gain < gap.abs()).sum(1, keepdim=True)
        over = (gain.gather(1, first) - gap.abs()) / toward.abs().gather(1, order).gather(1, first)
        truth = (cost.gather(1, first) - over).squeeze(1)
    else:
        low, high = torch.zeros_like(gap), torch.ones_like(gap)
        for _ in range(60):
            middle = (low + high) / 2
            reached = (toward.abs() * torch.minimum(room, middle)).sum(1, keepdim=True) >= gap.abs()
            low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
        truth = high.squeeze(1)
    result = ATTACKS["tight"].attack(model, inputs, norm=norm, bounds=(0.0, 1.0), budget=60)
    assert result.success_rate == 1
    assert bool((result.distances(norm) >= truth * (1 - 1e-9)).all())
    torch.testing.assert_close(result.distances(norm), truth, rtol=2e-2, atol=0)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_margins_in_three_norms_where_pixels_are_the_basis(norm):
    model, bands = LinearModel(shape=SHAPE), blocks(basis("pixel", SHAPE[1:]), 4, 2)
    inputs = images(model)
    truth = torch.stack([model.margins(inputs, band.project, p=norm) for band in bands])
    curve = margin_curve(model, inputs, subspaces=bands, attack="deepfool", norm=norm, nearest=9)
    assert close(curve.distances, truth, 1e-5)
    assert close(margin_curve(model, inputs, subspaces=bands, attack="tight", norm=norm).distances, truth, 1e-3)


@every("minimal", takes=("subspace", "targets"))
def test_a_target_is_as_far_as_all_planes_between_say(name):
    """With two planes to cross the truth is a small quadratic programme; with two classes it is one plane."""
    model = LinearModel(shape=SHAPE, classes=2)
    inputs = images(model)
    targets = 1 - model(inputs).argmax(1)
    result = ATTACKS[name].attack(model, inputs, targets=targets, **taken(name, overshoot=1e-6))
    assert torch.equal(model(result.perturbed).argmax(1), targets)
    assert close(result.distances(), model.margins(inputs), BEYOND.get(name, 0.021))


@every("minimal", takes=("subspace", "targets"))
def test_targets_among_ten_are_reached(name):
    model = LinearModel(shape=SHAPE)
    inputs = images(model)
    targets = model(inputs).topk(4).indices[:, 3]
    result = ATTACKS[name].attack(model, inputs, targets=targets)
    assert torch.equal(model(result.perturbed).argmax(1), targets)
    assert bool((result.distances() > model.margins(inputs)).all())


@every("minimal", search=True)
def test_a_ball_out_of_reach_is_infinitely_far(name):
    model, band = SphereModel(shape=SHAPE, radius=1.0), subspaces("dct")[0]
    away = images(model, spread=0.4) - model.centre
    inputs = model.centre + away - band.project(away) / 2
    assert bool(torch.isinf(model.margins(inputs, band.project)).all())
    curve = margin_curve(model, inputs, subspaces=[band], attack=name)
    assert bool(torch.isinf(curve.distances).all())
    assert not bool((curve.status == 0).any())


def place_plane(model, distance):
    """Move the plane of a model with two classes to an l2 distance from the middle of the box."""
    gap = torch.tensor([1.0, -1.0], dtype=torch.float64) @ model(torch.full((1, *SHAPE), 0.5).double())[0]
    model.bias[0] += distance * (model.weight[0] - model.weight[1]).norm() - gap


def two_classes(count=6):
    """Return a model with one plane, images around the middle of the box, and their margins in three norms."""
    model = LinearModel(shape=SHAPE, classes=2)
    inputs = images(model, count=count, spread=0.2)
    place_plane(model, 0.3)
    return model, inputs, {p: model.margins(inputs, p=p) for p in (1, 2, math.inf)}


@every("minimal", "decision")
def test_the_distance_to_a_plane_is_the_truth_and_never_less(name):
    model, inputs, truth = two_classes()
    row = ATTACKS[name]
    how = taken(name, bounds=(-9.0, 9.0)) if row.kind == "minimal" else {"budget": 1500}
    result = row.attack(model, inputs, **how)
    assert result.success_rate == 1
    for p, margins in truth.items():
        assert bool((result.distances(p) >= margins * (1 - 1e-6)).all()), "closer than the boundary is"
    assert bool((result.distances(row.norm) <= LONGER.get(name, 1.05) * truth[row.norm]).all())


@pytest.mark.parametrize("variant", [name for name, (_, how) in variants("budget").items() if not how.source])
def test_an_attack_of_given_radius_succeeds_beyond_the_margin_and_fails_before_it(variant):
    row, how = variants()[variant]
    model, inputs, truth = two_classes()
    margins, box = truth[how.norm], {"bounds": (-9.0, 9.0)} if row.takes("bounds") else {}
    for epsilon in margins.tolist():
        beyond = row.attack(model, inputs, epsilon=1.1 * epsilon, **box, **how.options).success
        assert bool(beyond[margins <= epsilon].all())
        before = row.attack(model, inputs, epsilon=0.999 * epsilon, **box, **how.options).success
        assert not bool(before[margins >= epsilon].any())


@pytest.mark.parametrize("variant", ODDS)
def test_noise_changes_the_class_as_often_as_its_distribution_says(variant):
    """Noise with independent elements of variance v crosses a plane at l2 distance m with Phi(-m / sqrt(v))."""
    row, how = variants()[variant]
    model, inputs, _ = two_classes(1)
    epsilon, times = ODDS[variant]
    deviation = times * epsilon
    middle = torch.full_like(inputs, 0.5)
    # The plane is moved to one standard deviation of the noise: then neither outcome is rare.
    place_plane(model, deviation)
    many = middle.expand(4000, -1, -1, -1)
    rate = row.attack(model, many, epsilon=epsilon, **how.options).success_rate
    expected = 0.5 * math.erfc(1 / math.sqrt(2))
    assert abs(rate - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000) + 0.005
