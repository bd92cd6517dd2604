"""What the picture of layers contains: each model's numbers, the names of the layers, how it was measured."""

import numpy as np
import pytest

from geomrob.errors import UsageError
from geomrob.plot.layers import plot_layers
from tests.synthetic import layers_result


def told(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_lines_are_sparsity_and_signal_to_noise_ratio():
    one, other = layers_result(), layers_result(model="hah", level=0.2)
    figure = plot_layers([one, other])
    left, right = figure.axes
    for ax, numbers in ((left, lambda m: m.hoyer), (right, lambda m: m.snr_db())):
        for line, model in zip(ax.lines, (one, other), strict=True):
            np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
            np.testing.assert_allclose(line.get_ydata(), numbers(model))
        assert [label.get_text() for label in ax.get_xticklabels()] == ["conv1", "conv2", "fc"]
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["net (75.0% correct)", "hah (75.0% correct)"]
    assert left.get_legend() is None, "one is enough"
    assert len({line.get_linestyle() for line in left.lines}) == 2
    assert "4 images of dark, input of each layer" in told(figure)
    assert "not cut" in told(figure)
    assert "(dB)" in right.get_ylabel()


def test_the_average_is_named_and_layers_of_several_networks_are_numbered():
    figure = plot_layers([layers_result(), layers_result(names=("a", "b", "c"))], how="median")
    assert "median of the images' ratios" in told(figure)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2", "3"]
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), layers_result().snr_db("median"))


def test_models_that_were_measured_differently_are_refused():
    for wrong in ([], [layers_result(), layers_result(sigma=0.2)], [layers_result(), layers_result(at="output")]):
        with pytest.raises(UsageError, match=f"measured alike .* got {len(wrong)}"):
            plot_layers(wrong)
