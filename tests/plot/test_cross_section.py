"""What the picture of a cross-section contains."""

import numpy as np
import pytest
import torch

from geomrob.errors import UsageError
from geomrob.plot.cross_section import plot_cross_section
from tests.synthetic import cross_section_result


def test_regions_boundary_and_points_stand_where_they_were_measured():
    section = cross_section_result()
    ax = plot_cross_section(section)
    mesh, lines, *marks = ax.collections
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(31, 41), section.regions)
    (path,) = lines.get_paths()
    np.testing.assert_allclose(path.vertices[:, 0], 0.5, atol=0.1)
    placed = [scatter.get_offsets() for scatter in marks if len(scatter.get_offsets())]
    np.testing.assert_allclose(np.concatenate(placed[-2:]), section.points)
    assert ax.get_xlim() == (-2, 2)
    assert ax.get_ylim() == (-30, 30)
    assert ax.get_xlabel() == "$u_1$ ($\\ell_2$ distance)"


def test_classes_differ_in_grey_and_are_named():
    ax = plot_cross_section(cross_section_result(), title="Here?")
    grey = [float(np.dot(colour[:3], (0.299, 0.587, 0.114))) for colour in ax.collections[0].cmap(np.arange(2))]
    assert abs(grey[0] - grey[1]) > 0.15
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[:2] == ["classified as -1", "classified as +1"]
    assert words[2:] == ["points of class -1", "points of class +1"]
    assert ax.get_title(loc="left") == "Here?"


def test_a_class_without_a_name_is_refused():
    section = cross_section_result(classes=("only",))
    with pytest.raises(UsageError, match="classes must name all that occur; got 1 for 2"):
        plot_cross_section(section)


def test_one_region_has_no_boundary():
    section = cross_section_result()
    whole = type(section)(**{**vars(section), "regions": torch.zeros_like(section.regions)})
    ax = plot_cross_section(whole)
    assert not any(type(drawn).__name__ == "QuadContourSet" for drawn in ax.collections)
