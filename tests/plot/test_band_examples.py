"""What the picture of examples contains: images, changes on a symmetric scale, sizes and classes."""

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.band_examples import plot_band_examples

CLASSES = ("shirt", "dress", "coat")


def drawn(channels=1):
    images = torch.full((2, channels, 4, 4), 0.5)
    change = torch.tensor([1.0, -1.0]).repeat(8).reshape(4, 4)
    perturbed = torch.stack((images + 0.1 * change, images + 0.3 * change))
    after = torch.tensor([[1, 2], [2, -1]])
    figure = plot_band_examples(
        images, perturbed, bands=["low", "high"], before=torch.tensor([0, 1]), after=after, classes=CLASSES
    )
    return np.array(figure.axes).reshape(2, 5), figure


def test_each_row_is_image_then_change_and_result_per_band():
    axes, _ = drawn()
    assert [ax.get_xlabel() for ax in axes[0, [0, 2, 4]]] == ["shirt", "dress", "coat"]
    assert [ax.get_xlabel() for ax in axes[1, [0, 2, 4]]] == ["dress", "coat", "no boundary found"]
    assert [ax.texts[0].get_text() for ax in axes[0]] == [
        "image",
        "change in\nlow",
        "image + change",
        "change in\nhigh",
        "image + change",
    ]


def test_changes_state_size_and_magnification_on_a_symmetric_scale():
    axes, _ = drawn()
    low, high = axes[0, 1], axes[0, 3]
    assert low.get_xlabel() == "$\\ell_2$ size 0.40"
    assert high.get_xlabel() == "$\\ell_2$ size 1.20"
    for ax in (low, high):
        factor = float(ax.get_title().removeprefix("x "))
        image = ax.images[0]
        assert image.get_clim() == (-1, 1)
        size = float(ax.get_xlabel().split()[-1]) / 4
        np.testing.assert_allclose(np.abs(image.get_array()), factor * size, rtol=1e-5)
        assert 0.5 < factor * size <= 1.001


def test_colour_images_are_drawn_in_colour():
    axes, _ = drawn(channels=3)
    assert axes[0, 0].images[0].get_array().shape == (4, 4, 3)
    shown = axes[0, 1].images[0].get_array()
    assert shown.shape == (4, 4, 3)
    assert 0 <= shown.min() < 0.5 < shown.max() <= 1


def test_newcomer_is_told_how_to_read_it():
    _, figure = drawn()
    words = " ".join(text.get_text() for text in figure.texts)
    assert "smallest change that flips the decision" in words
    assert "red = brighter, blue = darker" in words


def test_a_change_of_nothing_is_drawn():
    images = torch.rand(1, 1, 4, 4)
    plot_band_examples(images, images[None], bands=["low"], before=torch.tensor([0]), after=torch.tensor([[-1]]))


def test_misuse_is_one_sentence():
    images = torch.rand(2, 1, 4, 4)
    with pytest.raises(UsageError, match="perturbed must hold 2 bands of 2 images"):
        plot_band_examples(
            images,
            images[None],
            bands=["low", "high"],
            before=torch.tensor([0, 1]),
            after=torch.tensor([[0, 1]]),
        )
