"""The boundary's shape where it is known: planes, spheres from both sides, ellipsoids, a ridge; failures counted."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from geomrob.analysis.geometry.curvature import Boundary
from geomrob.analysis.geometry.geometry import geometry, to_boundary
from geomrob.arrays import norms
from geomrob.attacks.engine.search import Search
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.results import Status, equal
from tests.attacks.zoo import Flat, NaNFor, images, net
from tests.oracles import LinearModel, SphereModel

FEW = {"directions": 3, "others": 2, "power": 3}
FAST = {**FEW, "attack": "deepfool"}


class Ellipsoid(nn.Module):
    """logits = (1 - (x - c)' A (x - c), 0) with a diagonal A: class 0 is inside."""

    def __init__(self, shape=(1, 3, 4), seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.axes = 0.5 + 3 * torch.rand(shape, generator=generator, dtype=torch.float64)

    def forward(self, inputs):
        squares = (self.axes * (inputs - 0.5).square()).flatten(1).sum(1)
        return torch.stack((1 - squares, torch.zeros_like(squares)), 1)


class Tip(nn.Module):
    """Class 1 is a wedge that points at class 0: g = (x_0 - 1/2) - |x_1 - 1/2|, piecewise linear."""

    def forward(self, inputs):
        x = inputs.flatten(1) - 0.5
        gap = x[:, 0] - x[:, 1].abs()
        return torch.stack((torch.zeros_like(gap), gap), 1)


def at_tip(step):
    image = torch.full((1, 1, 1, 3), 0.5, dtype=torch.float64)
    search = Search(Prepared(Tip(), image, block=4), image, reference=torch.zeros(1, dtype=torch.int64))
    return Boundary(search, torch.zeros_like(image), torch.ones(1, dtype=torch.int64), step), search.pairs


def along(*values):
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("method", ["difference", "hessian"])
def test_a_plane_is_flat_and_met_at_a_right_angle(method):
    found = geometry(LinearModel(), images(6, dtype=torch.float64), method=method, **FEW)
    assert found.measured.all()
    for kind in ("random", "others"):
        assert found.curvatures(kind).abs().max() < 1e-9
    assert found.largest.abs().max() < 1e-9
    assert found.angle.max() < 1e-3
    assert torch.isnan(found.own).all()
    torch.testing.assert_close(
        found.distances, LinearModel().margins(images(6, dtype=torch.float64)), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("method", ["difference", "hessian"])
@pytest.mark.parametrize("step", [1e-3, 0.5])
def test_a_sphere_bends_by_one_over_its_radius_towards_those_inside(method, step):
    model = SphereModel(radius=2.0)
    far = images(4, dtype=torch.float64)
    near = 0.5 * images(4, dtype=torch.float64, seed=2) + 0.5 * model.centre
    found = geometry(model, torch.cat((near, far)), method=method, step=step, **FEW)
    inside = found.predictions == 0
    assert inside.tolist() == [True] * 4 + [False] * 4
    expected = torch.where(inside, 0.5, -0.5).double()
    torch.testing.assert_close(found.random, expected[:, None].expand(8, 3), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.others, expected[:, None].expand(8, 2), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.largest, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.mean, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.bend, expected * found.distances, rtol=1e-5, atol=0)
    assert found.angle.max() < 0.1


@pytest.mark.parametrize("method", ["difference", "hessian"])
def test_an_ellipsoid_has_its_principal_curvatures(method):
    model = Ellipsoid()
    inputs = 0.5 + 0.2 * (images(3, shape=(1, 3, 4), dtype=torch.float64) - 0.5)
    found = geometry(model, inputs, method=method, attack="deepfool", directions=100, others=0, power=60)
    start = deepfool(model, inputs)
    points = to_boundary(model, start).perturbed - 0.5
    torch.testing.assert_close(1 - model(points + 0.5)[:, 0], torch.ones(3, dtype=torch.float64), atol=1e-5, rtol=0)
    for i, point in enumerate(points):
        normal = (model.axes * point).flatten()
        length = normal.norm()
        normal = normal / length
        plane = torch.eye(12, dtype=torch.float64) - torch.outer(normal, normal)
        shape = plane @ torch.diag(model.axes.flatten()) @ plane / length
        principal = torch.linalg.eigvalsh(shape)[1:]
        assert float(found.largest[i]) == pytest.approx(float(principal[-1]), rel=1e-3)
        assert float(found.mean[i]) == pytest.approx(float(principal.mean()), rel=0.12)
        assert principal[0] - 1e-6 <= found.random[i].min() <= found.random[i].max() <= principal[-1] + 1e-6
        move = (point + 0.5 - inputs[i]).flatten()
        tangent = plane @ move
        own = tangent @ shape @ tangent / tangent.square().sum()
        assert float(found.own[i]) == pytest.approx(float(own), rel=1e-4)
        assert float(found.cosine[i]) == pytest.approx(float(normal @ move / move.norm()), rel=1e-6)


def test_difference_and_hessian_agree_on_a_smooth_network():
    model, inputs = net(dtype=torch.float64), images(6, dtype=torch.float64)
    one, other = (geometry(model, inputs, method=method, step=1e-3, **FEW) for method in ("difference", "hessian"))
    for kind in ("random", "own", "others"):
        torch.testing.assert_close(getattr(one, kind), getattr(other, kind), rtol=1e-4, atol=1e-6, equal_nan=True)
    assert one.curvatures("random").abs().max() > 0.01


@pytest.mark.parametrize("step", [0.01, 0.1])
def test_a_ridge_bends_by_one_over_the_step_and_has_no_hessian(step):
    boundary, pairs = at_tip(step)
    torch.testing.assert_close(boundary.normals, along(1, 0, 0))
    assert float(boundary.curvature(along(0.3, 1, 0), pairs)) == pytest.approx(-1 / step)
    assert float(boundary.curvature(along(0, 0, 1), pairs)) == 0
    assert torch.isnan(boundary.curvature(along(2, 0, 0), pairs)).all()
    smooth, pairs = at_tip(None)
    assert float(smooth.curvature(along(0, 1, 0), pairs)) == 0


def test_normals_of_planes_span_as_many_directions_as_there_are_planes():
    inputs = images(30, dtype=torch.float64)
    found = geometry(LinearModel(classes=3), inputs, **FEW)
    # Three classes have three boundaries, whose normals add up to zero.
    assert (found.singular > 1e-6).sum() == 2
    assert found.directions(1.0) == 2
    assert found.dimension() <= 2
    assert float(found.singular.square().sum()) == pytest.approx(30)
    assert found.singular_random.shape == (30,)
    assert found.dimension(random=True) > 15
    assert found.directions(random=True) > 15


def test_span_counts_by_hand():
    found = geometry(LinearModel(classes=3), images(3, dtype=torch.float64), **FEW)
    found = dataclasses.replace(found, singular=torch.tensor([2.0, 1.0, 1.0]))
    assert found.dimension() == pytest.approx(36 / 18)
    assert [found.directions(share) for share in (0.5, 0.66, 0.67, 1.0)] == [1, 1, 2, 3]
    with pytest.raises(UsageError, match="share must be above 0 and at most 1; got 0"):
        found.directions(0)
    with pytest.raises(UsageError, match="along must be one of random, mean, own, others, largest; got 'any'"):
        found.curvatures("any")


def test_failures_are_counted_and_move_nobody_else():
    inputs = images(9)
    bad = inputs.mean((1, 2, 3)) >= inputs.mean((1, 2, 3)).sort().values[-3]
    model = NaNFor(net(), float(inputs.mean((1, 2, 3)).sort().values[-3]))
    found, alone = geometry(model, inputs, **FEW), geometry(net(), inputs, **FEW)
    assert torch.equal(~found.measured, bad)
    assert (found.status[bad] == Status.NON_FINITE).all()
    assert torch.isinf(found.distances[bad]).all()
    for name in ("random", "own", "others", "largest", "cosine", "gradient_norm"):
        assert torch.isnan(getattr(found, name)[bad]).all()
    assert (found.targets[bad] == -1).all()
    for name in ("random", "own", "largest", "distances"):
        torch.testing.assert_close(getattr(found, name)[~bad], getattr(alone, name)[~bad], equal_nan=True)
    assert len(found.singular) == 6
    flat = geometry(Flat(net()), inputs, **FEW)
    assert not flat.measured.any()
    assert (len(flat.singular), flat.directions(), math.isnan(flat.dimension())) == (0, 0, True)
    assert len(flat.curvatures("random")) == 0


def test_no_split_and_no_order_changes_an_image():
    model, inputs, keys = net(), images(7), torch.arange(7) + 10
    whole = geometry(model, inputs, indices=keys, **FAST)
    turned = geometry(model, inputs.flip(0), indices=keys.flip(0), **FAST)
    parts = [geometry(model, inputs[part], indices=keys[part], **FAST) for part in (slice(0, 2), slice(2, 7))]
    for name in ("random", "own", "largest", "cosine", "distances"):
        values = getattr(whole, name)
        assert equal(getattr(turned, name).flip(0), values), name
        assert equal(torch.cat([getattr(part, name) for part in parts]), values), name
    assert equal(turned.others.flip(0), whole.others)
    small = geometry(model, inputs, indices=keys, memory=1 << 16, **FAST)
    torch.testing.assert_close(small.random, whole.random)


def test_one_image_has_no_others():
    found = geometry(net(), images(1), **FEW)
    assert torch.isnan(found.others).all()
    assert torch.isfinite(found.random).all()


@pytest.mark.parametrize("method", ["difference", "hessian"])
def test_no_trace_is_left(method):
    model, inputs = net().train(), images(3)
    before, state = inputs.clone(), torch.get_rng_state()
    geometry(model, inputs, method=method, **FEW)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.equal(inputs, before)
    assert not inputs.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_pulled_back_points_lie_on_the_boundary():
    model, inputs = net(), images(8)
    start = deepfool(model, inputs, overshoot=0.5, bounds=(0.0, 1.0))
    found = to_boundary(model, start, bounds=(0.0, 1.0))
    assert torch.equal(found.success, start.success)
    seen = model(found.perturbed).argmax(1)
    assert torch.equal(seen != found.labels, found.success)
    short = inputs + 0.9999 * found.perturbation
    assert torch.equal(model(short).argmax(1)[found.success], found.labels[found.success])
    assert (found.distances() < start.distances()).all()
    ray, old = found.perturbation.flatten(1), start.perturbation.flatten(1)
    cosine = (ray * old).sum(1) / (norms(ray) * norms(old))
    torch.testing.assert_close(cosine, torch.ones(8))


def test_pulled_back_points_of_a_targeted_attack_still_are_the_target():
    model, inputs = net(), images(9)
    targets = model(inputs).topk(3).indices[:, 2]
    start = deepfool(model, inputs, targets=targets, overshoot=0.3)
    found = to_boundary(model, start, targets=targets)
    assert bool(found.success.all())
    assert torch.equal(model(found.perturbed).argmax(1), targets)
    assert (found.distances() < start.distances()).all()


def test_misuse_is_one_sentence():
    model, inputs = net(), images(2)
    with pytest.raises(UsageError, match="method must be one of difference, hessian; got 'finite'"):
        geometry(model, inputs, method="finite")
    with pytest.raises(UsageError, match=r"step must be a finite length above 0 and below 1e\+06; got 0"):
        geometry(model, inputs, step=0)
    with pytest.raises(UsageError, match="attack must be one of deepfool"):
        geometry(model, inputs, attack="pgd")
    with pytest.raises(UsageError, match="directions must be at least 1"):
        geometry(model, inputs, directions=0)
    with pytest.raises(UsageError, match="labels must be"):
        geometry(model, inputs, torch.tensor([0, 9]), **FEW)
