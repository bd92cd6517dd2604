"""The audit names what is wrong with models made to be wrong, and passes the embedded ones."""

import dataclasses

import pytest
import torch
from torch import nn

from geomrob import load, load_data, load_model, save
from geomrob.analysis.audit import audit, checks, measurements, probes
from geomrob.analysis.audit.checks import CHECKS
from geomrob.attacks.engine.search import Search
from geomrob.errors import UsageError
from geomrob.inference import Prepared
from geomrob.models.obfuscated import OBFUSCATED
from geomrob.results import equal

EXPECTED = {
    "quantised": ("quantisation", {"gradients", "small changes", "black-box attack"}),
    "quantised_straight_through": ("quantisation", {"small changes", "correct gradients", "smooth"}),
    "stochastic": ("randomness", {"repeats itself"}),
    "saturated": ("saturated outputs", {"loss gradients", "whole box"}),
    "detached": ("detached gradient", {"gradients", "white-box attack", "black-box attack"}),
    "without_graph": ("detached gradient", {"gradients", "white-box attack", "black-box attack"}),
    "shattered": ("shattered gradients", {"correct gradients", "smooth", "black-box attack"}),
    "batch_statistics": ("batch statistics", {"one image at a time"}),
}

pytestmark = pytest.mark.usefixtures("small_blocks")

QUICK = {"epsilons": (0.05, 0.2), "steps": (1, 10), "budget": 100}


@pytest.fixture(scope="module")
def clothes():
    return load_data("fashion-mnist-1k", samples=10)


@pytest.fixture(scope="module")
def good():
    return {name: load_model(name) for name in ("fmnist-lenet", "fmnist-resnet8")}


@pytest.fixture(scope="module")
def small(good, clothes):
    """Return the audit of the LeNet on three images."""
    return audit(good["fmnist-lenet"], clothes.images[:3], **QUICK)


LONG = {"quantised_straight_through", "without_graph", "stochastic"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in EXPECTED]
)
def test_each_wrong_model_is_named(name, good, clothes, monkeypatch):
    # The verdicts do not need the long searches by gradient, only that there is a second one.
    monkeypatch.setattr(measurements, "LONGER", (80,))
    model = OBFUSCATED[name](good["fmnist-lenet"]).eval()
    found = audit(model, clothes.images, sources={"itself": good["fmnist-lenet"]}, **QUICK)
    cause, failed = EXPECTED[name]
    assert found.verdict == "failed"
    assert [told.split(":")[0] for told in found.causes] == [cause]
    assert failed <= {check.name for check in found.checks if check.verdict == "failed"}


@pytest.mark.parametrize("name", ["fmnist-lenet", "fmnist-resnet8"])
def test_the_embedded_models_pass(name, good, clothes):
    # The LeNet is the source of both: the ResNet's own search would take most of the time.
    source = {"lenet": good["fmnist-lenet"]}
    found = audit(good[name], clothes.images, labels=clothes.labels, sources=source, **QUICK)
    assert {check.name: check.verdict for check in found.checks} == dict.fromkeys(CHECKS, "passed")
    assert found.causes == ()
    assert found.accuracy == float((found.predictions == clothes.labels).double().mean())


def test_a_model_in_training_mode_is_warned_about_and_left_in_it(clothes):
    model = load_model("fmnist-lenet").train()
    found = audit(model, clothes.images[:4], **QUICK)
    assert {check.name for check in found.checks if check.verdict == "warned"} == {"eval mode"}
    assert all(module.training for module in model.modules())


def test_a_linear_model_has_the_distances_and_slopes_that_it_must_have():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval().requires_grad_(False)
    images = 0.3 + 0.4 * torch.rand(6, 1, 8, 8)
    found = audit(model, images, sources={"itself": model}, **QUICK)
    weight = model[1].weight[0] - model[1].weight[1]
    distance = (model(images)[:, 0] - model(images)[:, 1]).abs() / weight.norm()
    assert torch.allclose(found.white, distance, rtol=1e-3)
    assert torch.allclose(found.transferred, distance, rtol=1e-3)
    assert bool((found.decision >= 0.999 * distance).all())
    assert all(check.verdict == "passed" for check in found.checks)
    # The gap falls in a straight line from 1 to -1 where the way is twice the distance.
    line = torch.linspace(1, -1, probes.POINTS)
    own = found.profile[0, :, :1]
    assert torch.allclose(found.profile[0] / own, line.expand(6, -1), atol=1e-3)


def test_slopes_say_how_much_of_the_gradient_is_true():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()

    def half(inputs):
        return net(0.5 * inputs + 0.5 * inputs.detach())

    images = torch.rand(5, 1, 8, 8)
    found = probes.gradient_quality(Search(Prepared(half, images), images, reference=net(images).argmax(1)))
    assert not found[0].any()
    assert torch.allclose(found[2], torch.full((5,), 2.0), rtol=1e-2)


def test_without_sources_and_queries_there_is_no_black_box_to_compare_with(clothes):
    found = audit(load_model("fmnist-lenet"), clothes.images[:4], **{**QUICK, "budget": 0})
    assert {check.name: check.verdict for check in found.checks}["black-box attack"] == "skipped"
    assert found.transferred.isnan().all()
    assert found.decision.isnan().all()


def test_the_answer_does_not_depend_on_the_order_of_the_images(good, clothes):
    images, indices = clothes.images[:4], clothes.indices[:4]
    turned = torch.tensor([3, 0, 1, 2])
    options = {"sources": {"itself": good["fmnist-lenet"]}, **QUICK}
    one = audit(good["fmnist-lenet"], images, indices=indices, **options)
    other = audit(good["fmnist-lenet"], images[turned], indices=indices[turned], **options)
    for name in ("white", "transferred", "decision"):
        assert torch.equal(getattr(one, name)[turned], getattr(other, name))
    assert torch.equal(one.profile[:, turned], other.profile)
    assert torch.equal(one.robust, other.robust)


def test_an_audit_is_saved_and_loaded(tmp_path, small):
    save(small, tmp_path / "audit")
    assert equal(load(tmp_path / "audit"), small)


def test_the_worst_check_is_the_verdict(small):
    checks = [dataclasses.replace(check, verdict="passed") for check in small.checks]
    assert dataclasses.replace(small, checks=tuple(checks)).verdict == "passed"
    checks[3] = dataclasses.replace(checks[3], verdict="warned")
    assert dataclasses.replace(small, checks=tuple(checks)).verdict == "warned"
    checks[5] = dataclasses.replace(checks[5], verdict="failed")
    assert dataclasses.replace(small, checks=tuple(checks)).verdict == "failed"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilons": (0.2, 0.1)}, "epsilons must rise"),
        ({"epsilons": ()}, "epsilons must rise"),
        ({"epsilons": (0.0, 0.1)}, "epsilons must lie in"),
        ({"epsilons": (0.1, 2.0)}, "epsilons must lie in"),
        ({"steps": (10, 10)}, "steps must rise"),
        ({"steps": (0, 10)}, "steps must be at least 1"),
        ({"smoothness": 11, "budget": 0}, "smoothness must lie in .0, 10.; got 11"),
        ({"budget": -1}, "budget must be 0 or at least 20 queries; got -1"),
        ({"budget": 19}, "budget must be 0 or at least 20 queries; got 19"),
    ],
)
def test_misuse_is_refused_in_a_sentence(options, words):
    with pytest.raises(UsageError, match=words):
        audit(lambda x: x.flatten(1)[:, :3], torch.rand(2, 1, 4, 4), **options)


@pytest.mark.parametrize(("gained", "share"), [(0, 0.0), (1, 0.0), (2, 0.2)])
def test_one_image_that_holds_out_against_a_longer_attack_is_noise(gained, share):
    weaker = torch.zeros(1, 1, 10, dtype=torch.bool)
    stronger = weaker.clone()
    stronger[..., :gained] = True
    number, images = checks._gain(stronger, weaker)
    assert number == pytest.approx(share)
    assert int(images.sum()) == gained
