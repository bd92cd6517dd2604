"""What the picture of transfer contains: every rate in per cent, the models and how good they are."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from geomrob.plot.accuracy.transfer import plot_transfer
from geomrob.plot.style import SEQUENTIAL, blank
from geomrob.results import TransferMatrix
from tests.synthetic import provenance


def matrix():
    """Return three models: the first fools all, the second 3 of 4 of its own, the last nothing."""
    fooled = torch.zeros(3, 3, 4, dtype=torch.bool)
    fooled[0, 0], fooled[0, 1, :2], fooled[1, 1, :3], fooled[1, 0, 0] = True, True, True, True
    return TransferMatrix(
        models=("lenet", "resnet", "vgg"),
        data="fashion-mnist-1k",
        attack="sparsefool",
        fooled=fooled,
        found=fooled.diagonal().T.clone(),
        accuracy=torch.tensor([0.9, 0.95, 0.5], dtype=torch.float64),
        provenance=provenance(),
    )


def numbers(ax):
    """Return the words written into the cells, by (row, column)."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in ax.texts if t.get_text()[-2:-1] == "."}


def contrast(share, ink):
    """Return the contrast of an ink on a cell of a share from 0 to 1, from 1 to 21."""
    colours = (colormaps[SEQUENTIAL](float(share))[:3], to_rgb(ink))
    one, other = (np.dot((0.2126, 0.7152, 0.0722), np.power(colour, 2.2)) for colour in colours)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_cells_are_the_rates_in_per_cent_sources_in_rows():
    ax = plot_transfer(matrix())
    shown = ax.images[0]
    np.testing.assert_allclose(shown.get_array(), [[100, 50, 0], [25, 75, 0], [0, 0, 0]])
    assert shown.get_clim() == (0, 100)
    told = numbers(ax)
    assert len(told) == 9
    assert [told[at].get_text() for at in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2))] == [
        "100.0",
        "50.0",
        "25.0",
        "75.0",
        "0.0",
    ]


def test_every_number_stands_out_from_its_cell():
    ax = plot_transfer(matrix())
    image = ax.images[0]
    for (row, column), text in numbers(ax).items():
        assert contrast(image.norm(image.get_array()[row, column]), text.get_color()) > 3


def test_numbers_stand_out_at_every_rate():
    count = 41
    fooled = torch.arange(count - 1) < torch.arange(count)[:, None]
    cells = fooled[:, None].expand(count, count, count - 1)
    graded = dataclasses.replace(
        matrix(), models=("m",) * count, fooled=cells, found=fooled, accuracy=torch.ones(count, dtype=torch.float64)
    )
    told = numbers(plot_transfer(graded))
    assert [told[row, 0].get_text() for row in (0, 20, 40)] == ["0.0", "50.0", "100.0"]
    assert min(contrast(row / 40, told[row, 0].get_color()) for row in range(count)) > 3


def test_diagonal_is_outlined_and_bold():
    ax = plot_transfer(matrix())
    assert sorted(round(patch.get_x() + patch.get_width() / 2) for patch in ax.patches) == [0, 1, 2]
    assert all(patch.get_x() == patch.get_y() for patch in ax.patches)
    assert {at for at, text in numbers(ax).items() if text.get_fontweight() == "bold"} == {(0, 0), (1, 1), (2, 2)}


def test_models_are_named_with_what_they_reach():
    ax = plot_transfer(matrix())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "lenet\n(4 of 4 fooled)",
        "resnet\n(3 of 4 fooled)",
        "vgg\n(0 of 4 fooled)",
    ]
    assert ax.get_xticklabels()[1].get_text() == "resnet\n(95.0% correct)"
    assert "source" in ax.get_ylabel()
    assert "target" in ax.get_xlabel()
    words = " ".join(ax.texts[-1].get_text().split())
    assert "sparsefool on 4 images of fashion-mnist-1k" in words
    assert "fool another" in ax.get_title(loc="left")
    assert ax.figure.axes[-1].get_ylabel() == "fooled images (%)"


def test_without_labels_no_accuracy_is_told():
    unknown = dataclasses.replace(matrix(), accuracy=torch.full((3,), torch.nan, dtype=torch.float64))
    assert [tick.get_text() for tick in plot_transfer(unknown).get_xticklabels()] == ["lenet", "resnet", "vgg"]


@pytest.mark.parametrize("count", [1, 9])
def test_any_number_of_models(count):
    fooled = torch.ones(count, count, 2, dtype=torch.bool)
    many = dataclasses.replace(
        matrix(),
        models=tuple(f"model-{index}" for index in range(count)),
        fooled=fooled,
        found=fooled[0],
        accuracy=torch.ones(count, dtype=torch.float64),
    )
    ax = plot_transfer(many)
    ax.figure.canvas.draw()
    assert len(numbers(ax)) == count * count
    page = ax.figure.bbox
    for told in (ax._left_title, ax.texts[-1], *ax.get_xticklabels(), *ax.get_yticklabels()):
        box = told.get_window_extent()
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


def test_draws_where_told_and_opens_no_window():
    from matplotlib import pyplot as plt

    ax = blank().add_subplot()
    assert plot_transfer(matrix(), ax=ax) is ax
    assert plt.get_fignums() == []
