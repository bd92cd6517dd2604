"""Minimum norms: exact where a plane knows them, the best of all searches, failures infinite and counted."""

import math

import pytest
import torch

from geomrob.analysis.minimum_norms import NORMS, SEARCHES, minimum_norms
from geomrob.attacks.minimal.deepfool import deepfool
from geomrob.attacks.minimal.tight import tight
from geomrob.errors import UsageError
from tests.attacks.zoo import Flat, images, net
from tests.oracles import LinearModel

BOX = {"bounds": (0.0, 1.0)}


def middle(count=6):
    """Return images far from black and white, so that the box is in nobody's way."""
    return 0.3 + 0.4 * images(count, dtype=torch.float64)


def test_a_plane_has_its_dual_norms():
    model, inputs = LinearModel(classes=3), middle()
    found = minimum_norms({"plane": model}, inputs, norms=["l2", "linf"])
    for column, p in ((0, 2), (1, math.inf)):
        torch.testing.assert_close(found.values[0, column], model.margins(inputs, p=p), rtol=1e-4, atol=0)
    one = minimum_norms({"plane": model}, inputs, norms=["l1"]).values[0, 0]
    assert (one >= model.margins(inputs, p=1) * (1 - 1e-6)).all()


def test_each_norm_is_the_smallest_of_all_searches():
    model, inputs = net(), images(6)
    found = minimum_norms({"net": model}, inputs)
    assert (found.norms, found.attacks) == (tuple(NORMS), tuple(SEARCHES))
    one = {name: minimum_norms({"net": model}, inputs, searches={name: SEARCHES[name]}) for name in found.attacks}
    every = torch.stack([one[name].values[0] for name in found.attacks])
    assert torch.equal(found.values[0], every.amin(0))
    assert torch.equal(every.gather(0, found.by)[0], found.values[0])
    assert len(found.by.unique()) > 2
    pixels, elements, l1, l2, linf = found.values[0]
    assert (pixels <= elements).all()
    assert (linf <= l2).all()
    assert (l2 <= l1).all()
    assert (found.provenance.forwards > 0, found.provenance.backwards > 0) == (True, True)


def test_shortened_perturbations_are_no_longer_than_the_attacks():
    model, inputs = net(), images(6)
    found = minimum_norms({"net": model}, inputs, searches={"tight": lambda *a: tight(*a, **BOX)}, norms=["l2"])
    assert (found.values[0, 0] <= tight(model, inputs, **BOX).distances().double()).all()


def test_failures_are_infinite_counted_and_left_out_of_means_alone():
    def half(model, inputs, labels):
        found = deepfool(model, inputs, labels, **BOX)
        lost = torch.arange(len(inputs)) % 2 == 0
        return type(found)(
            **{**vars(found), "success": found.success & ~lost, "status": torch.where(lost, 1, found.status)}
        )

    found = minimum_norms({"net": net(), "flat": Flat(net())}, images(6), norms=["l2"], searches={"half": half})
    assert found.failures.tolist() == [[3], [6]]
    assert torch.isinf(found.values[0, 0, ::2]).all()
    assert float(found.mean[0, 0]) == pytest.approx(float(found.values[0, 0, 1::2].mean()))
    assert torch.isinf(found.median).all()
    assert torch.isnan(found.mean[1, 0])
    assert found.by[0, 0].tolist() == [-1, 0] * 3


def test_leaving_the_true_class_counts_what_is_wrong_as_zero():
    model, inputs = net(), images(6)
    labels = model(inputs).argmax(1)
    labels[:2] = (labels[:2] + 1) % 4
    how = {"norms": ["l2", "pixels"], "searches": {"tight": SEARCHES["tight"]}}
    true = minimum_norms({"net": model}, inputs, labels, leave="true", **how)
    seen = minimum_norms({"net": model}, inputs, labels, **how)
    assert (true.values[0, :, :2] == 0).all()
    assert (seen.values[0] > 0).all()
    assert torch.equal(true.values[0, :, 2:], seen.values[0, :, 2:])
    assert true.accuracy.tolist() == seen.accuracy.tolist() == pytest.approx([4 / 6])
    assert (true.left, seen.left) == ("true", "predicted")


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="models, searches and norms must hold one at least; got 0, 5, 5"):
        minimum_norms({}, images(2))
    with pytest.raises(UsageError, match="norms must be one of pixels, elements, l1, l2, linf; got 'l0'"):
        minimum_norms({"net": net()}, images(2), norms=["l0"])
    with pytest.raises(UsageError, match="leave must be one of predicted, true; got 'label'"):
        minimum_norms({"net": net()}, images(2), leave="label")
    with pytest.raises(UsageError, match="labels must be given to leave the true class"):
        minimum_norms({"net": net()}, images(2), leave="true")
