"""What the picture of minimum norms contains: means, medians, what was not found."""

import numpy as np

from geomrob.plot.minimum_norms import plot_norms
from tests.synthetic import norms_result


def test_bars_are_means_and_marks_medians():
    found = norms_result()
    figure = plot_norms(found)
    assert len(figure.axes) == 2
    for column, ax in enumerate(figure.axes):
        np.testing.assert_allclose([bar.get_height() for bar in ax.patches], found.mean[:, column])
        marks = [line for line in ax.lines if line.get_marker() == "o"]
        np.testing.assert_allclose([mark.get_ydata()[0] for mark in marks], found.median[:1, column])
        assert [label.get_text() for label in ax.get_xticklabels()] == ["net", "hah"]
        assert {bar.get_hatch() for bar in ax.patches} == {"", "//"}
    assert [ax.get_ylabel() for ax in figure.axes] == ["changed pixels", "$\\ell_2$ norm (pixel units)"]


def test_failures_are_written_and_an_infinite_median_stands_on_the_edge():
    figure = plot_norms(norms_result())
    for ax in figure.axes:
        assert [text.get_text().split("\n")[1:] for text in ax.texts] == [[], ["3 not found"]]
        (edge,) = (line for line in ax.lines if line.get_marker() == "^")
        assert edge.get_ydata()[0] == ax.get_ylim()[1]
    words = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "4 images of dark" in words
    assert "mean over the images where one was found" in words
