"""What the picture of distances from decisions alone contains: shares, medians, failures."""

import math

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.decision_based import plot_decision_distances
from geomrob.plot.style import blank
from geomrob.results import AttackResult, DecisionDistances, Status
from tests.synthetic import provenance


def result(*lengths):
    """Return an attack that moved one element of each image by these lengths, and failed where one is infinite."""
    moved = torch.tensor([length if math.isfinite(length) else 0.0 for length in lengths])
    inputs = torch.zeros(len(lengths), 1, 4, 4)
    perturbed = inputs.clone()
    perturbed[:, 0, 0, 0] = moved
    success = torch.tensor([math.isfinite(length) for length in lengths])
    status = torch.where(success, int(Status.FOUND), int(Status.NO_START))
    counts = torch.ones(len(lengths), dtype=torch.int64)
    return AttackResult(inputs, counts, perturbed, success, status, counts, counts, counts)


def distances(model, *repeats, **facts):
    """Return the repeats as the result of a model."""
    images = torch.arange(len(repeats[0].labels))
    given = {"data": "clothes", "attack": "boundary", "budget": 500, "seed": 0, "labels": images, "indices": images}
    return DecisionDistances(model=model, repeats=repeats, provenance=provenance(), **(given | facts))


def words(ax):
    return " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)]).replace("\n", " ")


def test_curves_are_the_shares_within_each_distance():
    ax = plot_decision_distances([distances("net", result(0.5, 0.25, 1.0, 2.0))])
    steps, mark = ax.lines
    np.testing.assert_allclose(steps.get_xdata()[1:-1], [0.25, 0.5, 1, 2])
    np.testing.assert_allclose(steps.get_ydata(), [0, 0.25, 0.5, 0.75, 1, 1])
    assert mark.get_xydata().tolist() == [[0.75, 0.5]]
    assert "4 images of clothes; boundary attack, 500 queries." in words(ax)
    assert ax.get_xscale() == "log"
    assert "\\ell_2" in ax.get_xlabel()


def test_failures_are_infinitely_far():
    firm = distances("firm", result(0.5, math.inf), result(math.inf, math.inf))
    ax = plot_decision_distances([distances("net", result(0.5, 0.25, math.inf)), firm])
    one, _, other = ax.lines
    assert float(one.get_ydata()[-1]) == pytest.approx(2 / 3)
    assert float(other.get_ydata()[-1]) == 0.25
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["net (median 0.50)", "firm (median infinite)"]
    assert "2 repeats each" in words(ax)
    assert ax.get_ylabel().startswith("image x repeat pairs whose")


def test_the_text_ends_within_the_figure():
    one = distances("net", result(0.5, 1.0), result(0.5, 1.0), result(1.0, 1.0), data="a-data-set-of-a-long-name")
    ax = plot_decision_distances([one])
    ax.figure.canvas.draw()
    for text in ax.texts:
        assert text.get_window_extent().x1 <= ax.figure.bbox.x1


def test_nothing_found_is_refused():
    with pytest.raises(UsageError, match="results must hold a finite distance"):
        plot_decision_distances([distances("net", result(math.inf))])


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match=r"results must be of one attack, budget and data set; got .*200.* and .*500"):
        plot_decision_distances([distances("net", result(1.0)), distances("firm", result(1.0), budget=200)])


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    ax = blank().add_subplot()
    assert plot_decision_distances([distances("net", result(1.0))], ax=ax) is ax
    assert plt.get_fignums() == []
