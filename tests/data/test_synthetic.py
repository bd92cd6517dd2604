"""T1 and T2 against what their definitions say, and the margins that linear models have on them."""

import pytest
import torch

import geomrob
from geomrob.data import load_data
from geomrob.data.synthetic import rotation, t1, t2
from geomrob.errors import UsageError
from geomrob.models import build
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import span
from geomrob.training import Options, fit
from tests.oracles import LinearModel


def features(world, part="train"):
    """Coordinates (N, D) along u_1, u_2, ... and the signs (N,) of the classes."""
    samples = getattr(world, part)
    return world.basis.forward(samples.images.double())[:, 0, 0], 2 * samples.labels.double() - 1


@pytest.mark.parametrize(("half", "size"), [(True, 2.5), (False, 5.0)])
def test_t1_has_one_feature_and_noise(half, size):
    found, signs = features(t1(5, 2, count=2000, dimension=20, half=half))
    torch.testing.assert_close(found[:, 0], size * signs, atol=1e-5, rtol=0)
    noise = found[:, 1:]
    assert noise.mean(0).abs().max() < 5 * 2 / 2000**0.5
    assert (noise.T @ noise / 2000 - 4 * torch.eye(19)).abs().max() < 5 * 4 * (2 / 2000) ** 0.5
    assert (noise / 2).pow(4).mean() == pytest.approx(3, abs=0.3)
    assert (signs * noise.T).mean(1).abs().max() < 5 * 2 / 2000**0.5
    assert abs(signs.double().mean()) < 5 / 2000**0.5


def test_t2_alternates_along_its_second_direction():
    rho, periods = 8.0, 2
    found, signs = features(t2(rho, 0.5, 1, periods, count=2000, dimension=10))
    torch.testing.assert_close(found[:, 0], 0.25 * signs, atol=1e-5, rtol=0)
    steps = found[:, 1] / (rho / 2)
    torch.testing.assert_close(steps, steps.round(), atol=1e-5, rtol=0)
    steps = steps.round().long()
    assert ((steps % 2 == 0) == (signs > 0)).all()
    places, counts = steps.unique(return_counts=True)
    assert places.tolist() == list(range(-2 * periods, 2 * periods))
    assert (counts - 2000 / len(places)).abs().max() < 5 * (2000 / len(places)) ** 0.5
    assert found[:, 2:].std() == pytest.approx(1, abs=0.03)


def test_a_feature_separates_and_none_does_not():
    for world in (t1(0.1, count=300), t2(epsilon=0.1, count=300)):
        found, signs = features(world, "test")
        assert (found[:, 0] * signs > 0).all()
    assert features(t2(epsilon=0, count=300))[0][:, 0].abs().max() < 1e-5


@pytest.mark.parametrize("dimension", [2, 3, 100])
def test_rotations_are_rotations(dimension):
    for seed in range(5):
        matrix = rotation(dimension, seed)
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(dimension, dtype=torch.float64))
        assert torch.linalg.det(matrix) == pytest.approx(1)


def test_rotations_are_spread_evenly():
    """By Haar's measure on SO(3) the trace is 1 + 2 cos(angle) with mean 0 and mean square 1."""
    traces = torch.stack([rotation(3, seed).trace() for seed in range(2000)])
    assert abs(traces.mean()) < 5 / 2000**0.5
    assert traces.square().mean() == pytest.approx(1, abs=5 * (2 / 2000) ** 0.5)


def test_the_directions_are_not_those_of_the_random_basis_of_the_same_seed():
    """A random subspace that happened to hold u_1 would look as if it were the feature."""
    shared = rotation(100, 0) @ basis("random", (1, 100), seed=0).matrices[0].T
    assert shared.abs().max() < 0.6


def test_a_sample_is_its_own_whatever_else_is_drawn():
    for make in (t1, t2):
        few, more = make(count=7, seed=3), make(count=30, seed=3)
        assert torch.equal(few.train.images, more.train.images[:7])
        assert torch.equal(few.test.labels, more.test.labels[:7])
        assert torch.equal(few.basis.matrices[0], more.basis.matrices[0])
        assert not torch.equal(few.train.images, few.test.images)
        assert not torch.equal(few.train.images, make(count=7, seed=4).train.images)


def test_another_epsilon_moves_each_sample_along_the_first_direction_only():
    none, large = t2(epsilon=0, count=40), t2(epsilon=3, count=40)
    assert torch.equal(none.train.labels, large.train.labels)
    moved = features(large)[0] - features(none)[0]
    torch.testing.assert_close(moved[:, 0], 1.5 * features(large)[1], atol=1e-4, rtol=0)
    assert moved[:, 1:].abs().max() < 1e-4


def test_draws_leave_the_global_generators_alone():
    before = torch.get_rng_state()
    t1(count=3)
    assert torch.equal(before, torch.get_rng_state())


def test_the_table_has_both_with_the_sizes_of_the_thesis(monkeypatch):
    monkeypatch.setattr("geomrob.data.synthetic.t1", lambda: t1(count=20))
    monkeypatch.setattr("geomrob.data.synthetic.t2", lambda: t2(count=20))
    for name, world in (("t1", t1(count=20)), ("t2", t2(count=20))):
        for split in ("train", "test"):
            found = load_data(name, split=split)
            assert torch.equal(found.images, getattr(world, split).images)
            assert (found.name, found.classes) == (name, ("-1", "+1"))


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (t1, {"epsilon": -1}, "epsilon must be at least 0"),
        (t1, {"sigma": float("nan")}, r"sigma must be at least 0 and below 1e\+06"),
        (t1, {"count": 0}, "count must be at least 1"),
        (t1, {"dimension": 1}, "dimension at least 2"),
        (t2, {"dimension": 2}, "dimension at least 3"),
        (t2, {"periods": 0}, "periods must be at least 1"),
        (t2, {"rho": float("inf")}, r"rho must be at least 0 and below 1e\+06"),
    ],
)
def test_impossible_sizes_are_refused(make, options, words):
    with pytest.raises(UsageError, match=words):
        make(**options)


def subspaces(world):
    """The four kinds of Table 4.1, each with its projector as a matrix."""
    width = world.basis.shape[1]
    own = [span(world.basis, vectors, "") for vectors in ([0], range(1, width), [1, 2, 3])]
    return [*own, span(basis("random", world.basis.shape, seed=1), range(3), "")]


def projected(subspace, vector):
    rows = subspace.basis.matrices[0][subspace.mask.flatten()]
    return rows.T @ (rows @ vector)


def test_margins_of_a_linear_model_are_the_closed_form_in_every_subspace():
    world = t1(count=20)
    images = world.test.images.double()
    model = LinearModel(shape=(1, 1, 100), classes=2)
    normal = (model.weight[1] - model.weight[0]).flatten()
    gap = (model(images)[:, 1] - model(images)[:, 0]).abs()
    for subspace in subspaces(world):
        curve = geomrob.margin_curve(model, images, subspaces=[subspace], attack="deepfool", allowed=None)
        truth = gap / projected(subspace, normal).norm()
        torch.testing.assert_close(curve.distances[0], truth, rtol=2e-5, atol=0)


def test_a_trained_logistic_regression_has_half_of_epsilon_along_its_feature():
    world = t1(count=500)
    how = Options(epochs=10, batch=50, max_rate=0.1, schedule="linear", momentum=0, weight_decay=0, clip=0)
    model = fit(build("t1-logistic", seed=0), world.train, how).model.requires_grad_(False)
    found = {}
    for name, subspace in zip(("u1", "complement", "orthogonal", "random"), subspaces(world), strict=True):
        curve = geomrob.margin_curve(
            model, world.test.images[:50], subspaces=[subspace], attack="deepfool", allowed=None
        )
        found[name] = float(curve.quantiles(0.5)[0])
    assert found["u1"] == pytest.approx(2.5, rel=0.03)
    assert found["u1"] < found["random"] < found["orthogonal"]
    assert found["complement"] > 2 * found["u1"]
