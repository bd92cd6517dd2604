"""Export to 8 bits: levels, the box, what is lost and what rounding away from the original saves."""

import dataclasses

import pytest
import torch

from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.quantization import eight_bit
from geomrob.errors import UsageError
from geomrob.inference import is_adversarial
from geomrob.results import AttackResult, Status, equal
from tests.attacks.zoo import Greedy, NaNFor, images, net


class Threshold(torch.nn.Module):
    """Class 1 where the first element is above `edge` levels."""

    def __init__(self, edge):
        super().__init__()
        self.edge = edge / 255

    def forward(self, inputs):
        first = inputs.flatten(1)[:, 0] - self.edge
        return torch.stack((torch.zeros_like(first), first), 1)


def result(before, after, labels=None, success=None):
    """Return a result of images of one row of elements, given in levels."""
    before, after = (torch.tensor(rows, dtype=torch.float64)[:, None, None] / 255 for rows in (before, after))
    count = len(before)
    zeros = torch.zeros(count, dtype=torch.int64)
    success = torch.ones(count, dtype=torch.bool) if success is None else torch.tensor(success)
    status = torch.where(success, int(Status.FOUND), int(Status.INFEASIBLE))
    labels = zeros if labels is None else torch.tensor(labels)
    return AttackResult(before, labels, after, success, status, zeros, zeros + 5, zeros + 3)


def levels(of):
    return (of * 255).flatten(1).tolist()


def test_nearest_is_kept_where_it_fools():
    stored = eight_bit(Threshold(20.2), result([[10.0, 7.0]], [[20.8, 7.0]]))
    assert levels(stored.perturbed) == [[21, 7]]
    assert (stored.success.tolist(), stored.forwards.tolist(), stored.backwards.tolist()) == ([True], [6], [3])


def test_what_nearest_loses_is_rounded_away_from_the_original():
    stored = eight_bit(
        Threshold(20.2), result([[10.0, 7.0, 5.0], [10.0, 7.0, 5.0]], [[20.3, 6.6, 5.0], [21.0, 6.6, 5.0]])
    )
    # The second element goes away from the original too, down; the third, not changed, stays.
    assert levels(stored.perturbed) == [[21, 6, 5], [21, 7, 5]]
    assert stored.success.tolist() == [True, True]
    assert stored.forwards.tolist() == [7, 6]


def test_from_above_away_is_down():
    stored = eight_bit(Threshold(19.8), result([[30.0]], [[19.7]], labels=[1]))
    assert levels(stored.perturbed) == [[19]]
    assert stored.success.tolist() == [True]


def test_what_neither_saves_is_a_failure_on_the_nearest_levels():
    # 0.3 of a level is all the box leaves: its highest level, 20, does not reach.
    lost = eight_bit(Threshold(20.2), result([[10.0]], [[20.3]]), radius=10.3 / 255)
    assert levels(lost.perturbed) == [[20]]
    assert (lost.success.tolist(), lost.status.tolist()) == ([False], [Status.STEP_LIMIT])
    assert lost.forwards.tolist() == [7]
    assert lost.pixels.tolist() == [torch.inf]


def test_failures_stay_as_they_were():
    kept = eight_bit(Threshold(20.2), result([[10.0]], [[25.0]], success=[False]))
    assert (kept.success.tolist(), kept.status.tolist(), kept.forwards.tolist()) == ([False], [Status.INFEASIBLE], [5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_levels_come_back_to_the_bit(dtype):
    one = torch.arange(256).to(dtype).reshape(1, 1, 16, 16) / 255
    zero = torch.zeros(1, dtype=torch.int64)
    found = AttackResult(one.flip(2), zero, one, zero == 0, zero, zero, zero, zero)
    stored = eight_bit(Threshold(-1), found, radius=1.0)
    assert torch.equal(stored.perturbed, one)
    assert torch.equal(stored.inputs, one.flip(2))
    noisy = dataclasses.replace(found, perturbed=(one + 0.4 / 255 * torch.sin(one * 1000)).clamp(0, 1))
    assert torch.equal(eight_bit(Threshold(-1), noisy).perturbed, one)


@pytest.mark.parametrize("levels", [10, 10.6])
@pytest.mark.parametrize("attack", [sparsefool, deepfool])
def test_no_element_leaves_its_box(attack, levels):
    model, inputs = net((3, 8, 8)), (images(40, (3, 8, 8)) * 255).round() / 255
    stored = eight_bit(model, attack(model, inputs), radius=levels / 255)
    assert torch.equal(stored.inputs, inputs)
    assert float((stored.perturbation * 255).abs().max()) <= 10 + 1e-3
    assert bool(((stored.perturbed >= 0) & (stored.perturbed <= 1)).all())
    assert torch.equal((stored.perturbed * 255).round() / 255, stored.perturbed)
    assert bool((model(stored.perturbed[stored.success]).argmax(1) != stored.labels[stored.success]).all())


def test_what_survives_is_what_fools_when_read_back():
    model, inputs = net(), (images(60) * 255).round() / 255
    found = deepfool(model, inputs, bounds=(0.0, 1.0))
    stored = eight_bit(model, found)
    file = (stored.perturbed * 255).round().to(torch.uint8)
    seen = model(file.float() / 255).argmax(1)
    assert torch.equal(stored.success, found.success & (seen != found.labels))
    plain = model((found.perturbed * 255).round() / 255).argmax(1) != found.labels
    assert int(plain.sum()) < int(stored.success.sum())
    assert bool((stored.forwards[~plain] == found.forwards[~plain] + 2).all())


def test_targets_must_still_be_reached_where_they_are_given():
    class Bands(torch.nn.Module):
        """Class 0 up to 20.1 levels, class 1 from there to 20.4, class 2 beyond."""

        def forward(self, inputs):
            first = inputs.flatten(1)[:, 0] * 255
            return torch.stack((20.1 - first, 0.15 - (first - 20.25).abs(), first - 20.4), 1)

    found = result([[10.0]], [[20.2]])
    assert eight_bit(Bands(), found).success.tolist() == [True]
    assert eight_bit(Bands(), found, targets=torch.tensor([1])).success.tolist() == [False]
    assert eight_bit(Bands(), found, targets=torch.tensor([2])).success.tolist() == [True]


@pytest.mark.parametrize("size", [1, 7])
def test_the_answer_does_not_depend_on_the_batch(size):
    model, inputs = net(), images(20)
    found = deepfool(model, inputs)
    whole = eight_bit(model, found)
    names = [field.name for field in dataclasses.fields(found)]
    for rows in torch.randperm(20, generator=torch.Generator().manual_seed(0)).split(size):
        part = eight_bit(model, AttackResult(*(getattr(found, name)[rows] for name in names)))
        assert equal(part, AttackResult(*(getattr(whole, name)[rows] for name in names)))


def test_is_adversarial_splits_and_halves_without_loss():
    inputs = images(150)
    labels = net()(inputs).argmax(1)
    labels[::3] = (labels[::3] + 1) % 4
    expected = torch.arange(150) % 3 == 0
    assert torch.equal(is_adversarial(net(), inputs, labels), expected)
    assert torch.equal(is_adversarial(net(), inputs, labels, memory=1), expected)
    assert torch.equal(is_adversarial(Greedy(net(), 5, torch.OutOfMemoryError("full")), inputs, labels), expected)
    assert is_adversarial(net(), inputs[:0], labels[:0]).tolist() == []


def test_nan_logits_are_not_adversarial():
    found = sparsefool(net(), images(5))
    stored = eight_bit(NaNFor(net(), -1), found)
    assert stored.success.tolist() == [False] * 5
    assert stored.status.tolist() == [Status.STEP_LIMIT] * 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"radius": 0.0}, "radius must be above 0"),
        ({"bounds": (0.5, 1.0)}, "inputs must lie in bounds"),
        ({"bounds": (1.0, 0.0)}, "bounds must have low <= high"),
        ({"targets": torch.tensor([1, 1, 1])}, r"targets must be shaped \(1,\); got \(3,\): give one"),
        ({"targets": torch.tensor([7])}, "targets must be classes from 0 to 1; got 7"),
    ],
)
def test_misuse_is_one_sentence(change, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        eight_bit(Threshold(20.2), result([[10.0]], [[20.8]]), **change)
    assert "\n" not in str(caught.value)
