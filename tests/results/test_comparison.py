"""The sentences and tables of a comparison: said as they are meant, in all that can be seen and not seen."""

import math

import pytest
import torch

from geomrob.results.comparison.statement import amount, statements
from tests.synthetic import comparison_result


def accuracies(difference, corrected, direction, rows=("clean images", "all corruptions", "fog", "snow")):
    """Return a comparison of accuracies of two models, whose pooled rows are the first two."""
    count = len(rows)
    return comparison_result(
        models=("net", "hah"),
        measure="accuracy",
        row="corruption",
        rows=rows,
        quantity="accuracy",
        values=torch.full((2, 1, count), 0.5, dtype=torch.float64),
        ratio=torch.full((1, 1, count, 3), math.nan, dtype=torch.float64),
        difference=torch.tensor(difference, dtype=torch.float64)[None, None],
        p=torch.tensor(corrected, dtype=torch.float64)[None, None],
        corrected=torch.tensor(corrected, dtype=torch.float64)[None, None],
        direction=torch.tensor(direction)[None, None],
        not_found=torch.zeros(1, 1, count, 3, dtype=torch.int64),
    )


def test_a_difference_is_said_with_its_interval_and_where_none_is_seen_in_how_many_images():
    said, lost = statements(comparison_result())
    assert said == (
        "hah's boundary is 1.3 x [1.2, 1.4] as far as net's in high frequencies (5-9 cycles/image); "
        "in low frequencies (2-4 cycles/image) no difference is seen in 200 images (1.02 x [0.95, 1.08]). "
        "Of 2 bands hah is farther in 1 and nearer in 0; in 1 no difference is seen."
    )
    assert lost.startswith(
        "far's boundary is farther than net's for most images in high frequencies (5-9 cycles/image) (p = 1e-09; "
        "both medians are infinite); in low frequencies"
    )


def test_where_nothing_is_seen_the_models_are_named():
    nothing = torch.ones(2, 1, 4, dtype=torch.float64)
    (said, _) = statements(comparison_result(corrected=nothing))
    assert said.startswith(
        "In low frequencies (2-4 cycles/image) and high frequencies (5-9 cycles/image) no difference "
        "between hah and net is seen in 200 images."
    )


def test_a_test_that_sees_what_the_medians_do_not_is_said_with_both():
    none = [1.02, 0.95, 1.08]
    ratio = torch.tensor([none] * 8, dtype=torch.float64).reshape(2, 1, 4, 3)
    (said, _) = statements(comparison_result(ratio=ratio))
    assert said.startswith(
        "hah's boundary is farther than net's for most images in high frequencies (5-9 cycles/image) (p = 1e-06; the "
        "medians' ratio is 1.02 [0.95, 1.08]);"
    )


def test_accuracies_are_said_in_points():
    rows = [[-0.031, -0.052, -0.010], [0.121, 0.10, 0.14], [0.01, -0.01, 0.02], [0.2, 0.1, 0.3]]
    (said,) = statements(accuracies(rows, [0.01, 1e-4, 1.0, 1e-5], [-1, 1, 1, 1]))
    assert said == (
        "hah's accuracy is 3.1 [1.0, 5.2] points below net's on clean images; "
        "hah's accuracy is 12.1 [10.0, 14.0] points above net's under all corruptions. "
        "Of 2 corruptions hah is better in 1 and worse in 0; in 1 no difference is seen."
    )
    (said,) = statements(accuracies(rows, [1.0, 1e-4, 1.0, 1e-5], [-1, 1, 1, 1]))
    assert "; on clean images no difference is seen in 200 images (-3.1 [-5.2, -1.0] points)." in said


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        ((1.304, 1.21, 1.41), "1.3 [1.2, 1.4]"),
        ((1.3041, 1.2914, 1.3169), "1.30 [1.29, 1.32]"),
        ((12.3, 8.9, 17.1), "12.3 [8.9, 17.1]"),
        ((0.8, 0.0, math.inf), "0.80 [0.00, inf]"),
        ((1.5, math.nan, math.nan), "1.50"),
    ],
)
def test_an_estimate_has_as_many_decimals_as_its_interval_is_known_to(estimate, said):
    assert amount(estimate) == said


def test_the_table_has_the_interval_and_what_is_seen():
    first, other = comparison_result().tables()
    assert first.cells()[1] == ["high frequencies", "1.000", "1.304", "1.30 [1.21, 1.41]", "1.0e-06", "higher"]
    assert first.cells()[0][-1] == "none"
    assert other.cells()[1][2:4] == ["inf", "-"]


def test_pairs_that_were_not_found_and_what_intervals_mean_are_caveats():
    meaning, lost, _ = comparison_result().caveats()
    assert "another training may differ more" in meaning
    assert "Wilcoxon's signed-rank test, corrected by Holm over 8 tests" in meaning
    assert "in 120 for hah alone, in 0 for both, of 400" in lost
