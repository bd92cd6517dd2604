"""What the picture of the boundary's shape contains: the curvatures, the angles, the spectrum, what is missing."""

import dataclasses

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.geometry import plot_geometry
from tests.synthetic import geometry_result


def told(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_medians_angles_and_shares_are_those_of_the_result():
    found = geometry_result()
    figure = plot_geometry(found)
    left, middle, right = figure.axes
    medians = [line for line in left.lines if line.get_linewidth() == 1.6]
    kinds = ("mean", "random", "others", "own", "largest")
    expected = [float(found.curvatures(kind).quantile(0.5)) for kind in kinds]
    np.testing.assert_allclose([line.get_ydata()[0] for line in medians], expected)
    assert [label.get_text().split("\n")[0] for label in left.get_xticklabels()] == [
        "mean over",
        "random",
        "other images'",
        "own",
        "largest",
    ]
    np.testing.assert_allclose(middle.lines[0].get_xdata(), found.angle[found.measured].sort().values)
    np.testing.assert_allclose(middle.lines[0].get_ydata()[-1], 1)
    energy = found.singular.square().cumsum(0) / found.singular.square().sum()
    np.testing.assert_allclose(right.lines[0].get_ydata(), energy)
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == [f"net: {found.directions()} for 90 %", f"random: {found.directions(random=True)} for 90 %"]
    assert "normals compared over ±0.1" in told(figure)


def test_missing_boundaries_are_counted_and_models_differ_in_more_than_colour():
    figure = plot_geometry([geometry_result(), geometry_result(model="other", missing=3)])
    left, middle, _ = figure.axes
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["net, no boundary for 1", "other, no boundary for 3"]
    assert {box.get_hatch() for box in left.patches} == {"", "//"}
    assert [bool(patch.get_hatch()) for patch in left.get_legend().get_patches()] == [False, True]
    figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in figure.axes[2].get_xticks())
    assert len({line.get_linestyle() for line in middle.lines}) == 2


def test_second_derivatives_and_a_kind_that_was_not_measured():
    found = geometry_result(method="hessian", step=torch.nan)
    found = dataclasses.replace(found, largest=torch.full_like(found.largest, torch.nan))
    figure = plot_geometry(found)
    assert "second derivatives" in told(figure)
    assert len(figure.axes[0].get_xticklabels()) == 4


def test_models_that_were_measured_differently_are_refused():
    for wrong in ([], [geometry_result(), geometry_result(step=0.2)]):
        with pytest.raises(UsageError, match=f"measured alike .* got {len(wrong)}"):
            plot_geometry(wrong)


def test_a_model_without_any_boundary_is_named():
    figure = plot_geometry(geometry_result(missing=10))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["net: no boundary found"]
    assert not figure.axes[0].patches
