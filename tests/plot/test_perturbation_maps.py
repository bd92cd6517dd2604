"""What the picture of locations contains: one map a class on one scale, with names and counts."""

import dataclasses

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.perturbation_maps import plot_locations
from geomrob.plot.style import blank
from geomrob.results import Locations
from tests.synthetic import provenance


def places(counts=(8, 0, 2), *, side=4):
    """Return maps in which class c changes pixel c in every image and pixel 5 in half of them."""
    maps = torch.zeros(len(counts), side, side, dtype=torch.float64)
    for index, (one, count) in enumerate(zip(maps, counts, strict=True)):
        one.view(-1)[index % 4], one.view(-1)[5] = 0.75, 0.25
        one[:] = one if count else torch.nan
    return Locations(
        model="fmnist-lenet",
        data="fashion-mnist-1k",
        attack="sparsefool",
        by="label",
        classes=tuple(f"class-{index}" for index in range(len(counts))),
        maps=maps,
        counts=torch.tensor(counts),
        provenance=provenance(),
    )


def panels(figure):
    """Return the axes of the classes."""
    return [ax for ax in figure.axes if ax.get_title()]


def bar(figure):
    """Return the scale of colours beside the maps."""
    (found,) = [ax._colorbar for ax in figure.axes if hasattr(ax, "_colorbar")]
    return found


def words(figure):
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_maps_are_in_per_cent_on_one_scale():
    given = places()
    first, _, last = panels(plot_locations(given))
    for ax, index in ((first, 0), (last, 2)):
        (image,) = ax.images
        np.testing.assert_allclose(image.get_array(), 100 * given.maps[index])
        assert image.get_clim() == (0, 75)


def test_classes_have_names_and_counts():
    figure = plot_locations(places())
    assert [ax.get_title() for ax in panels(figure)] == ["class-0", "class-1", "class-2"]
    assert [ax.get_xlabel() for ax in panels(figure)] == ["8 images", "0 images", "2 images"]
    assert figure.axes[-1].get_ylabel() == "images in which the pixel is changed (%)"
    assert "10 fooled images of fashion-mnist-1k, grouped by their true class" in words(figure)


def test_a_class_without_fooled_images_says_so():
    figure = plot_locations(places())
    first, empty, _ = panels(figure)
    assert not empty.images
    assert empty.texts[0].get_text() == "no fooled\nimage"
    figure.canvas.draw()
    np.testing.assert_allclose(empty.get_window_extent().size, first.get_window_extent().size, rtol=1e-3)


def test_a_class_of_few_images_does_not_set_the_scale():
    given = places((3, 10))
    given.maps[1] *= 0.5
    figure = plot_locations(given)
    assert [ax.images[0].get_clim() for ax in panels(figure)] == [(0, 37.5)] * 2
    assert bar(figure).extend == "max"
    assert "Classes of fewer than 10 images do not set the scale" in words(figure)
    both = places((10, 10))
    assert panels(plot_locations(both))[0].images[0].get_clim() == (0, 75)
    assert bar(plot_locations(both)).extend == "neither"
    assert "fewer than" not in words(plot_locations(both))


def test_outline_follows_the_object():
    images = torch.zeros(3, 1, 4, 4)
    images[:, :, :, 2:] = 1.0
    figure = plot_locations(places(), images=images)
    first, empty, _ = panels(figure)
    (outline,) = first.collections
    np.testing.assert_allclose(np.concatenate([path.vertices for path in outline.get_paths()])[:, 0], 1.5)
    assert not empty.collections
    assert "White line" in words(figure)
    assert "White line" not in words(plot_locations(places()))


def test_images_without_channels_have_the_same_outline():
    images = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    one, other = (panels(plot_locations(places(), images=given))[0].collections[0] for given in (images, images[:, 0]))
    for path, same in zip(one.get_paths(), other.get_paths(), strict=True):
        np.testing.assert_array_equal(path.vertices, same.vertices)


def test_an_image_of_one_brightness_has_no_outline():
    first, *_ = panels(plot_locations(places(), images=torch.full((3, 3, 4, 4), 0.5)))
    assert not first.collections


def test_of_many_classes_those_with_most_images_are_drawn():
    figure = plot_locations(places([1] * 15 + [2] * 18))
    names = [ax.get_title() for ax in panels(figure)]
    assert len(names) == 20
    assert names == [*(f"class-{index}" for index in (0, 1)), *(f"class-{index}" for index in range(15, 33))]
    assert "13 classes with fewer fooled images are not drawn" in words(figure)


@pytest.mark.parametrize(("by", "told"), [("left", "predicted before"), ("found", "predicted now")])
def test_reader_is_told_which_class(by, told):
    assert told in words(plot_locations(dataclasses.replace(places(), by=by)))


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    figure = blank()
    assert plot_locations(places(), figure=figure) is figure
    figure.canvas.draw()
    assert plt.get_fignums() == []


def test_misuse_is_one_sentence():
    with pytest.raises(UsageError, match="locations must hold a fooled image; got none"):
        plot_locations(places((0, 0)))
    with pytest.raises(UsageError, match=r"images must be one a class, 3 x 4 x 4; got \(2, 1, 4, 4\)"):
        plot_locations(places(), images=torch.zeros(2, 1, 4, 4))
    with pytest.raises(UsageError, match=r"got \(3, 1, 8, 8\)"):
        plot_locations(places(), images=torch.zeros(3, 1, 8, 8))
