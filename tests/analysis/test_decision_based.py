"""Decision-based distances: the repeats are the attack with the seeds after the first; cost; what is refused."""

import pytest
import torch

from geomrob.analysis.decision_based import decision_distances
from geomrob.attacks.decision_based.boundary import boundary
from geomrob.errors import UsageError
from geomrob.results import equal
from tests.attacks.zoo import images, net


def test_repeats_are_the_walk_with_the_seeds_after_the_first():
    model, inputs, keys, told = net(), images(3), torch.tensor([4, 9, 2]), []
    found = decision_distances(
        model, inputs, budget=60, repeats=2, indices=keys, seed=5, progress=lambda *done: told.append(done)
    )
    for one, seed in zip(found.repeats, (5, 6), strict=True):
        assert equal(one, boundary(model, inputs, budget=60, seed=seed, indices=keys))
    assert not torch.equal(found.repeats[0].perturbed, found.repeats[1].perturbed)
    assert found.distances.tolist() == torch.cat([one.distances() for one in found.repeats]).tolist()
    assert torch.equal(found.labels, model(inputs).argmax(1))
    assert found.provenance.forwards == sum(int(one.forwards.sum()) for one in found.repeats)
    assert told == sorted(told)
    assert {(3, 6), (6, 6)} <= set(told)


def test_any_attack_may_be_passed():
    seeds = []

    def attack(model, inputs, *, seed):
        seeds.append(seed)
        return boundary(model, inputs, budget=40, seed=seed)

    found = decision_distances(net(), images(2), attack=attack, attack_name="mine", budget=40, repeats=3, seed=1)
    assert seeds == [1, 2, 3]
    assert (found.attack, found.title) == ("mine", "mine, 40 queries")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"repeats": 0}, "repeats must be at least 1, at most 1,000,000; got 0"),
        ({"attack": boundary, "memory": 1}, "memory must be left out with boundary"),
        ({"budget": 19}, "budget must be at least 20 queries; got 19"),
    ],
)
def test_misuse_is_one_sentence(change, sentence):
    with pytest.raises(UsageError, match=sentence):
        decision_distances(net(), images(2), **change)
