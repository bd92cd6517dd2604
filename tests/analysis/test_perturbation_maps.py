"""Locations and overlap: hand-made sets of pixels, plain loops over images, what is refused."""

import dataclasses
import math

import pytest
import torch

from geomrob.analysis import perturbation_maps as module
from geomrob.analysis.perturbation_maps import locations, overlap
from geomrob.analysis.sparsity import sparsity
from geomrob.errors import UsageError
from geomrob.results import AttackResult, Sparsity, Status, equal, load, save
from tests.attacks.zoo import images, net
from tests.synthetic import provenance


def attacked(sets, *, shape=(2, 2, 5), success=None, labels=None, left=None, found=None, **facts):
    """Return an attack that changed these pixels of each image (numbers in reading order), in one channel or more."""
    channels, count = shape[0], len(sets)
    inputs = images(count, shape, seed=3) * 0.5
    perturbed = inputs.clone().flatten(2)
    for n, pixels in enumerate(sets):
        for rank, pixel in enumerate(pixels):
            perturbed[n, (n + rank) % channels :, pixel] += 0.25
    fooled = torch.tensor([True] * count if success is None else success)
    zeros = torch.zeros(count, dtype=torch.int64)
    classes = [torch.tensor([0] * count if given is None else given) for given in (labels, left, found)]
    status = torch.where(fooled, int(Status.FOUND), int(Status.STEP_LIMIT))
    result = AttackResult(inputs, classes[1], perturbed.view_as(inputs), fooled, status, zeros, zeros, zeros)
    seen = torch.where(fooled, classes[2], -1)
    given = {"model": "a", "data": "hand", "attack": "sparsefool", "options": {}, "classes": (), **facts}
    return Sparsity(
        **given,
        result=result,
        found=seen,
        stored=result,
        stored_found=seen,
        labels=classes[0],
        indices=torch.arange(count),
        random=torch.zeros(1, dtype=torch.float64),
        provenance=provenance(),
    )


def test_maps_are_shares_of_the_fooled_images_of_a_class(tmp_path):
    made = attacked(
        [[0, 3], [3], [9, 0], [1]],
        labels=[0, 0, 2, 0],
        left=[0, 1, 1, 0],
        found=[3, 3, 0, 1],
        success=[True, True, True, False],
    )
    by_label = locations(made)
    assert by_label.counts.tolist() == [2, 0, 1, 0]
    assert by_label.maps[0].flatten().tolist() == [0.5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert by_label.maps[2].flatten().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bool(torch.isnan(by_label.maps[[1, 3]]).all())
    assert by_label.classes == ("0", "1", "2", "3")
    assert (by_label.model, by_label.data, by_label.attack, by_label.by) == ("a", "hand", "sparsefool", "label")
    left = locations(made, by="left")
    assert left.counts.tolist() == [1, 2, 0, 0]
    assert left.maps[1].flatten().tolist() == [0.5, 0, 0, 0.5, 0, 0, 0, 0, 0, 0.5]
    found = locations(made, by="found")
    assert found.counts.tolist() == [1, 0, 0, 2]
    assert found.maps[3, 0].tolist() == [0.5, 0, 0, 1, 0]
    assert equal(load(save(found, tmp_path / "x")), found)


def test_every_class_with_a_name_has_a_map():
    made = attacked([[0], [1]], labels=[0, 1], classes=("cat", "dog", "bird"))
    found = locations(made)
    assert found.classes == ("cat", "dog", "bird")
    assert found.maps.shape == (3, 2, 5)
    assert found.counts.tolist() == [1, 1, 0]


def test_maps_are_those_of_a_plain_loop():
    made = sparsity(net((3, 8, 8)), images(20, (3, 8, 8)), labels=torch.arange(20) % 4)
    found = locations(made)
    for c in range(4):
        mine = [made.result.changed[n] for n in range(20) if made.labels[n] == c and made.result.success[n]]
        assert found.counts[c] == len(mine)
        torch.testing.assert_close(found.maps[c], torch.stack(mine).double().mean(0))


def test_overlap_of_hand_made_sets():
    one = attacked([[0, 1, 2], [4], [5, 6], [7], [8]], model="a", success=[True] * 4 + [False])
    other = attacked([[1, 2, 3, 4], [4], [7], [], [8]], model="b")
    found = overlap(one, other)
    nan = math.nan
    assert found.models == ("a", "b")
    assert (found.data, found.attack) == ("hand", "sparsefool")
    expected = {
        "union": [2 / 5, 1, 0, nan, nan],
        "smaller": [2 / 3, 1, 0, nan, nan],
        "expected": [4 / 10, 1 / 10, 2 / 10, nan, nan],
        # Against those of the other images that changed something: B1, B2, B4, with 1, 1 and 1 pixel, and B0 with 4.
        "elsewhere": [(0 + 0 + 0) / 3, (1 + 0 + 0) / 3, (0 + 0 + 0) / 3, nan, nan],
    }
    for name, values in expected.items():
        torch.testing.assert_close(getattr(found, name), torch.tensor(values, dtype=torch.float64), equal_nan=True)


def test_methods_that_differ_are_both_named():
    one, other = attacked([[0]]), attacked([[0]], attack="l1-deepfool")
    assert overlap(one, other).attack == "sparsefool and l1-deepfool"


def drawn(seed, count=40, size=60):
    """Return random sets of pixels, some empty, and which attacks are said to have failed."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(0, 9, (count,), generator=generator).tolist()
    sets = [torch.randperm(size, generator=generator)[:some].tolist() for some in sizes]
    return sets, (torch.rand(count, generator=generator) < 0.8).tolist()


@pytest.mark.parametrize("piece", [1 << 24, 100])
def test_elsewhere_is_exactly_the_mean_over_all_other_images(piece, monkeypatch):
    monkeypatch.setattr(module, "PIECE", piece)
    (a, ok_a), (b, ok_b) = drawn(0), drawn(1)
    found = overlap(*(attacked(s, shape=(1, 6, 10), success=ok) for s, ok in ((a, ok_a), (b, ok_b))))
    for i in range(40):
        here = ok_a[i] and ok_b[i] and a[i] and b[i]
        assert bool(torch.isnan(found.elsewhere[i])) == (not here)
        if here:
            shares = [
                len(set(a[i]) & set(b[j])) / min(len(a[i]), len(b[j])) for j in range(40) if j != i and ok_b[j] and b[j]
            ]
            assert float(found.elsewhere[i]) == pytest.approx(sum(shares) / len(shares), abs=1e-12)


def test_the_expected_overlap_is_the_mean_over_random_locations():
    generator = torch.Generator().manual_seed(0)
    one = [torch.randperm(10, generator=generator)[:3].tolist() for _ in range(4000)]
    other = [[0, 1, 2, 3, 4]] * 4000
    found = overlap(attacked(one), attacked(other))
    assert found.expected.tolist() == [0.5] * 4000
    assert float(found.smaller.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(found.elsewhere.mean()) == pytest.approx(0.5, abs=0.02)


def test_one_image_has_no_elsewhere():
    found = overlap(attacked([[0]]), attacked([[0, 1]]))
    assert found.union.tolist() == [0.5]
    assert bool(torch.isnan(found.elsewhere).all())


def test_a_model_agrees_with_itself():
    made = sparsity(net(), images(12))
    found = overlap(made, dataclasses.replace(made, model="again"))
    assert found.union.tolist() == found.smaller.tolist() == [1] * 12
    assert bool((found.elsewhere < 1).all())
    assert bool((found.elsewhere > 0).any())


def test_misuse_is_one_sentence():
    made = attacked([[0], [1]], labels=[0, 3])
    for change, sentence in (
        ({"by": "lable"}, "by must be one of label, left, found; got 'lable': did you mean label"),
        ({"classes": ("a", "b")}, "classes must name class 3 too; got 2 names: give all or none"),
    ):
        by = change.pop("by", "label")
        with pytest.raises(UsageError, match=sentence):
            locations(dataclasses.replace(made, **change), by=by)
    with pytest.raises(UsageError, match=r"same images; got 1 of hand and 2 of hand: attack the same images"):
        overlap(made, attacked([[0]]))
    moved = dataclasses.replace(made.result, inputs=made.result.inputs.flip(0))
    with pytest.raises(UsageError, match="same images; got 2 of hand and 2 of hand that differ: attack"):
        overlap(made, dataclasses.replace(made, result=moved))
