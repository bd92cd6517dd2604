"""The numbers that decide which shapes of margin curves survive, on curves made by hand."""

import pytest

from experiments.margin_shapes import METHODS, compare, holds, ratio

CURVES = {
    ("standard", "deepfool"): [1.0, 2.0, 10.0],
    ("standard", "tight"): [1.0, 2.0, 4.0],
    ("random", "deepfool"): [2.0, 2.5, 2.0],
    ("random", "tight"): [1.0, 1.0, 2.0],
    ("low-pass", "deepfool"): [1.0, 2.0, 20.0],
    ("low-pass", "tight"): [1.0, 2.0, 4.0],
    ("adversarial", "deepfool"): [2.0, 4.0, 60.0],
    ("adversarial", "tight"): [2.0, 4.0, 6.0],
}


@pytest.fixture
def page():
    curves = [{"data": "mnist", "kind": kind, "method": way, "median": m} for (kind, way), m in CURVES.items()]
    return {"curves": curves, "accuracies": {}}


@pytest.mark.parametrize(
    ("shape", "values", "good"),
    [
        ("MNIST rises (4.3a)", (10, 4), (True, True)),
        ("MNIST random is flat (4.4)", (1.25, 2), (True, False)),
        ("MNIST low-pass raises the highest band", (2, 1), (True, False)),
        ("MNIST adversarial raises the lowest band (4.11)", (2, 2), (True, True)),
        ("MNIST adversarial raises the highest band most (4.11)", (3, 0.75), (True, False)),
        ("CIFAR-10 is more uniform (4.3b)", (None, None), (None, None)),
        ("MNIST flipped falls (4.3d)", (None, None), (None, None)),
    ],
)
def test_a_shape_is_a_ratio_of_medians_within_bounds(page, shape, values, good):
    assert tuple(ratio(page, shape, method) for method in METHODS) == values
    assert tuple(holds(page, shape, method) for method in METHODS) == good


def test_what_survives_is_said(page):
    verdicts = {row.what: row.verdict for row in compare(page)}
    assert verdicts["MNIST rises (4.3a)"] == "survives"
    assert verdicts["MNIST random is flat (4.4)"] == "DeepFool's alone"
    assert "MNIST flipped falls (4.3d)" not in verdicts
