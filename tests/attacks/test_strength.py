"""Noise, FGSM and PGD: attacks of a given strength, against independent formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from geomrob.attacks.engine.balls import into_ball
from geomrob.attacks.fixed_budget.fgsm import fgsm, sign_direction
from geomrob.attacks.fixed_budget.noise import KINDS, noise, noisy
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.errors import UsageError
from geomrob.randomness import checked_indices
from geomrob.results import Status
from tests.attacks.zoo import Flat, NaNFor, Wrapped, images, net
from tests.oracles import LinearModel

ATTACKS = {
    **{kind: lambda m, x, kind=kind, **o: noise(m, x, kind=kind, epsilon=0.3, **o) for kind in KINDS},
    "fgsm": lambda m, x, **o: fgsm(m, x, epsilon=0.03, **o),
    "transferred fgsm": lambda m, x, **o: fgsm(m, x, epsilon=0.2, source=net(seed=5), **o),
    "pgd linf": lambda m, x, **o: pgd(m, x, epsilon=0.03, steps=7, restarts=2, **o),
    "pgd l2": lambda m, x, **o: pgd(m, x, epsilon=0.2, norm=2, steps=7, **o),
}
every_attack = pytest.mark.parametrize("name", ATTACKS)
THREES = torch.full((9,), 3)
SEEDED = [name for name in ATTACKS if "fgsm" not in name]


class Saturated(Wrapped):
    """Logits so large that float32 rounds the cross-entropy of the predicted class to zero."""

    def forward(self, inputs):
        return 1e4 * self.model(inputs)


def slope(model, inputs, labels):
    """Return the gradient of the cross-entropy by a plain backward pass."""
    where = inputs.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(where), labels, reduction="sum"), where)[0]


@every_attack
def test_the_result_says_what_the_model_says(name):
    model, inputs = net(), images(30)
    result = ATTACKS[name](model, inputs)
    assert torch.equal(result.labels, model(inputs).argmax(1))
    assert torch.equal(result.success, model(result.perturbed).argmax(1) != result.labels)
    assert torch.equal(result.success, result.status == Status.FOUND)
    assert bool(result.success.any())
    assert bool((~result.success).any())
    assert float(result.perturbed.min()) >= 0
    assert float(result.perturbed.max()) <= 1
    assert bool(torch.isinf(result.distances()[~result.success]).all())


@every_attack
def test_no_split_or_order_changes_the_answer(name):
    model, inputs, keys = net(), images(9), torch.arange(9) + 100
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    seeded = name in SEEDED
    whole = ATTACKS[name](model, inputs, **({"indices": keys} if seeded else {}))
    for size in (1, 4):
        parts = [ATTACKS[name](model, inputs[o], **({"indices": keys[o]} if seeded else {})) for o in order.split(size)]
        for field in ("perturbed", "success", "status", "steps", "forwards", "backwards"):
            assert torch.equal(torch.cat([getattr(p, field) for p in parts]), getattr(whole, field)[order]), field


@every_attack
def test_nothing_is_touched(name):
    model, inputs = net().train(), images().requires_grad_()
    copy, state = inputs.detach().clone(), torch.get_rng_state()
    result = ATTACKS[name](model, inputs)
    assert torch.equal(inputs, copy)
    assert inputs.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert not result.perturbed.requires_grad


@every_attack
def test_an_image_of_nan_logits_is_a_status(name):
    inputs = 0.5 * images(9)
    inputs[4] = 0.95 + 0.05 * inputs[4]
    result = ATTACKS[name](NaNFor(net(), 0.7), inputs)
    if name in {"gaussian", "uniform", "salt-pepper"}:
        assert not bool(result.success[4])
        assert bool(torch.isfinite(result.perturbed).all())
    else:
        assert result.status[4] == Status.NON_FINITE
        assert not bool(result.success[4])
    assert not bool((result.status == Status.NON_FINITE)[[0, 1, 2, 3, 5, 6, 7, 8]].any())


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_its_formula(kind):
    """The moments of N(0, e^2), U(-e, e) and +-1 with probability e, away from the clamp; the clamp where it bites."""
    inputs = torch.full((4, 1, 100, 100), 0.5, dtype=torch.float64)
    epsilon = 0.05
    added = noisy(inputs, kind=kind, epsilon=epsilon) - inputs
    count = added.numel()
    if kind == "salt-pepper":
        changed = added != 0
        assert added[changed].abs().unique().tolist() == [0.5]
        assert abs(float(changed.double().mean()) - epsilon) < 5 * math.sqrt(epsilon * (1 - epsilon) / count)
        assert abs(float(added.mean())) < 5 * 0.5 * math.sqrt(epsilon / count)
        return
    spread = epsilon if kind == "gaussian" else epsilon / math.sqrt(3)
    assert abs(float(added.mean())) < 5 * spread / math.sqrt(count)
    assert abs(float(added.std()) - spread) < 5 * spread / math.sqrt(count)
    kurtosis = float((added / added.std()).pow(4).mean())
    assert abs(kurtosis - (3.0 if kind == "gaussian" else 1.8)) < 0.1
    if kind == "uniform":
        assert float(added.abs().max()) <= epsilon


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_one_draw_serves_every_strength(kind):
    inputs = torch.full((3, 1, 8, 8), 0.5, dtype=torch.float64)
    small, large = (noisy(inputs, kind=kind, epsilon=e, seed=3) - inputs for e in (0.01, 0.02))
    torch.testing.assert_close(large, 2 * small)
    assert not torch.allclose(small[0], small[1])
    other = noisy(inputs, kind=kind, epsilon=0.01, seed=4) - inputs
    assert not torch.allclose(small, other)


def test_salt_and_pepper_of_a_higher_strength_keeps_the_lower_ones():
    inputs = images(5)
    weak, strong = (noisy(inputs, kind="salt-pepper", epsilon=e) != inputs for e in (0.1, 0.3))
    assert bool((strong | ~weak).all())


@pytest.mark.parametrize("kind", KINDS)
def test_the_clamp(kind):
    inputs = 0.3 + 0.4 * images(6)
    wide = noisy(inputs, kind=kind, epsilon=1.0)
    assert float(wide.min()) == 0
    assert float(wide.max()) == 1
    own = noisy(inputs, kind=kind, epsilon=1.0, clamp="image")
    assert torch.equal(own.flatten(1).amin(1), inputs.flatten(1).amin(1))
    assert torch.equal(own.flatten(1).amax(1), inputs.flatten(1).amax(1))
    assert torch.equal(own, wide.clamp(inputs.amin((1, 2, 3), True), inputs.amax((1, 2, 3), True)))
    assert torch.equal(noise(net(), inputs, kind=kind, epsilon=1.0, clamp="image").perturbed, own)
    assert torch.equal(noise(net(), inputs, kind=kind, epsilon=1.0).perturbed, wide)


def test_noise_needs_no_slope_and_asks_twice():
    model = net()
    result = noise(lambda x: model(x).detach(), images(), epsilon=0.2)
    assert result.forwards.tolist() == [2] * 9
    assert result.backwards.tolist() == [0] * 9


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 2.0])
def test_fgsm_is_its_formula(epsilon):
    model, inputs = net(), images(12)
    labels = torch.arange(12) % 4
    expected = (inputs + epsilon * slope(model, inputs, labels).sign()).clamp(0, 1)
    result = fgsm(model, inputs, labels, epsilon=epsilon)
    assert torch.equal(result.perturbed, expected)
    assert torch.equal(result.success, model(expected).argmax(1) != labels)
    assert torch.equal(sign_direction(model, inputs, labels), slope(model, inputs, labels).sign())
    assert result.forwards.tolist() == [3] * 12
    assert result.backwards.tolist() == [1] * 12


def test_fgsm_of_a_linear_model_is_exact():
    """Two classes: the sign of w_1 - w_0, and the label changes exactly where the strength passes the l_inf margin."""
    model, inputs = LinearModel(classes=2), images(40, dtype=torch.float64)
    weight = model.weight[1] - model.weight[0]
    own = model(inputs).argmax(1)
    sign = torch.where(own == 0, 1.0, -1.0).reshape(-1, 1, 1, 1) * weight.sign()
    assert torch.equal(sign_direction(model, inputs), sign)
    margins = model.margins(inputs, p=math.inf)
    epsilon = float(margins.median()) * 1.001
    free = (torch.full((1, 1, 1, 1), -9.0).double(), torch.full((1, 1, 1, 1), 9.0).double())
    assert torch.equal(fgsm(model, inputs, epsilon=epsilon, bounds=free).success, margins < epsilon)


def test_targets_pull():
    model, inputs = net(), images(12)
    targets = model(inputs).argsort(1)[:, 1]
    expected = (inputs - 0.1 * slope(model, inputs, targets).sign()).clamp(0, 1)
    assert torch.equal(fgsm(model, inputs, targets=targets, epsilon=0.1).perturbed, expected)
    for norm, epsilon in ((math.inf, 0.3), (2, 2.0)):
        result = pgd(model, inputs, targets=targets, epsilon=epsilon, norm=norm)
        assert bool(result.success.any())
        assert torch.equal(result.success, model(result.perturbed).argmax(1) == targets)


def test_transfer_from_the_model_itself_is_fgsm():
    model, source, inputs = net(), net(seed=9), images(12)
    alone, same = fgsm(model, inputs, epsilon=0.2), fgsm(model, inputs, epsilon=0.2, source=net())
    assert torch.equal(alone.perturbed, same.perturbed)
    assert torch.equal(alone.success, same.success)
    labels = model(inputs).argmax(1)
    other = fgsm(model, inputs, epsilon=0.2, source=source)
    assert torch.equal(other.perturbed, (inputs + 0.2 * slope(source, inputs, labels).sign()).clamp(0, 1))
    assert torch.equal(other.success, model(other.perturbed).argmax(1) != labels)


@pytest.mark.parametrize("norm", [2, math.inf])
def test_one_step_of_pgd_is_its_formula(norm):
    model, inputs = net(), images(12)
    labels = model(inputs).argmax(1)
    gradient = slope(model, inputs, labels)
    if norm == 2:
        gradient = 0.05 * gradient / gradient.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    else:
        gradient = 0.05 * gradient.sign()
    result = pgd(model, inputs, epsilon=1.0, norm=norm, steps=1, step_size=0.05, random_start=False)
    expected = (inputs + gradient).clamp(0, 1)
    moved = (result.perturbed != inputs).flatten(1).any(1)
    assert bool(moved.any())
    torch.testing.assert_close(result.perturbed[moved], expected[moved], atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_pgd_of_a_linear_model_finds_what_there_is(norm):
    """Of two classes every step points the same way, so PGD succeeds where the margin is in the ball, only there."""
    model, inputs = LinearModel(classes=2), images(40, dtype=torch.float64)
    margins = model.margins(inputs, p=norm)
    epsilon = float(margins.sort().values[19:21].mean())
    free = (torch.full((1, 1, 1, 1), -9.0).double(), torch.full((1, 1, 1, 1), 9.0).double())
    result = pgd(model, inputs, epsilon=epsilon, norm=norm, bounds=free, steps=50, restarts=2, loss="margin")
    assert bool(result.success[margins < 0.97 * epsilon].all())
    assert not bool(result.success[margins >= epsilon].any())
    assert bool((result.distances(norm)[result.success] <= epsilon * (1 + 1e-9)).all())
    assert bool((result.distances(norm)[result.success] >= margins[result.success]).all())


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_each_image_may_have_a_ball_of_its_own(norm):
    model, inputs = net(), 0.4 + 0.2 * images(12)
    radii = torch.linspace(0.05, 0.6, 12)
    every = pgd(model, inputs, epsilon=radii, norm=norm, steps=5, seed=3)
    alone = [
        pgd(model, inputs[i : i + 1], epsilon=float(radii[i]), norm=norm, steps=5, seed=3, indices=torch.tensor([i]))
        for i in range(12)
    ]
    assert torch.equal(every.success, torch.cat([result.success for result in alone]))
    torch.testing.assert_close(every.perturbed, torch.cat([result.perturbed for result in alone]))
    assert bool((every.distances(norm)[every.success] <= radii[every.success] * (1 + 1e-6)).all())


def test_a_start_on_the_way_is_moved_into_the_ball():
    model, inputs = net(), images(12)
    far = pgd(model, inputs, epsilon=0.6, norm=2, loss="margin")
    near = pgd(model, inputs, epsilon=0.3, norm=2, steps=1, step_size=1e-9, starts=far.perturbed)
    moved = near.perturbation.flatten(1).norm(dim=1)
    assert bool(far.success.any())
    assert bool((moved <= 0.3 * (1 + 1e-6)).all())
    assert bool((moved[far.distances(2) > 0.3] > 0.29)[far.success[far.distances(2) > 0.3]].any())


def test_the_projection_onto_an_l1_ball_is_the_nearest_point_of_it():
    generator = torch.Generator().manual_seed(0)
    moved = torch.randn(5, 1, 3, 4, generator=generator, dtype=torch.float64)
    radius = torch.tensor([0.1, 1.0, 3.0, 6.0, 50.0], dtype=torch.float64)
    nearest = into_ball(moved, 1, radius)
    assert bool((nearest.flatten(1).abs().sum(1) <= radius * (1 + 1e-12)).all())
    assert torch.equal(nearest[-1], moved[-1])
    # Optimality: no point of the ball has a larger inner product with what is left over than the nearest one.
    left = moved - nearest
    best = radius * left.flatten(1).abs().amax(1)
    torch.testing.assert_close((left * nearest).flatten(1).sum(1), best, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("norm", [2, math.inf])
def test_pgd_stays_in_the_ball_and_begins_anywhere_in_it(norm):
    model, inputs = net(), 0.4 + 0.2 * images(30)
    result = pgd(model, inputs, epsilon=0.15, norm=norm, steps=3)
    lengths = torch.linalg.vector_norm(result.perturbation.flatten(1), ord=norm, dim=1)
    assert bool((lengths <= 0.15 + 1e-6).all())
    starts = pgd(model, inputs, epsilon=0.15, norm=norm, steps=1, step_size=1e-9)
    moved = starts.perturbation.flatten(1)
    kept = (moved != 0).any(1)
    assert bool(kept.any())
    assert float(torch.linalg.vector_norm(moved[kept], ord=norm, dim=1).min()) > 0.1


def test_more_steps_and_restarts_never_help_the_defender():
    model, inputs = net(), images(40)
    rates = [pgd(model, inputs, epsilon=0.04, restarts=r, steps=10).success for r in (1, 2, 4)]
    assert bool((rates[1] | ~rates[0]).all())
    assert bool((rates[2] | ~rates[1]).all())


def test_saturated_logits_are_invariant_to_the_cross_entropy_and_not_to_the_margin():
    model, inputs = net(), images(20)
    honest = pgd(model, inputs, epsilon=0.2, loss="margin")
    assert honest.success_rate > 0.8
    fooled = pgd(Saturated(model), inputs, epsilon=0.2, restarts=2)
    assert fooled.success_rate < honest.success_rate
    assert bool((fooled.status == Status.INVARIANT).any())
    assert pgd(Saturated(model), inputs, epsilon=0.2, loss="margin").success_rate == honest.success_rate
    assert bool((fgsm(Saturated(model), inputs, epsilon=0.2).status == Status.INVARIANT).any())


def test_a_flat_model_is_invariant():
    for result in (fgsm(Flat(net()), images(), epsilon=0.2), pgd(Flat(net()), images(), epsilon=0.2)):
        assert result.status.tolist() == [Status.INVARIANT] * 9
        assert torch.equal(result.perturbed, result.inputs)


def test_an_image_that_is_wrong_already_is_not_moved_by_pgd():
    model, inputs = net(), images()
    wrong = (model(inputs).argmax(1) + 1) % 4
    result = pgd(model, inputs, wrong, epsilon=0.1)
    assert result.success_rate == 1
    assert torch.equal(result.perturbed, inputs)
    assert result.steps.tolist() == [0] * 9


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: noise(net(), images(), kind="gausian", epsilon=0.1), "kind must be one of .*did you mean gaussian"),
        (lambda: noisy(images(), clamp="box", epsilon=0.1), "clamp must be one of global, image; got 'box'"),
        (lambda: noisy(images(), epsilon=-1.0), r"epsilon must be at least 0 and below 1e\+06; got -1"),
        (lambda: noisy(images(), kind="salt-pepper", epsilon=2.0), "epsilon must be a probability for salt-pepper"),
        (lambda: checked_indices(torch.arange(3), 9), r"indices must be shaped \(9,\) of torch.int64; got \(3,\)"),
        (lambda: fgsm(net(), images(), epsilon=math.nan), "epsilon must be at least 0 and below"),
        (lambda: fgsm(net(), images() * 2, epsilon=0.1), r"inputs must lie in bounds \(0, 1\)"),
        (lambda: fgsm(net(), images(), torch.full((9,), 7), epsilon=0.1), "labels must be classes from 0 to 3; got 7"),
        (
            lambda: fgsm(net(), images(), THREES, source=net(classes=2), epsilon=0.1),
            "source must have a class for each",
        ),
        (lambda: pgd(net(), images(), epsilon=0.1, norm=3), "norm must be 1, 2 or inf; got 3"),
        (
            lambda: pgd(net(), images(), epsilon=torch.ones(2)),
            "epsilon must be one number or one an image; got 2",
        ),
        (lambda: pgd(net(), images(), epsilon=0.1, starts=images(3)), "starts must be of the shape of the inputs"),
        (lambda: pgd(net(), images(), epsilon=0.1, loss="dlr2"), "loss must be one of cross-entropy, margin"),
        (lambda: pgd(net(), images(), epsilon=0.1, steps=0), "steps must be at least 1; got 0"),
        (lambda: pgd(net(), images(), epsilon=0.1, restarts=0), "restarts must be at least 1; got 0"),
        (lambda: pgd(net(), images(), epsilon=0.1, step_size=0.0), "step_size must be above 0; got 0"),
    ],
)
def test_misuse_is_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
