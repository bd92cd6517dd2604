"""What the margin pictures contain: the numbers, the units, and what was not found."""

import dataclasses
import io
import math
import re

import numpy as np
import pytest
import torch
from matplotlib import rc_context

from geomrob.errors import UsageError
from geomrob.plot.margins import norm_name, plot_margin_map, plot_margins
from geomrob.plot.style import STYLES, blank
from tests.synthetic import margin_curve


def without_frequencies(curve, basis="random"):
    nothing = torch.full_like(curve.frequency, torch.nan)
    return dataclasses.replace(
        curve, basis=basis, frequency=nothing, frequencies=nothing.unsqueeze(1).repeat(1, 2), model="other"
    )


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_line_is_the_median_over_frequency():
    curve = margin_curve()
    ax = plot_margins(curve)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata(), curve.frequency)
    np.testing.assert_allclose(line.get_ydata(), curve.quantiles(0.5)[:, 0])


def test_bands_are_drawn_in_the_order_of_frequency():
    curve = margin_curve(bands=4)
    shuffled = dataclasses.replace(
        curve,
        frequency=curve.frequency[[2, 0, 3, 1]],
        distances=curve.distances[[2, 0, 3, 1]],
        bands=tuple(curve.bands[i] for i in (2, 0, 3, 1)),
    )
    np.testing.assert_array_equal(
        plot_margins(shuffled).lines[0].get_xydata(), plot_margins(curve).lines[0].get_xydata()
    )


def test_shade_spans_5_to_95_percent():
    curve = margin_curve()
    shade = plot_margins(curve).collections[0].get_paths()[0].vertices
    lower, upper = curve.quantiles(0.05, 0.95).T
    for x, low, high in zip(curve.frequency, lower, upper, strict=True):
        heights = shade[np.isclose(shade[:, 0], float(x)), 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])


def test_every_image_is_a_point_inside_the_picture():
    curve = margin_curve(bands=3, images=20)
    ax = plot_margins(curve)
    points = ax.collections[-1].get_offsets()
    np.testing.assert_allclose(sorted(points[:, 1]), sorted(curve.distances.flatten()))
    low, high = ax.get_ylim()
    assert low < points[:, 1].min() < points[:, 1].max() < high
    assert len(plot_margins(curve, points=False).collections) == 1


def test_jitter_is_the_same_every_time_and_never_crosses_bands():
    curve = margin_curve()
    one, two = (np.asarray(plot_margins(curve).collections[-1].get_offsets()) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    offset = np.abs(one[:, 0].reshape(len(curve.bands), -1) - curve.frequency.numpy()[:, None])
    assert offset.max() < np.diff(curve.frequency.numpy()).min() / 2


def test_axes_say_what_and_in_which_units():
    ax = plot_margins(margin_curve())
    assert ax.get_xlabel() == "frequency of the band (cycles per image)"
    assert "distance to the\ndecision boundary ([0, 1] pixel units)" in ax.get_ylabel()
    assert "ell_2" in ax.get_ylabel()
    assert "decision" in ax.get_title(loc="left")
    assert "50 images of fashion-mnist-1k" in texts(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fmnist-lenet (90.0% correct)"]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_missing_margins_are_marked_and_counted(scale):
    curve = margin_curve(missing=30)
    ax = plot_margins(curve, scale=scale)
    assert "30 of 1050 margins not found" in ax.get_legend().get_texts()[0].get_text()
    assert math.isnan(ax.lines[0].get_ydata()[-1])
    triangles = ax.collections[1].get_offsets()
    np.testing.assert_allclose(triangles, [[float(curve.frequency[-1]), ax.get_ylim()[1]]])


def test_several_curves_are_told_apart_without_colour():
    curves = [margin_curve(), margin_curve(model="fmnist-resnet8"), margin_curve(attack="deepfool")]
    ax = plot_margins(curves)
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == [
        "fmnist-lenet, tight (90.0% correct)",
        "fmnist-resnet8, tight (90.0% correct)",
        "fmnist-lenet, deepfool (90.0% correct)",
    ]
    medians = [line for line in ax.lines if line.get_marker() != "None"]
    assert len({(str(line.get_linestyle()), line.get_marker()) for line in medians}) == 3
    assert len({str(line.get_linestyle()) for line in ax.lines if line not in medians}) == 3
    assert len({(str(style.line), style.marker) for style in STYLES}) == len(STYLES)


def test_a_basis_without_frequencies_is_counted_or_follows_the_other():
    curve = margin_curve()
    alone = plot_margins(without_frequencies(curve))
    assert alone.get_xlabel() == "band of the basis"
    np.testing.assert_array_equal(alone.lines[0].get_xdata(), range(21))
    both = plot_margins([curve, without_frequencies(curve)])
    assert "(random basis: band at the same position in the basis)" in both.get_xlabel()
    np.testing.assert_array_equal(both.lines[1].get_xdata(), curve.frequency)


def test_draws_where_told():
    ax = blank().add_subplot()
    assert plot_margins(margin_curve(), ax=ax) is ax
    ax = blank().add_subplot()
    assert plot_margin_map(margin_curve(bands=9, kind="grid"), ax=ax) is ax


def test_no_window_is_opened():
    from matplotlib import pyplot as plt

    plot_margins(margin_curve())
    assert plt.get_fignums() == []


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_vector_formats_hold_the_words(kind):
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "pdf.compression": 0, "pdf.use14corefonts": True}):
        plot_margins(margin_curve(model="my-$model$"), points=False).figure.savefig(buffer, format=kind)
    # A PDF file shifts the letters of a line here and there.
    assert "my-$model$" in re.sub(r"\) -?[\d.]+ \(", "", buffer.getvalue().decode("latin1"))


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="at least one curve"):
        plot_margins([])
    with pytest.raises(UsageError, match=r"one norm .* got \[2.0, inf\]"):
        plot_margins([margin_curve(), margin_curve(norm=math.inf)])
    with pytest.raises(UsageError, match="no boundary was found"):
        plot_margins(margin_curve(bands=1, images=5, missing=5))
    with pytest.raises(UsageError, match="bands of a grid; got blocks"):
        plot_margin_map(margin_curve())


def test_map_is_the_median_of_each_block():
    curve = margin_curve(bands=9, kind="grid", missing=30)
    ax = plot_margin_map(curve)
    shown = ax.images[0].get_array()
    np.testing.assert_allclose(shown.flatten()[:-1], curve.quantiles(0.5)[:-1, 0])
    assert np.ma.getmaskarray(shown)[-1, -1] or np.isnan(shown[-1, -1])
    assert [line.get_marker() for line in ax.lines] == ["x"]
    assert ax.get_xlabel() == "horizontal frequency (cycles per image)"
    assert ax.get_ylabel() == "vertical frequency (cycles per image)"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2.5", "4"]
    assert "median margin" in ax.figure.axes[-1].get_ylabel()
    assert "median of 50 images" in texts(ax)


def test_map_of_a_basis_without_frequencies_counts_blocks():
    ax = plot_margin_map(without_frequencies(margin_curve(bands=9, kind="grid")))
    assert ax.get_xlabel() == "horizontal frequency (block of the basis)"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "1", "2"]


def test_norms_have_names():
    assert norm_name(2.0) == "$\\ell_2$"
    assert norm_name(math.inf) == "$\\ell_\\infty$"


def test_one_outlier_does_not_set_the_lower_end_and_is_counted():
    curve = margin_curve(bands=4, images=200)
    distances = curve.distances.clone()
    distances[0, 0] = 1e-6
    ax = plot_margins(dataclasses.replace(curve, distances=distances))
    assert ax.get_ylim()[0] > 1e-3
    assert "1 margins below the axis" in " ".join(" ".join(text.get_text() for text in ax.texts).split())
