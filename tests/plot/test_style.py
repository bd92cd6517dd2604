"""What all pictures share: names at the ends of curves, names of data, ticks of colour bars, headlines that fit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.text import Text

from geomrob.plot.style import FEW, apart, blank, data_name, figure_headline, name_curves, plain_bar


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.01, 0.2))
def test_heights_keep_their_order_and_the_gap(heights, gap):
    moved = apart(heights, gap)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    assert all(moved[after] - moved[before] >= gap - 1e-9 for before, after in pairwise(order))
    if gap * (len(heights) - 1) <= 1:
        assert all(-1e-9 <= height <= 1 + 1e-9 for height in moved)
    if all(gap * len(heights) <= height <= 1 - gap * len(heights) for height in heights):
        assert sum(moved) == pytest.approx(sum(heights), abs=1e-6)


def test_long_names_leave_the_axes_most_of_the_width():
    ax = blank().add_subplot()
    for index in range(FEW + 1):
        ax.plot([0, 1], [0, index], label=f"a-model-of-mine-{index} (96.0% correct); 24 of 1050 margins not found")
    name_curves(ax)
    ax.figure.draw_without_rendering()
    assert ax.get_position().width > 0.5


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 12])
def test_few_curves_have_a_legend_and_many_are_named_at_their_ends(count):
    ax = blank().add_subplot()
    for index in range(count):
        ax.plot([0, 1], [0, index % 3], label=f"model {index}")
    name_curves(ax)
    names = {text.get_text() for text in ax.texts}
    if count <= FEW:
        assert not names
        assert len(ax.get_legend().get_texts()) == count
        return
    assert ax.get_legend() is None
    assert names == {f"model {index}" for index in range(count)}
    ax.figure.canvas.draw()
    boxes = sorted((Text.get_window_extent(text) for text in ax.texts), key=lambda box: box.y0)
    assert all(above.y0 >= below.y1 - 2 for below, above in pairwise(boxes))
    assert all(box.x0 > ax.get_window_extent().x1 for box in boxes)
    assert all(box.x1 <= ax.figure.bbox.x1 + 1 for box in boxes)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/me/photos", "photos"),
        ("/home/me/photos (gray)", "photos (gray)"),
        ("~/data/val.npz", "val.npz"),
        ("../val", "val"),
        (r"C:\data\photos", "photos"),
        ("fashion-mnist-1k", "fashion-mnist-1k"),
        ("hf-hub:me/photos", "hf-hub:me/photos"),
        ("photos/val", "photos/val"),
    ],
)
def test_no_path_of_a_machine_is_drawn(name, shown):
    assert data_name(name) == shown


@pytest.mark.parametrize(("low", "high"), [(0.3, 3.0), (0.9, 1.4), (1e-3, 1.0)])
def test_short_logarithmic_colour_bars_have_plain_numbers(low, high):
    figure = blank()
    ax = figure.add_subplot()
    bar = figure.colorbar(ax.imshow(np.array([[low, high]]), norm=LogNorm(low, high)))
    plain_bar(bar)
    figure.canvas.draw()
    labels = [text.get_text() for text in bar.ax.get_yticklabels(which="both") if text.get_text()]
    assert labels
    assert not any("times" in label or "10^" in label for label in labels)


def test_a_long_title_is_broken_before_it_leaves_the_figure():
    figure = blank(5.0, 4.0)
    figure_headline(figure, "a title of many words " * 5, "read it so. " * 20)
    figure.canvas.draw()
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in figure.texts)
