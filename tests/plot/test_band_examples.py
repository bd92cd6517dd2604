"""What the picture of examples contains: images, changes on a symmetric scale, sizes and classes."""

from dataclasses import replace

import numpy as np
import torch

from geomrob.plot.band_examples import plot_band_examples
from geomrob.results import BandExamples

CLASSES = ("shirt", "dress", "coat")


def examples(images, perturbed, after):
    sizes = (perturbed - images).flatten(2).norm(dim=2)
    return BandExamples(
        "net",
        "dark",
        ("low", "high")[: len(perturbed)],
        "tight",
        2.0,
        images,
        perturbed,
        torch.arange(len(images)),
        after,
        sizes,
    )


def drawn(channels=1):
    images = torch.full((2, channels, 4, 4), 0.5)
    change = torch.tensor([1.0, -1.0]).repeat(8).reshape(4, 4)
    perturbed = torch.stack((images + 0.1 * change, images + 0.3 * change))
    after = torch.tensor([[1, 2], [2, -1]])
    figure = plot_band_examples(examples(images, perturbed, after), classes=CLASSES)
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
    figure = plot_band_examples(examples(images, images[None], torch.tensor([[-1]])))
    assert [ax.get_xlabel() for ax in figure.axes] == ["class 0", "$\\ell_2$ size 0.00", "no boundary found"]


def test_the_headline_names_model_data_and_attack():
    assert drawn()[1].texts[1].get_text().startswith("net on dark, by tight. ")


def test_the_size_is_the_measured_one():
    images = torch.full((1, 1, 4, 4), 0.5)
    one = replace(examples(images, images[None] + 0.1, torch.tensor([[1]])), distances=torch.tensor([[0.123]]))
    assert plot_band_examples(one).axes[1].get_xlabel() == "$\\ell_2$ size 0.12"


def test_of_a_large_image_a_window_with_the_change_is_shown_and_outlined():
    images = torch.full((1, 3, 224, 224), 0.5)
    change = torch.zeros(1, 1, 3, 224, 224)
    checker = (torch.arange(224)[:, None] + torch.arange(224)) % 2 * 2.0 - 1
    change[0, 0, :, 100:160, 20:80] = 0.01 * checker[100:160, 20:80]
    change[0, 0, :, 120, 50] = 0.4
    label = torch.tensor([0])
    facts = ("net", "photos", ("fine",), "tight", 2.0)
    examples = BandExamples(*facts, images, images + change, label, label[None] + 1, torch.tensor([[0.3]]))
    figure = plot_band_examples(examples)
    drawn = figure.axes[1].images[0].get_array()
    assert drawn.shape == (64, 64, 3)
    assert float(abs(drawn[20:40, 20:40] - 0.5).mean()) > 0.3, "the peak does not hide the pattern"
    inner = figure.axes[0].patches[-1]
    left, top = inner.get_xy()
    assert 80 - 64 <= left + 0.5 <= 20
    assert 160 - 64 <= top + 0.5 <= 100
