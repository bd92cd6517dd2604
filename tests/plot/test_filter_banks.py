"""What the pictures of filters contain: every strength with its sign, every spectrum, what has no inhibition."""

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.filter_banks import plot_inhibition, plot_kernels
from geomrob.plot.style import blank
from tests.synthetic import filter_bank


def words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_every_filter_is_a_mark_and_the_outline_sums_to_one():
    strengths = torch.tensor([-0.4, -0.1, 0.0, 0.0, 0.3, 1.2], dtype=torch.float64)
    ax = plot_inhibition(filter_bank(inhibition=strengths))
    marks = next(line for line in ax.lines if len(line.get_xdata()) == 6)
    assert sorted(marks.get_xdata().tolist()) == sorted(strengths.tolist())
    outline = ax.patches[0].get_data()
    assert outline.values.sum() == pytest.approx(1)
    # Zero is an edge, so that the bars left of it are the negative strengths.
    assert np.isclose(outline.edges, 0).any()
    assert outline.values[outline.edges[1:] <= 1e-12].sum() == pytest.approx(2 / 6)
    assert "6 filters, mean 0.17, sd 0.51, 33% negative" in words(ax)[0]


def test_a_fixed_strength_is_a_line_and_a_convolution_is_named():
    fixed = filter_bank("fixed", inhibition=torch.full((4,), 0.5), trained=False)
    plain = filter_bank("plain", inhibition=torch.zeros(0), kind="convolution")
    ax = plot_inhibition([filter_bank("trained"), fixed, plain])
    assert [name.split(":")[0] for name in words(ax)] == ["trained", "fixed"]
    assert words(ax)[1] == "fixed: fixed at 0.5"
    assert any(set(np.atleast_1d(line.get_xdata())) == {0.5} for line in ax.lines)
    assert "No inhibition, a plain convolution: plain." in "".join(text.get_text() for text in ax.texts).replace(
        "\n", " "
    )


def test_layers_of_one_model_are_told_apart():
    ax = plot_inhibition([filter_bank(layer="stem"), filter_bank(layer="second")])
    assert ["stem" in name for name in words(ax)] == [True, False]


@pytest.mark.parametrize("strengths", [[0.0, 0.0], [2.0], [-1e-9, 1e9], [-3.0, -2.0]])
def test_no_strength_falls_out_of_the_picture(strengths):
    values = torch.tensor(strengths, dtype=torch.float64)
    ax = plot_inhibition(filter_bank(inhibition=values), ax=blank().add_subplot())
    low, high = ax.get_xlim()
    assert low <= min(*strengths, 0)
    assert high >= max(*strengths, 0)
    outlines = [patch.get_data().values.sum() for patch in ax.patches]
    assert outlines == pytest.approx([1] * len(outlines))


def test_without_any_inhibition_there_is_nothing_to_draw():
    with pytest.raises(UsageError, match="must hold a push-pull layer"):
        plot_inhibition(filter_bank(inhibition=torch.zeros(0)))
    with pytest.raises(UsageError, match="at least one"):
        plot_kernels([])


def test_each_row_is_a_layer_plain_convolutions_last():
    push, plain = filter_bank("push"), filter_bank("plain", inhibition=torch.zeros(0), spectra=1)
    figure = plot_kernels([plain, push])
    titles = [ax.get_title() for ax in figure.axes if ax.images]
    assert [title.split("\n")[0] for title in titles] == ["push"] * 3 + ["plain"]
    assert [title.split("\n")[1] for title in titles[:3]] == ["push filters", "pull filters", "push-pull"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), push.spectra[0].values)
