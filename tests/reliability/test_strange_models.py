"""Models that answer strangely: what writes into its images gets a copy, what changes is refused, NaN is no class."""

import pytest
import torch

from geomrob.analysis.layers import layers
from geomrob.analysis.strength_curve import strength_curve
from geomrob.analysis.transfer import transfer_matrix
from geomrob.attacks.table import ATTACKS
from geomrob.errors import UsageError
from geomrob.inference import accuracy
from geomrob.interop.foolbox_import import run_foolbox
from tests.reliability.strange import (
    Batch,
    Blank,
    Clamps,
    ClampsCopy,
    Dropout,
    First,
    Later,
    Plain,
    Position,
    Scales,
    ScalesCopy,
    images,
)  # fmt: skip


def attacked(name, model, inputs):
    row = ATTACKS[name]
    return row.attack(model, inputs, **row.quick, **({"epsilon": 0.3} if row.takes("epsilon") else {}))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(("writes", "copies"), [(Clamps, ClampsCopy), (Scales, ScalesCopy)])
def test_a_model_that_writes_into_its_images_is_as_one_that_does_not(name, writes, copies):
    inputs = images()
    one, other = attacked(name, writes(), inputs), attacked(name, copies(), images())
    assert torch.equal(inputs, images())
    assert torch.equal(one.perturbed, other.perturbed)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("model", [Dropout, Batch, First, Position])
def test_every_attack_refuses_a_model_that_is_random_or_looks_at_the_others(name, model):
    with pytest.raises(UsageError, match=r"model must (be deterministic|return the same logits)"):
        attacked(name, model(), images())


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("call", [3, 8, 20, 60])
def test_no_success_is_claimed_of_a_model_that_changes_during_the_attack(name, call):
    model = Later(call)
    try:
        result = attacked(name, model, images())
    except UsageError:
        return
    # It changed after the last claim, if at all: what is claimed holds for the model as it was.
    assert model.calls <= call + 1
    assert bool((Plain()(result.perturbed).argmax(1) != result.labels)[result.success].all())


@pytest.mark.parametrize("model", [Dropout, Batch])
def test_analyses_that_search_nothing_refuse_it_too(model):
    inputs, labels = images(), torch.arange(12) % 4
    for measure in (
        lambda: layers(model(), inputs),
        lambda: strength_curve({"net": model()}, inputs, labels, strengths=[0.1]),
        lambda: transfer_matrix({"a": Plain(), "b": model()}, inputs, attack=ATTACKS["deepfool"].attack),
        lambda: run_foolbox("ddn", model(), inputs),
    ):
        with pytest.raises(UsageError, match=r"model must (be deterministic|return the same logits)"):
            measure()


def test_nan_is_no_class():
    inputs = images()
    blank = inputs[:, 0, 0, 0] < 0.5
    assert 0 < int(blank.sum()) < len(inputs)
    labels = torch.where(blank, 0, Plain()(inputs).argmax(1))
    assert accuracy(Blank(), inputs, labels) == float((~blank).double().mean())
    for name in ATTACKS:
        assert not bool(attacked(name, Blank(), inputs).success[blank].any()), name
    assert not bool(run_foolbox("ddn", Blank(), inputs).success[blank].any())
