"""The sheet of corruptions: every picture in its place, names, brackets, misuse."""

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.corruption_sheet import plot_corruption_sheet

KINDS = {"fog": "weather", "snow": "weather", "jpeg_compression": "digital"}


def drawn(channels=3):
    image = torch.full((channels, 8, 8), 0.5)
    changed = {
        name: torch.rand(5, channels, 8, 8, generator=torch.Generator().manual_seed(i)) for i, name in enumerate(KINDS)
    }
    return image, changed, plot_corruption_sheet(image, changed, categories=KINDS, caption="Image 3 of toys.")


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_stands_in_its_column_and_row(channels):
    image, changed, figure = drawn(channels)
    (ax,) = figure.axes
    pictures = {(int(one.get_extent()[0]), int(one.get_extent()[3])): one.get_array() for one in ax.get_images()}
    assert len(pictures) == 1 + 3 * 5
    for column, images in enumerate([image[None], *changed.values()]):
        for row, one in enumerate(images):
            shown = one.movedim(0, -1).numpy()
            np.testing.assert_array_equal(pictures[column, row], shown if channels == 3 else shown[..., 0])


def test_names_severities_and_kinds_are_told():
    _, _, figure = drawn()
    (ax,) = figure.axes
    assert [label.get_text().strip() for label in ax.get_xticklabels()] == [
        "original",
        "fog",
        "snow",
        "jpeg\ncompression",
    ]
    assert [label.get_text() for label in ax.get_yticklabels()] == list("12345")
    assert [text.get_text() for text in ax.texts] == ["weather", "digital"]
    assert any("Image 3 of toys." in text.get_text().replace("\n", " ") for text in figure.texts)
    weather, digital = (line.get_xdata() for line in ax.lines)
    assert weather[0] == 1
    assert 2.9 < weather[1] < 3 == digital[0]


def test_nothing_to_show_is_misuse():
    with pytest.raises(UsageError, match="must hold a corruption"):
        plot_corruption_sheet(torch.zeros(1, 8, 8), {})
