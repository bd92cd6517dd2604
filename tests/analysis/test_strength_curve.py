"""Accuracy against strength: against plain loops, with what is drawn and what is averaged made explicit."""

import math

import pytest
import torch

from geomrob.analysis.strength_curve import acceptance, strength_curve
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.attacks.fixed_budget.noise import noisy
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.table import variants
from geomrob.errors import UsageError
from geomrob.results import Acceptance, AttackResult, Status, StrengthCurve, equal, load, save
from geomrob.results.decision_based import mean_squares, score
from tests.attacks.zoo import images, net
from tests.oracles import LinearModel
from tests.synthetic import attack_result, provenance

STRENGTHS = [0.0, 0.05, 0.3]
INPUTS, LABELS = images(20), net()(images(20)).argmax(1)
LABELS[:3] = (LABELS[:3] + 1) % 4


def curve(models, **options):
    given = {"strengths": STRENGTHS[1:], "steps": 5, **options}
    return strength_curve(models, INPUTS, LABELS, **given)


def right(model, perturbed):
    return model(perturbed).argmax(1) == LABELS


@pytest.mark.parametrize("attack", variants())
def test_every_accuracy_is_what_a_plain_loop_counts(attack):
    models = {"one": [net(), net(seed=3)], "other": [net(seed=4), net(seed=5)]}
    repeats = 3 if variants()[attack][0].takes("seed") else 1
    source = net(seed=9) if variants()[attack][1].source else None
    found = curve(models, attack=attack, repeats=repeats, source=source, seed=7)
    assert found.correct.shape == (2, 2, repeats, 3, 20)
    assert found.strengths.tolist() == STRENGTHS
    for m, group in enumerate(models.values()):
        for g, model in enumerate(group):
            for r in range(repeats):
                for e, epsilon in enumerate(STRENGTHS):
                    if attack.startswith("pgd"):
                        norm = {"pgd-l2": 2, "pgd-l1": 1}.get(attack, math.inf)
                        expected = right(model, pgd(model, INPUTS, LABELS, epsilon=epsilon, norm=norm, steps=5,
                                                    seed=7 + r).perturbed)  # fmt: skip
                    elif attack.startswith("fgsm"):
                        perturbed = fgsm(model, INPUTS, LABELS, epsilon=epsilon, source=source).perturbed
                        expected = right(model, perturbed)
                    else:
                        expected = right(model, noisy(INPUTS, kind=attack, epsilon=epsilon, seed=7 + r))
                    assert torch.equal(found.correct[m, g, r, e], expected)
    assert found.provenance.forwards > 0
    assert (found.provenance.backwards > 0) == ("fgsm" in attack or "pgd" in attack)


def test_transfer_from_the_model_itself_is_fgsm():
    own = curve({"net": net()}, attack="fgsm")
    same = curve({"net": net()}, attack="fgsm-transfer", source=net(), source_name="net")
    assert torch.equal(own.correct, same.correct)
    assert same.source == "net"


def test_the_direction_is_computed_once():
    calls = {"slopes": 0}

    def source(inputs):
        calls["slopes"] += int(inputs.requires_grad)
        return net()(inputs)

    curve({"one": net(seed=1), "two": net(seed=2)}, attack="fgsm-transfer", source=source, strengths=[0.1, 0.2, 0.3])
    # Two of the three calls with a slope only find how many samples a call may hold.
    assert calls["slopes"] == 3


def test_all_models_see_the_same_noise():
    found = curve({"a": net(), "b": net()}, repeats=2)
    assert torch.equal(found.correct[0], found.correct[1])
    assert not torch.equal(found.correct[0, 0, 0], found.correct[0, 0, 1])


def synthetic(networks, repeats, models=("base", "regular")):
    generator = torch.Generator().manual_seed(networks + repeats)
    correct = torch.rand(len(models), networks, repeats, 3, 40, generator=generator) < 0.6
    return StrengthCurve(
        models=models,
        data="images",
        attack="gaussian",
        source="",
        strengths=torch.tensor(STRENGTHS, dtype=torch.float64),
        correct=correct,
        labels=torch.zeros(40, dtype=torch.int64),
        indices=torch.arange(40),
        provenance=provenance(),
    )


def test_mean_and_standard_error():
    found = synthetic(7, 2)
    accuracy = found.correct.double().mean(4)
    torch.testing.assert_close(found.mean, accuracy.flatten(1, 2).mean(1))
    per_network = accuracy.mean(2)
    torch.testing.assert_close(found.error, per_network.std(1, unbiased=True) / math.sqrt(7))
    repeated = synthetic(1, 5)
    torch.testing.assert_close(repeated.error, repeated.accuracy[:, 0].std(1, unbiased=True) / math.sqrt(5))
    assert bool(synthetic(1, 1).error.isnan().all())


@pytest.mark.parametrize(
    ("networks", "repeats", "said"),
    [(3, 1, "of 3 trainings"), (3, 5, "of 3 trainings"), (1, 5, "of 5 repeats"), (1, 1, "no standard error")],
)
def test_the_title_says_what_the_standard_error_is_over(networks, repeats, said):
    found = synthetic(networks, repeats)
    assert said in found.tables()[0].title[0]
    assert {(row["networks"], row["repeats"]) for row in found.records()} == {(networks, repeats)}


def test_a_curve_and_a_plane_come_back_from_a_file(tmp_path):
    found = synthetic(2, 2)
    assert equal(load(save(found, tmp_path / "curve"), StrengthCurve), found)
    plane = acceptance(found, "base")
    assert equal(load(save(plane, tmp_path / "plane"), Acceptance), plane)


def test_acceptance_is_the_rule():
    found = synthetic(1, 1, ("base", "fair", "poor", "weak"))
    rows = {"base": (20, 20, 10), "fair": (18, 1, 11), "poor": (17, 1, 20), "weak": (20, 1, 10)}
    correct = torch.zeros_like(found.correct)
    for index, counts in enumerate(rows.values()):
        for e, count in enumerate(counts):
            correct[index, 0, 0, e, :count] = True
    plane = acceptance(StrengthCurve(**{**vars(found), "correct": correct}), "base")
    assert plane.models == ("fair", "poor", "weak")
    torch.testing.assert_close(plane.clean, torch.tensor([0.9, 0.85, 1.0], dtype=torch.float64))
    torch.testing.assert_close(plane.distorted, torch.tensor([1.1, 2.0, 1.0], dtype=torch.float64))
    assert plane.accepted.tolist() == [True, False, False]
    assert plane.strength == 0.3
    other = acceptance(StrengthCurve(**{**vars(found), "correct": correct}), "base", strength=0.05, minimum=0.8)
    assert other.accepted.tolist() == [False] * 3
    nothing = torch.zeros_like(correct)
    nothing[:, :, :, 0] = True
    nothing[1, :, :, 2] = True
    silent = acceptance(StrengthCurve(**{**vars(found), "correct": nothing}), "base")
    assert math.isinf(silent.distorted[0])
    assert math.isnan(silent.distorted[1])
    assert silent.accepted.tolist() == [True, False, False]


def test_the_score_is_the_median_of_mean_squares():
    model, inputs = LinearModel(), images(9, dtype=torch.float64)
    margins = model.margins(inputs)
    from geomrob.attacks.minimal.deepfool import deepfool

    found = deepfool(model, inputs)
    torch.testing.assert_close(mean_squares(found), found.distances().square() / 64)
    assert score([found]) == pytest.approx(float(margins.median()) ** 2 / 64, rel=0.1)
    assert score([found, found]) == pytest.approx(score([found]))


def result(squares, channels=1):
    """Return a result whose perturbations have these mean squares; infinite ones failed."""
    values = torch.tensor(squares, dtype=torch.float64)
    success = torch.isfinite(values)
    inputs = torch.zeros(len(values), channels, 2, 2, dtype=torch.float64)
    moved = inputs + values.nan_to_num(0, 0, 0).sqrt().reshape(-1, 1, 1, 1)
    zeros = torch.zeros(len(values), dtype=torch.int64)
    status = torch.where(success, int(Status.FOUND), int(Status.NO_START))
    return AttackResult(inputs, zeros, moved, success, status, zeros, zeros, zeros)


def test_failures_are_infinite_and_repeats_are_averaged():
    assert score([result([1.0, 2.0, 3.0, 4.0])]) == pytest.approx(2.5)
    assert score([result([1.0, 2.0, math.inf])]) == pytest.approx(2.0)
    assert score([result([1.0, math.inf])]) == math.inf
    assert score([result([1.0, 2.0, 3.0]), result([2.0, 4.0, math.inf])]) == pytest.approx(3.0)


def test_the_released_score_sees_survivors_and_one_channel():
    one = result([1.0, 3.0, math.inf], channels=3)
    one.perturbed[:, 1:] = 0
    assert score([one], compat=True) == pytest.approx(2.0)
    assert score([one]) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="a success each for compat"):
        score([result([math.inf])], compat=True)
    with pytest.raises(UsageError, match="repeats must hold at least one result"):
        score([])
    assert math.isinf(score([attack_result()]))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: curve({}), "models must be at least one, .*; got no model"),
        (lambda: curve({"a": [net()], "b": [net(), net()]}), "got a: 1, b: 2"),
        (lambda: curve({"a": net()}, attack="gausian"), "attack must be one of .*did you mean gaussian"),
        (lambda: curve({"a": net()}, attack="fgsm-transfer"), "source must be a model with fgsm-transfer.*got None"),
        (lambda: curve({"a": net()}, source=net()), "source must be a model with fgsm-transfer.*leave it out"),
        (lambda: curve({"a": net()}, attack="fgsm", repeats=2), "at most 1,000,000, and 1 for FGSM; got 2"),
        (lambda: curve({"a": net()}, strengths=[0.2, 0.1]), r"strengths must rise .* got \[0.2, 0.1\]"),
        (lambda: curve({"a": net()}, strengths=[]), "strengths must rise and one must be above 0"),
        (lambda: curve({"a": net()}, strengths=[-1.0]), "strengths must be at least 0 and below"),
        (lambda: curve({"a": net(classes=2)}), "labels must be classes from 0 to 1; got 0 to 3"),
        (lambda: acceptance(synthetic(1, 1), "bass"), "baseline must be one of base, regular; got 'bass'"),
        (
            lambda: acceptance(synthetic(1, 1, ("base",)), "base"),
            "models must hold another one than the baseline; got base alone",
        ),
        (lambda: acceptance(synthetic(1, 1), "base", minimum=1.1), r"minimum must lie in \(0, 1\]; got 1.1"),
        (lambda: acceptance(synthetic(1, 1), "base", strength=0.2), "strength must be one of the curve's; got 0.2"),
    ],
)
def test_misuse_is_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
