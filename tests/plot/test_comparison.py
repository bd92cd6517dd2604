"""The forest plot of a comparison, by the data of its artists."""

import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.comparison.forest import plot_comparison
from tests.synthetic import comparison_result


def lines(ax, count):
    return [line for line in ax.lines if len(line.get_xdata()) == count]


def test_each_row_has_its_estimate_on_its_interval_and_is_filled_where_a_difference_is_seen():
    result = comparison_result()
    ax = plot_comparison(result)
    assert [label.get_text().partition("\n")[0] for label in ax.get_yticklabels()] == [
        "low frequencies", "high frequencies", "0-7 (3 cycles/image)", "8-15 (7 cycles/image)",
    ]  # fmt: skip
    marks = [line for line in lines(ax, 1) if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx(result.ratio[0, 0, :, 0].tolist())
    assert [line.get_markerfacecolor() != "white" for line in marks] == [False, True, False, True]
    bars = [list(line.get_xdata()) for line in lines(ax, 2) if line.get_color() == marks[0].get_color()]
    assert torch.allclose(torch.tensor(bars).double(), result.ratio[0, 0, :, 1:])


def test_no_difference_is_a_line_and_models_and_units_are_named():
    ax = plot_comparison(comparison_result())
    assert any(list(line.get_xdata()) == [1.0, 1.0] for line in ax.lines)
    assert ax.get_xlabel() == "ratio of medians to\nnet (no unit)"
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["hah against net", "far against net"]
    assert [text.get_text() for text in ax.texts].count("no finite median") == 2


def test_accuracies_are_drawn_in_points_around_zero():
    ax = plot_comparison(comparison_result(measure="accuracy", quantity="accuracy", row="corruption"))
    assert any(list(line.get_xdata()) == [0.0, 0.0] for line in ax.lines)
    assert ax.get_xlabel() == "accuracy minus net's\n(percentage points)"
    (mark, *_) = [line for line in lines(ax, 1) if line.get_marker() == "o"]
    assert mark.get_xdata()[0] == pytest.approx(2.0)


def test_an_interval_without_end_has_an_arrowhead():
    ratio = torch.tensor([1.2, 1.1, torch.inf], dtype=torch.float64).expand(2, 1, 4, 3)
    ax = plot_comparison(comparison_result(ratio=ratio))
    assert len([line for line in lines(ax, 1) if line.get_marker() == ">"]) == 8


def test_a_group_that_is_none_is_refused():
    with pytest.raises(UsageError, match="group must be one of all; got 'shirt'"):
        plot_comparison(comparison_result(), group="shirt")
