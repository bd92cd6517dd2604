"""What the pictures of corruption errors contain: every error in its cell; models among lines of equal R_net."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from geomrob.analysis.corruptions.scores import BENCHMARK, net_reduction
from geomrob.data.corruptions import CORRUPTIONS
from geomrob.errors import UsageError
from geomrob.plot.accuracy.corruptions import plot_corruptions, plot_trade_off
from geomrob.plot.style import blank
from tests.synthetic import corruption_table


def panels(figure):
    """Return the axes that hold a map."""
    return [ax for ax in figure.axes if ax.images]


def words(figure):
    """Return what stands in the figure itself."""
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def contrast(colour, ink):
    """Return the contrast of an ink on a colour, from 1 to 21."""
    one, other = (np.dot((0.2126, 0.7152, 0.0722), np.power(rgb, 2.2)) for rgb in (colour, to_rgb(ink)))
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def whole(models=2, networks=2):
    """Return all 15 at all severities."""
    errors = torch.rand(models, networks, 15, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    how = {"corruptions": BENCHMARK, "severities": (1, 2, 3, 4, 5), "sources": ("made",) * 15}
    names = tuple(f"fmnist-model-{index}" for index in range(models))
    return corruption_table(models=names, errors=errors, clean=errors[:, :, 0, 0], **how)


def test_cells_are_mean_errors_in_per_cent_with_their_mean_last():
    found = whole()
    figure = plot_corruptions(found, categories={name: CORRUPTIONS[name].category for name in BENCHMARK})
    for ax, errors, name in zip(panels(figure), found.errors, found.models, strict=True):
        values = 100 * errors.mean(0).T.numpy()
        shown = ax.images[0].get_array()
        np.testing.assert_allclose(shown[:, :15], values)
        np.testing.assert_allclose(shown[:, 15], values.mean(1))
        cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
        assert cells[0, 0] == f"{values[0, 0]:.0f}"
        assert cells[4, 14] == f"{values[4, 14]:.0f}"
        assert ax.get_ylabel().startswith(f"{name}\nclean ")
        assert ax.images[0].get_clim() == (0, 100)
    assert [tick.get_text() for tick in panels(figure)[-1].get_xticklabels()][::15] == ["gaussian noise", "mean"]
    heads = [text.get_text() for text in panels(figure)[0].texts]
    assert [head for head in heads if head in ("noise", "blur", "weather", "digital")] == heads[-4:]
    assert figure.axes[-1].get_ylabel() == "error (%)"
    assert "mean of 2 networks" in words(figure)
    assert "made by geomrob" in words(figure)


def test_numbers_stand_out_at_every_error():
    errors = torch.linspace(0, 1, 30, dtype=torch.float64).reshape(1, 1, 15, 2)
    found = corruption_table(
        models=("net",), errors=errors, clean=errors[:, :, 0, 0], corruptions=BENCHMARK, sources=("made",) * 15
    )
    ax = panels(plot_corruptions(found))[0]
    image = ax.images[0]
    for text in ax.texts:
        column, row = text.get_position()
        colour = image.cmap(image.norm(image.get_array()[row, column]))[:3]
        assert contrast(colour, text.get_color()) > 3


def test_columns_from_a_distributed_set_are_marked_where_both_are_there():
    figure = plot_corruptions(corruption_table(sources=("ready-made", "made"), adapt="partial"))
    assert [tick.get_text() for tick in panels(figure)[-1].get_xticklabels()] == ["fog*", "snow", "mean"]
    assert "those with * read from the distributed set" in words(figure)
    assert "statistics fitted to the images (partial)" in words(figure)
    alone = plot_corruptions(corruption_table(sources=("ready-made", "ready-made")))
    assert next(tick.get_text() for tick in panels(alone)[-1].get_xticklabels()) == "fog"
    assert "from the distributed set" in words(alone)


@pytest.mark.parametrize(("models", "corruptions"), [(1, 2), (3, 15)])
def test_everything_lies_on_the_page(models, corruptions):
    found = whole(models)
    if corruptions == 2:
        found = corruption_table(
            models=("package.module:factory",), errors=found.errors[:, :, :2, :2], clean=found.clean
        )
    figure = plot_corruptions(found, categories={name: CORRUPTIONS[name].category for name in BENCHMARK})
    figure.canvas.draw()
    page = figure.bbox
    ax = panels(figure)
    for told in (*figure.texts, *ax[0].texts, *ax[-1].get_xticklabels(), *(one.yaxis.label for one in ax)):
        box = told.get_window_extent()
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


def test_it_draws_into_a_figure_given():
    figure = blank(9, 5)
    assert plot_corruptions(corruption_table(), figure=figure) is figure


def points(ax):
    """Return the position of each model."""
    return {box.get_label(): (box.lines[0].get_xdata()[0], box.lines[0].get_ydata()[0]) for box in ax.containers}


def test_models_stand_at_clean_error_and_mce_with_standard_errors():
    found = whole()
    ax = plot_trade_off(found, "fmnist-model-0", names=BENCHMARK[:3])
    means = 100 * torch.stack((found.clean, found.mce(BENCHMARK[:3])))
    for place, name in enumerate(found.models):
        assert points(ax)[name] == pytest.approx(tuple(means[:, place].mean(1).tolist()))
        bars = ax.containers[place].lines[2]
        (low, high), spread = bars[0].get_segments()[0][:, 0], means[0, place].std().item() / 2**0.5
        assert (high - low) / 2 == pytest.approx(spread)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("clean error (%)", "mean corruption error (%), of 3 corruptions")
    assert plot_trade_off(found, "fmnist-model-0").get_ylabel() == "mean corruption error, mCE (%), of 15 corruptions"


@pytest.mark.parametrize("beta", [None, 1.0, 3.0])
def test_lines_are_those_of_equal_net_reduction(beta):
    found = whole(3, 1)
    ax = plot_trade_off(found, "fmnist-model-1", beta=beta)
    base = 100 * found.clean[1].mean(), 100 * found.mce(BENCHMARK)[1].mean()
    drawn = [one for one in ax.collections if hasattr(one, "levels")]
    assert len(drawn) == 3
    for lines, weight in zip(drawn, (beta, beta, 1.0), strict=True):
        assert len(lines.levels)
        for level, path in zip(lines.levels, lines.get_paths(), strict=True):
            x, y = torch.tensor(path.vertices.T.copy())
            if len(x):
                net = net_reduction(x, y, *base, beta=weight)
                torch.testing.assert_close(net, torch.full_like(net, level), atol=1e-6, rtol=0)
    assert drawn[1].levels.tolist() == [0]
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    weight = (base[1] / base[0]).item() if beta is None else beta
    assert told[:3] == list(found.models)
    assert f"{weight:.2f}" in told[3]


def test_a_baseline_is_a_model_that_errs():
    found = corruption_table(clean=torch.zeros(2, 1, dtype=torch.float64))
    with pytest.raises(UsageError, match="baseline must make errors; got none by base"):
        plot_trade_off(found, "base")
    with pytest.raises(UsageError, match="did you mean base"):
        plot_trade_off(found, "bas")


def test_models_that_are_all_alike_are_drawn():
    one = corruption_table(models=("base",), errors=corruption_table().errors[:1], clean=corruption_table().clean[:1])
    ax = plot_trade_off(one, "base")
    ax.figure.canvas.draw()
    assert points(ax)["base"] == pytest.approx((10, 37.5))
    assert plot_trade_off(one, "base", ax=ax) is ax


@pytest.mark.parametrize(("largest", "top"), [(0.07, 10), (0.33, 40), (0.95, 100)])
def test_the_scale_of_errors_ends_above_the_largest(largest, top):
    table = corruption_table()
    table = dataclasses.replace(table, errors=table.errors / table.errors.max() * largest)
    figure = plot_corruptions(table)
    assert figure.axes[0].images[0].get_clim() == (0, top)
