"""Tables by class are those of the images of each class alone."""

import dataclasses
import math

import pytest
import torch

from geomrob.analysis.by_class import by_class
from geomrob.errors import UsageError
from geomrob.results import CorruptionTable, StrengthCurve
from geomrob.results.intervals import median_interval, wilson
from tests.results.examples import strengths
from tests.synthetic import corruption_table, margin_curve


def test_medians_are_those_of_the_images_of_each_class():
    curve = margin_curve(bands=3)
    (found,) = by_class(curve, [f"class {number}" for number in range(10)])
    for k, name in enumerate(found.classes):
        chosen = curve.labels == int(name.removeprefix("class "))
        assert int(found.images[k]) == int(chosen.sum())
        ordered = curve.distances[:, chosen].sort(1).values
        middle = (ordered[:, (chosen.sum() - 1) // 2] + ordered[:, chosen.sum() // 2]) / 2
        assert torch.allclose(found.values[k, :, 0], middle.double())
        ends = median_interval(curve.distances[:, chosen])
        assert torch.equal(found.values[k, :, 1:].nan_to_num(-1), ends.nan_to_num(-1))
    assert int(found.images.sum()) == len(curve.labels)


def test_shares_are_those_of_the_images_of_each_class():
    correct = torch.rand(2, 1, 3, 2, 40, generator=torch.Generator().manual_seed(0)) > 0.3
    labels = torch.arange(40) % 4
    curve = strengths()
    curve = dataclasses.replace(
        curve, models=("a", "b"), strengths=torch.tensor([0.0, 0.5]), correct=correct, labels=labels, indices=labels
    )
    assert isinstance(curve, StrengthCurve)
    a, b = by_class(curve)
    assert (a.model, b.model, a.rows, a.classes) == ("a", "b", ("0", "0.5"), ("0", "1", "2", "3"))
    share = float(correct[1, 0, :, 1][:, labels == 2].double().mean())
    assert b.values[2, 1].tolist() == pytest.approx([share, *wilson(share, 10)])


def test_errors_without_images_have_no_classes():
    table = dataclasses.replace(corruption_table(), correct=None)
    assert isinstance(table, CorruptionTable)
    with pytest.raises(UsageError, match="result must hold whether each image is right"):
        by_class(table)
    assert math.isnan(wilson(math.nan, 1)[0])
