import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.augmentation_grid import plot_augment

PICTURES = torch.rand(2, 3, 1, 5, 5, generator=torch.Generator().manual_seed(0))


def drawn(**words):
    told = {"rows": ["a", "b"], "columns": ["original", "x", "y"], "title": "T", "reading": "R"} | words
    return plot_augment(PICTURES, **told)


def test_every_picture_is_where_its_names_say():
    figure = drawn(below=torch.tensor([[0, 0.125, 0.25], [0, 0.5, 0.75]]))
    axes = figure.axes
    assert len(axes) == 6
    for ax, picture in zip(axes, PICTURES.flatten(0, 1), strict=True):
        assert ax.images[0].get_array().tolist() == picture[0].tolist()
    assert [ax.get_title() for ax in axes[:3]] == ["original", "x", "y"]
    assert [axes[0].get_ylabel(), axes[3].get_ylabel()] == ["a", "b"]
    assert [ax.get_xlabel() for ax in axes] == ["", "0.12", "0.25", "", "0.50", "0.75"]
    assert {"T", "R"} <= {text.get_text() for text in figure.texts}


def test_misuse():
    with pytest.raises(UsageError, match="rows and columns must be 2 and 3 names"):
        drawn(rows=["a"])
