"""foolbox both ways: its attacks give here what they give there, and ours give there what they give here."""

import math

import foolbox
import numpy as np
import pytest
import torch

from geomrob.arrays import norms
from geomrob.attacks.table import ATTACKS
from geomrob.errors import UsageError
from geomrob.interop.foolbox_export import as_foolbox, exported
from geomrob.interop.foolbox_import import FOOLBOX, from_foolbox, run_foolbox
from geomrob.results import BoundaryResult, Status
from tests.attacks.zoo import Wrapped, images, net

QUICK = {"ead": {"steps": 50, "binary_search_steps": 3}, "boundary": {"steps": 60}, "hop-skip-jump": {"steps": 2}}
CHEAP = {
    "ddn": {"steps": 20},
    "tight": {"budget": 20},
    "superdeepfool": {"rounds": 2},
    "boundary": {"budget": 100, "seed": 3},
    "pgd": {"steps": 5, "seed": 3},
    "pgd-l2": {"steps": 5},
    "pgd-l1": {"steps": 5},
}
OURS = exported()
MINIMUM = [name for name, entry in OURS.items() if not entry.strength]
STRENGTH = [name for name, entry in OURS.items() if entry.strength]


class Closed(Wrapped):
    """Sees class 0, the class of `kept`, in everything unless it is close to one of the other images it knows."""

    def __init__(self, model, known):
        super().__init__(model)
        self.known = known

    def forward(self, inputs):
        near = torch.cdist(inputs.flatten(1), self.known.flatten(1)).amin(1, keepdim=True) < 1.5
        return torch.where(near, self.model(inputs), torch.tensor([[9.0, 0, 0, 0]]))


def wrapped(model, bounds=(0, 1)):
    return foolbox.PyTorchModel(model, bounds=bounds, device="cpu")


def donors(labels):
    """Return an image for each label that the net decides otherwise."""
    others = images(60, seed=77)
    decided = net()(others).argmax(1)
    return others[[int((decided != label).nonzero()[0]) for label in labels]]


def global_draws():
    """Return a copy of NumPy's global state."""
    return np.random.get_state()[1].copy()  # noqa: NPY002


def directly(attack, model, inputs, criterion, seed, **options):
    """Return what foolbox itself answers with its generators seeded."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what foolbox draws from
        return attack(wrapped(model), inputs, criterion, **options)


@pytest.mark.parametrize("name", FOOLBOX)
def test_their_answer_is_foolboxs_own(name):
    model, inputs = net(), images(6)
    labels = model(inputs).argmax(1)
    options = {**FOOLBOX[name].options, **QUICK.get(name, {})}
    theirs = getattr(foolbox.attacks, FOOLBOX[name].attack)(**options)
    state, numpy_state = torch.get_rng_state(), global_draws()
    result = from_foolbox(name, **QUICK.get(name, {}))(model, inputs, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert (global_draws() == numpy_state).all()
    _, expected, success = directly(theirs, model, inputs, labels, 4, epsilons=None)
    assert torch.equal(result.perturbed, expected)
    assert torch.equal(result.success, success)
    assert torch.equal(result.success, model(result.perturbed).argmax(1) != labels)
    assert torch.equal(result.labels, labels)
    assert bool(result.success.any())
    assert bool((result.forwards > 0).all())
    assert not result.perturbed.requires_grad
    other = run_foolbox(theirs, model, inputs, seed=4)
    assert torch.equal(other.perturbed, expected)


def test_any_attack_by_class_name_with_its_strength():
    model, inputs = net(), images(6)
    result = from_foolbox("LinfPGD", steps=5)(model, inputs, epsilon=0.05, seed=1)
    attack = foolbox.attacks.LinfPGD(steps=5)
    expected = directly(attack, model, inputs, result.labels, 1, epsilons=0.05)[1]
    assert torch.equal(result.perturbed, expected)


def test_targets_reach_foolbox():
    model, inputs = net(), images(6)
    targets = model(inputs).argsort(1)[:, 1]
    result = from_foolbox("fmn-l2")(model, inputs, targets=targets)
    assert torch.equal(result.success, model(result.perturbed).argmax(1) == targets)
    assert result.success_rate > 0.5


def test_a_walk_too_short_to_adapt_is_warned_of():
    model, inputs = net(), images(5)
    short = from_foolbox("boundary", steps=50)(model, inputs)
    assert isinstance(short, BoundaryResult)
    assert short.steps.tolist() == [50] * 5
    assert bool(torch.isnan(short.spherical_step).all())
    assert not bool((short.adapted | short.converged).any())
    assert "the step sizes of 5 images never adapted" in short.warning
    assert bool((short.start >= short.distances()).all())
    assert bool((short.distances() >= 0.6 * short.start).all())
    soon = from_foolbox("boundary", steps=50, update_stats_every_k=1)(model, inputs)
    assert bool(soon.adapted.all())
    assert not soon.warning


@pytest.mark.parametrize("name", ["boundary", "hop-skip-jump"])
def test_a_failed_start_is_a_status_and_the_others_are_finished(name):
    """foolbox raises for all 12; here 5 are listed and 7 are finished."""
    inputs = images(12)
    labels = net()(inputs).argmax(1)
    lost = torch.tensor([1, 2, 6, 7, 11])
    starts = donors(labels)
    starts[lost] = inputs[lost]
    attack = getattr(foolbox.attacks, FOOLBOX[name].attack)(**QUICK[name])
    with pytest.raises(ValueError, match="starting_points are not adversarial"):
        attack(wrapped(net()), inputs, labels, epsilons=None, starting_points=starts)
    result = from_foolbox(name, **QUICK[name])(net(), inputs, starts=starts)
    assert (result.status == Status.NO_START).nonzero().flatten().tolist() == lost.tolist()
    assert result.success.sum() == 7
    assert torch.equal(result.perturbed[lost], inputs[lost])
    assert bool(torch.isinf(result.distances()[lost]).all())
    if name == "boundary":
        assert result.unstarted == tuple(lost.tolist())
        assert bool(torch.isinf(result.start[lost]).all())


def test_foolboxs_own_start_may_fail_too():
    inputs = images(4)
    model = Closed(net(), inputs + 10)
    attack = foolbox.attacks.BoundaryAttack(
        init_attack=foolbox.attacks.LinearSearchBlendedUniformNoiseAttack(directions=3)
    )
    with pytest.warns(UserWarning, match="failed to draw"), pytest.raises(ValueError, match="init_attack failed"):
        attack(wrapped(model), inputs, model(inputs).argmax(1), epsilons=None)
    result = run_foolbox(attack, model, inputs)
    assert result.unstarted == (0, 1, 2, 3)
    assert "4 images had no start: 0, 1, 2, 3" in result.warning


def test_an_error_for_one_image_is_that_images_status():
    class Moody(foolbox.attacks.L2DeepFoolAttack):
        def run(self, model, inputs, criterion, **options):
            if bool((inputs == 0).all(-1).all(-1).any()):
                raise ValueError("black is not my colour")
            return super().run(model, inputs, criterion, **options)

    inputs = images(4)
    inputs[2] = 0
    result = run_foolbox(Moody(), net(), inputs)
    assert result.success.tolist() == [True, True, False, True]
    assert result.status[2] == Status.STEP_LIMIT
    with pytest.raises(UsageError, match=r"accepts; got ValueError.'black is not my colour'"):
        run_foolbox(Moody(), net(), torch.zeros(2, 1, 8, 8))


def test_nothing_is_touched():
    model, inputs = net().train(), images()
    copy = inputs.clone()
    from_foolbox("ddn", steps=3)(model, inputs)
    assert model.training
    assert torch.equal(inputs, copy)
    assert all(parameter.requires_grad for parameter in model.parameters())


def ours(name, model, inputs, **options):
    """Return the direct call of one of ours, on foolbox's own wrapper of the model."""
    row = OURS[name].row
    box = {"bounds": (0.0, 1.0)} if row.takes("bounds") else {}
    return row.attack(wrapped(model), inputs, **{**OURS[name].options, **CHEAP.get(name, {}), **box, **options})


@pytest.mark.parametrize("name", MINIMUM)
def test_ours_through_foolbox_return_what_the_direct_call_returns(name):
    model, inputs = net(), images(8)
    labels = model(inputs).argmax(1)
    expected = ours(name, model, inputs, labels=labels)
    attack = as_foolbox(name, **CHEAP.get(name, {}))
    assert isinstance(attack, foolbox.attacks.base.MinimizationAttack)
    epsilons = [0.05, float(norms(expected.perturbation, OURS[name].norm).median()), 50.0, None]
    raw, clipped, success = attack(wrapped(model), inputs, labels, epsilons=epsilons)
    assert len(raw) == len(clipped) == 4
    assert success.shape == (4, 8)
    for index, epsilon in enumerate(epsilons):
        assert torch.equal(raw[index], expected.perturbed)
        length = norms(clipped[index] - inputs, OURS[name].norm)
        assert bool((length <= (epsilon or math.inf) * 1.001).all())
        assert torch.equal(success[index], model(clipped[index]).argmax(1) != labels)
    assert torch.equal(success[3], expected.success)
    assert torch.equal(clipped[3], expected.perturbed)
    one = attack(wrapped(model), inputs, foolbox.criteria.Misclassification(labels), epsilons=None)
    assert torch.equal(one[0], expected.perturbed)
    assert one[2].shape == (8,)


@pytest.mark.parametrize("name", STRENGTH)
def test_ours_of_a_strength_run_once_for_each(name):
    model, inputs = net(), images(8)
    labels = model(inputs).argmax(1)
    attack = as_foolbox(name, **CHEAP.get(name, {}))
    assert isinstance(attack, foolbox.attacks.base.FixedEpsilonAttack)
    raw, clipped, success = attack(wrapped(model), inputs, labels, epsilons=[0.02, 0.4])
    for index, epsilon in enumerate((0.02, 0.4)):
        expected = ours(name, model, inputs, labels=labels, epsilon=epsilon)
        assert torch.equal(raw[index], expected.perturbed)
        torch.testing.assert_close(clipped[index], expected.perturbed, atol=1e-6, rtol=0)
        assert torch.equal(success[index], model(clipped[index]).argmax(1) != labels)
    with pytest.raises(NotImplementedError):
        attack(wrapped(model), inputs, labels, epsilons=None)


@pytest.mark.parametrize("name", [name for name, entry in OURS.items() if entry.row.takes("targets")])
def test_targets_and_images_that_are_there_already(name):
    model, inputs = net(), images(8)
    targets = model(inputs).argsort(1)[:, 1]
    targets[3] = model(inputs[3:4]).argmax(1)
    attack = as_foolbox(name, **CHEAP.get(name, {}))
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    raw, _, success = attack(wrapped(model), inputs, criterion, epsilons=0.5 if name in STRENGTH else None)
    assert torch.equal(raw[3], inputs[3])
    assert torch.equal(success, model(raw).argmax(1) == targets)
    assert bool(success[3])
    everything = foolbox.criteria.TargetedMisclassification(model(inputs).argmax(1))
    assert torch.equal(attack(wrapped(model), inputs, everything, epsilons=0.5)[0], inputs)


@pytest.mark.parametrize("name", ["deepfool", "boundary", "pgd"])
def test_models_of_other_bounds(name):
    model, inputs = net(), images(6)
    labels = model(inputs).argmax(1)
    stretched = wrapped(Scaled(model), bounds=(-1, 1))
    attack = as_foolbox(name, **CHEAP.get(name, {}))
    epsilon = 0.1 if name == "pgd" else None
    raw, _, success = attack(stretched, 2 * inputs - 1, labels, epsilons=epsilon)
    same = attack(wrapped(model), inputs, labels, epsilons=epsilon and epsilon / 2)
    torch.testing.assert_close((raw + 1) / 2, same[0], atol=0.02, rtol=0)
    assert float(raw.min()) >= -1
    assert float(raw.max()) <= 1
    assert success.tolist() == same[2].tolist()


class Scaled(Wrapped):
    """Takes images in [-1, 1]."""

    def forward(self, inputs):
        return self.model((inputs + 1) / 2)


def test_starting_points_and_repeats_are_foolboxs_protocol():
    model, inputs = net(), images(4)
    labels = model(inputs).argmax(1)
    starts = donors(labels)
    attack = as_foolbox("boundary", budget=60)
    raw = attack(wrapped(model), inputs, labels, epsilons=None, starting_points=starts)[0]
    assert torch.equal(raw, ours("boundary", model, inputs, labels=labels, starts=starts, budget=60, seed=0).perturbed)
    again = attack.repeat(2)(wrapped(model), inputs, labels, epsilons=[0.1, 9.0])
    assert again[2].shape == (2, 4)
    with pytest.raises(TypeError):
        attack(wrapped(model), inputs, labels, epsilons=None, mood="good")


def test_every_attack_is_there_but_noise_whose_strength_bounds_no_norm():
    assert "noise" not in OURS
    assert {name for name, row in ATTACKS.items() if row.kind != "noise"} <= set(OURS)
    assert {"pgd-l2", "uniform"} <= set(OURS)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: from_foolbox("boundry"), "attack must be one of .*did you mean boundary"),
        (lambda: from_foolbox("Model"), "attack must be one of"),
        (lambda: from_foolbox("ddn", step=3), "options of DDNAttack must be among .*steps.*; got .*step"),
        (lambda: from_foolbox(foolbox.attacks.DDNAttack(), steps=3), "options must go with a name; got steps"),
        (lambda: from_foolbox("LinfPGD")(net(), images()), "epsilon must be given with Linf.*; got None"),
        (lambda: from_foolbox("ddn")(net(), images(), starts=images()), "starts must be left out with DDNAttack"),
        (
            lambda: from_foolbox("boundary")(net(), images(), starts=images(3)),
            r"starts must be shaped \(9, 1, 8, 8\); got \(3,",
        ),
        (lambda: as_foolbox("deepfoll"), "attack must be one of .*did you mean deepfool"),
        (lambda: as_foolbox("deepfool", step=1), "option of deepfool must be one of .*did you mean steps"),
        (
            lambda: as_foolbox("deepfool")(wrapped(net()), images(), foolbox.criteria.Misclassification(
                torch.zeros(9).long()) & foolbox.criteria.Misclassification(torch.ones(9).long()), epsilons=None),
            "criterion must be Misclassification or TargetedMisclassification; got _And",
        ),
    ],
)  # fmt: skip
def test_misuse_is_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
