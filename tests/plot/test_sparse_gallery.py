"""What the gallery contains: images from few to many pixels, every changed pixel marked, classes, counts, failures."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from geomrob.errors import UsageError
from geomrob.plot.sparse_gallery import BRIGHTER, DARKER, plot_gallery
from geomrob.plot.style import blank
from tests.synthetic import sparsity_result


def grid(figure):
    return np.array(figure.axes).reshape(-1, 3)


def words(figure):
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def marks(ax):
    """Return centre and side of each square drawn, and their colours."""
    (squares,) = ax.collections
    corners = np.array([path.vertices[:4] for path in squares.get_paths()])
    return corners.mean(1), np.ptp(corners[:, :, 0], axis=1), squares.get_facecolor()[:, :3]


def test_images_go_from_few_to_many_at_even_steps_without_failures():
    figure = plot_gallery(sparsity_result((9, -1, 1, 7, 5, -1, 3, 8, 2, 4, 6)), rows=5)
    assert [ax.get_xlabel() for ax in grid(figure)[:, 2]] == [
        "1 pixel (1.6 %)",
        "3 pixels (4.7 %)",
        "5 pixels (7.8 %)",
        "7 pixels (11 %)",
        "9 pixels (14 %)",
    ]
    assert "fools fmnist-lenet on 9 of 11 images of fashion-mnist-1k (2 failed and are not shown)" in words(figure)
    assert "Rows: 5 of the fooled images" in words(figure)


def test_fewer_fooled_images_than_rows_are_all_shown_once():
    figure = plot_gallery(sparsity_result((2, 1, -1)), rows=6)
    assert [ax.get_xlabel() for ax in grid(figure)[:, 2]] == ["1 pixel (1.6 %)", "2 pixels (3.1 %)"]
    assert "failed" not in words(plot_gallery(sparsity_result((2, 1))))


def test_every_changed_pixel_is_marked_where_it_is():
    shown = sparsity_result((11,))
    places, sides, colours = marks(grid(plot_gallery(shown))[0, 2])
    np.testing.assert_allclose(places, shown.result.changed[0].nonzero().flip(1), atol=1e-6)
    np.testing.assert_allclose(sides, 1)
    wanted = [to_rgb(BRIGHTER if index % 2 == 0 else DARKER) for index in range(11)]
    np.testing.assert_allclose(colours, wanted)
    assert sum(to_rgb(BRIGHTER)) > 1.5 * sum(to_rgb(DARKER))


def test_colour_images_show_the_new_colour_outlined_and_count_elements():
    shown = sparsity_result((3, 1), shape=(3, 8, 8))
    shown.result.perturbed[0, 1, 0, 0] = 0.25
    last = grid(plot_gallery(shown))[1, 2]
    places, _, colours = marks(last)
    assert len(places) == 3
    np.testing.assert_allclose(colours, [[1, 0.25, 0.5], [0, 0.5, 0.5], [1, 0.5, 0.5]])
    assert last.collections[0].get_linewidth()[0] > 0
    assert last.get_xlabel() == "3 pixels (4.7 %)\n4 elements"
    assert grid(plot_gallery(shown))[0, 2].get_xlabel() == "1 pixel (1.6 %)\n1 element"


def test_marks_stay_visible_in_large_images():
    figure = plot_gallery(sparsity_result((30,), shape=(3, 224, 224)))
    places, sides, _ = marks(grid(figure)[0, 2])
    assert len(places) == 30
    np.testing.assert_allclose(sides, 4, rtol=1e-5)
    assert grid(figure)[0, 2].get_xlabel().startswith("30 pixels (0.06 %)")
    assert "Marks are 4 times as wide as a pixel" in words(figure)
    assert "Marks" not in words(plot_gallery(sparsity_result()))


def test_marks_over_the_edge_leave_the_picture_as_large_as_the_others():
    shown = sparsity_result((1,), shape=(3, 224, 224))
    assert bool(shown.result.changed[0, 0, 0])
    figure = plot_gallery(shown)
    figure.canvas.draw()
    for ax in grid(figure)[0]:
        np.testing.assert_allclose((ax.get_xlim(), ax.get_ylim()), ((-0.5, 223.5), (223.5, -0.5)))


def test_all_pixels_are_one_hundred_per_cent():
    (ax,) = grid(plot_gallery(sparsity_result((64,))))[:, 2]
    assert ax.get_xlabel() == "64 pixels (100 %)"


def test_original_and_changed_image_are_shown_as_they_are():
    shown = sparsity_result((4,))
    original, changed, faded = (ax.images[0].get_array() for ax in grid(plot_gallery(shown))[0])
    np.testing.assert_array_equal(original, shown.result.inputs[0, 0])
    np.testing.assert_array_equal(changed, shown.result.perturbed[0, 0])
    assert 0.5 < faded.min() <= faded.max() <= 1


def test_values_outside_the_range_are_shown_as_the_nearest_end():
    shown = sparsity_result((2,), shape=(3, 8, 8))
    shown.result.perturbed[0, 0, 0, :2] = torch.tensor([3.0, -2.0])
    _, changed, marked = grid(plot_gallery(shown))[0]
    assert changed.images[0].get_array().max() == 1
    np.testing.assert_allclose(marks(marked)[2][:, 0], [1, 0])


def test_classes_before_and_after_are_told_and_a_wrong_one_corrected():
    shown = sparsity_result((1, 2))
    shown = dataclasses.replace(shown, labels=torch.tensor([0, 2]))
    before, after, _ = grid(plot_gallery(shown)).T
    assert [ax.get_xlabel() for ax in before] == ["shirt", "dress\n(in truth coat)"]
    assert [ax.get_xlabel() for ax in after] == ["dress", "coat"]
    nameless = dataclasses.replace(shown, classes=())
    assert grid(plot_gallery(nameless))[0, 1].get_xlabel() == "class 1"


def test_options_that_matter_are_told():
    options = {"lam": 3.0, "radius": 10 / 255, "prune": 1.0, "candidates": 10.0}
    assert "sparsefool (λ = 3, radius 10/255, pruned) fools" in words(plot_gallery(sparsity_result(options=options)))
    assert "sparsefool (λ = 3) fools" in words(plot_gallery(sparsity_result()))
    assert "sparsefool fools" in words(plot_gallery(sparsity_result(options={})))


def test_reader_is_told_the_marks():
    assert "orange = brighter than before, dark blue = darker" in words(plot_gallery(sparsity_result()))
    assert "in its new colour" in words(plot_gallery(sparsity_result(shape=(3, 8, 8))))


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    figure = blank()
    assert plot_gallery(sparsity_result(), figure=figure) is figure
    figure.canvas.draw()
    assert plt.get_fignums() == []


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="sparsity must hold a fooled image; got 0 of 2"):
        plot_gallery(sparsity_result((-1, -1)))
    with pytest.raises(UsageError, match="rows must be at least 1; got 0"):
        plot_gallery(sparsity_result(), rows=0)
