"""One rule for every plot: of one panel it takes `ax=`, of several `figure=`, and returns what it drew on."""

import inspect

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import geomrob
from geomrob.plot.style import ShownAxes, ShownFigure, blank
from tests.plot.test_outside_names import PLOTS

PUBLIC = [name for name in geomrob.__all__ if name.startswith("plot_")]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_plot_takes_either_axes_or_a_figure(name):
    signature = inspect.signature(getattr(geomrob, name))
    places = [signature.parameters[place] for place in ("ax", "figure") if place in signature.parameters]
    assert len(places) == 1
    assert places[0].kind is places[0].KEYWORD_ONLY
    assert places[0].default is None
    assert (signature.return_annotation is Axes) == (places[0].name == "ax")


@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_draws_where_it_is_told_and_returns_that(plot):
    new = PLOTS[plot]()
    assert isinstance(new, (ShownAxes, ShownFigure))
    if isinstance(new, Axes):
        ax = Figure().add_subplot()
        assert PLOTS[plot](ax=ax) is ax
        return
    figure = Figure(figsize=(9, 9))
    assert PLOTS[plot](figure=figure) is figure
    parent = Figure(figsize=(16, 9), layout="constrained")
    left, right = parent.subfigures(1, 2)
    assert PLOTS[plot](figure=left) is left
    assert left.axes
    assert not right.axes
    parent.set_dpi(30)
    parent.canvas.draw()


@pytest.mark.parametrize("plot", PLOTS)
def test_no_picture_is_wider_than_a_page_can_show(plot):
    drawn = PLOTS[plot]()
    assert drawn.get_figure(root=True).get_size_inches()[0] <= 11.5


@pytest.mark.parametrize("plot", PLOTS)
def test_nothing_shown_refers_to_a_thesis_or_an_equation_without_its_name(plot):
    figure = PLOTS[plot]().get_figure(root=True)
    words = " ".join(text.get_text() for text in figure.findobj(Text)).lower()
    assert "thesis" not in words
    assert "eq. " not in words


def test_a_notebook_shows_figures_and_axes_as_pictures_of_their_size():
    figure = blank(3.0, 2.0)
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size == {"width": 288, "height": 192}
    assert ShownAxes(figure, (0, 0, 1, 1))._repr_png_()[1] == size
