"""What the picture of a sweep contains: the numbers of each point, failures, the curves told apart."""

import math

import numpy as np
import pytest

from geomrob.errors import UsageError
from geomrob.plot.sparsity import option_note, option_words, plot_sparsity_sweep
from geomrob.plot.style import blank
from tests.synthetic import sparsity_result


def point(pixels=(1, 2, 3, 4, 5), *, lam=3.0, radius=math.inf, prune=0.0, **facts):
    return sparsity_result(pixels, options={"lam": lam, "radius": radius, "prune": prune}, **facts)


def sweep(**facts):
    return [
        point((4, 5, 6, 7, 9), lam=3.0, steps=2, random=0.3, **facts),
        point((1, 2, 3, 3, -1), lam=1.0, steps=7, random=0.1, **facts),
    ]


def lines(ax):
    """Return the thick lines, without those of random pixels."""
    return [line for line in ax.lines if line.get_linewidth() == 2]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_are_the_numbers_of_each_point_in_the_order_of_the_parameter():
    fooled, pixels, steps, evaluations = plot_sparsity_sweep(sweep()).axes
    for ax, values in ((fooled, [80, 100]), (pixels, [3, 6]), (steps, [9, 4]), (evaluations, [32, 32])):
        (line,) = lines(ax)
        np.testing.assert_allclose(line.get_xdata(), [1, 3])
        np.testing.assert_allclose(line.get_ydata(), values)


def test_shade_spans_25_to_75_percent():
    shade = plot_sparsity_sweep(sweep()).axes[1].collections[0].get_paths()[0].vertices
    for x, low, high in ((1, 2, 3), (3, 5, 7)):
        heights = shade[np.isclose(shade[:, 0], x), 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])


def test_thin_line_is_the_mean_of_random_pixels():
    fooled = plot_sparsity_sweep(sweep()).axes[0]
    (thin,) = [line for line in fooled.lines if line.get_linewidth() < 1]
    np.testing.assert_allclose(thin.get_ydata(), [10, 30])


def test_a_median_among_failures_breaks_the_line_and_stands_on_the_edge():
    points = [point((1, 2, -1, -1, -1), lam=1.0), point(lam=2.0), point(lam=3.0)]
    figure = plot_sparsity_sweep(points)
    ax = figure.axes[1]
    (line,) = lines(ax)
    np.testing.assert_allclose(line.get_ydata(), [np.nan, 3, 3])
    assert "Triangle on the upper edge" in figure.texts[1].get_text().replace("\n", " ")
    (triangle,) = ax.collections[-1].get_offsets()
    np.testing.assert_allclose(triangle, [1, ax.get_ylim()[1]])
    (shade,) = ax.collections[0].get_paths()
    assert shade.vertices[:, 1].max() == ax.get_ylim()[1]


def test_a_median_between_finite_and_infinite_is_infinite():
    figure = plot_sparsity_sweep([point((1, 2, -1, -1))])
    assert np.isnan(lines(figure.axes[1])[0].get_ydata()).all()
    assert "at most half of the images are fooled" in figure.texts[1].get_text().replace("\n", " ")


def test_nothing_fooled_is_drawn_as_such():
    fooled, pixels, *_ = plot_sparsity_sweep([point((-1, -1), random=math.nan)]).axes
    assert lines(fooled)[0].get_ydata() == [0]
    assert pixels.get_ylim() == (1, 64)
    assert len(pixels.collections[-1].get_offsets()) == 1


def test_pixels_are_read_in_per_cent_on_the_right():
    figure = plot_sparsity_sweep(sweep())
    figure.canvas.draw()
    pixels = figure.axes[1]
    (second,) = pixels.child_axes
    np.testing.assert_allclose(second.get_ylim(), np.array(pixels.get_ylim()) * 100 / 64)
    assert second.get_ylabel() == "% of the image"
    assert "median, 25-75 %" in pixels.get_ylabel()


def test_images_of_several_sizes_share_an_axis_in_per_cent():
    points = [point(), point(shape=(1, 4, 4), model="small")]
    ax = plot_sparsity_sweep(points).axes[1]
    assert ax.get_ylabel() == "changed pixels (% of the image)"
    assert not ax.child_axes
    np.testing.assert_allclose([line.get_ydata()[0] for line in lines(ax)], [300 / 64, 300 / 16])


def test_radius_is_in_255ths_with_no_limit_at_255():
    points = [point(radius=radius) for radius in (math.inf, 10 / 255, 25 / 255)]
    figure = plot_sparsity_sweep(points, parameter="radius")
    for ax in figure.axes:
        np.testing.assert_allclose(lines(ax)[0].get_xdata(), [10, 25, 255])
        assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["10", "25", "255"]
    assert "1/255" in figure.axes[2].get_xlabel()


def test_curves_are_named_by_what_differs():
    others = [point(prune=1.0), point(model="fmnist-resnet8"), point(attack="l1-deepfool")]
    figure = plot_sparsity_sweep([*sweep(), *others])
    assert legend(figure) == [
        "fmnist-lenet, sparsefool, not pruned (100.0% correct)",
        "fmnist-lenet, sparsefool, pruned (100.0% correct)",
        "fmnist-resnet8, sparsefool, not pruned (100.0% correct)",
        "fmnist-lenet, l1-deepfool, not pruned (100.0% correct)",
        "as many random pixels set to 0 or 1, in spite of any radius (thin lines)",
    ]
    drawn = lines(figure.axes[1])
    assert len({(str(line.get_linestyle()), line.get_marker()) for line in drawn}) == 4
    assert [len(line.get_xdata()) for line in drawn] == [2, 1, 1, 1]


def test_a_method_may_lack_an_option_of_another():
    other = sparsity_result(attack="l1-deepfool", options={"lam": 3.0})
    assert legend(plot_sparsity_sweep([point(), other]))[1] == "fmnist-lenet, l1-deepfool (100.0% correct)"


def test_options_have_words():
    assert [option_words("prune", value) for value in (0, 1)] == ["not pruned", "pruned"]
    assert option_words("radius", math.inf) == "no radius"
    assert option_words("radius", 10 / 255) == "radius 10/255"
    assert option_words("lam", 1.5) == "λ = 1.5"
    assert option_words("candidates", 10.0) == "candidates 10"
    assert option_note({"lam": 3.0, "radius": 10 / 255, "prune": 1.0}) == " (λ = 3, radius 10/255, pruned)"
    assert option_note({"radius": math.inf, "prune": 0.0, "candidates": 10.0}) == ""


def test_options_that_all_points_share_are_told():
    def told(points, parameter):
        return " ".join(plot_sparsity_sweep(points, parameter=parameter).texts[1].get_text().split())

    points = [point(radius=radius) for radius in (10 / 255, 25 / 255)]
    assert told(points, "radius").startswith("sparsefool (λ = 3) on 5 images")
    assert told([*points, point(lam=1.0)], "radius").startswith("sparsefool on 5 images")
    assert told(sweep(), "lam").startswith("sparsefool on 5 images")


def test_curves_of_random_pixels_differ_in_more_than_colour():
    fooled = plot_sparsity_sweep([*sweep(), point(model="fmnist-resnet8")]).axes[0]
    thin = [line for line in fooled.lines if line.get_linewidth() < 1]
    assert len({str(line.get_linestyle()) for line in thin}) == 2


def test_reader_is_told_what_and_of_how_many():
    words = " ".join(" ".join(text.get_text() for text in plot_sparsity_sweep(sweep()).texts).split())
    assert "How few pixels change the decision" in words
    assert "sparsefool on 5 images of fashion-mnist-1k" in words
    assert "not fooled counts as infinitely many" in words
    assert "Triangle" not in words


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    figure = blank()
    assert plot_sparsity_sweep(sweep(), figure=figure) is figure
    assert plt.get_fignums() == []


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="points must hold at least one Sparsity; got none"):
        plot_sparsity_sweep([])
    with pytest.raises(UsageError, match="parameter must be an option of sparsefool; got 'lambda': it has lam, radius"):
        plot_sparsity_sweep(sweep(), parameter="lambda")
    with pytest.raises(UsageError, match=r"points must differ in lam; got two of fmnist-lenet .* at 3"):
        plot_sparsity_sweep([point(), point()])
