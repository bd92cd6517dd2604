"""Rows of results that no command writes: what they count and what an unknown or a failure looks like in them."""

import dataclasses
import math

import pytest
import torch

from tests.synthetic import cross_section_result, norms_result


def test_norms_have_a_row_a_model_and_norm_and_count_failures_as_infinite_in_the_median_alone():
    rows = norms_result().records()
    assert [(row["model"], row["norm"]) for row in rows] == [
        ("net", "pixels"), ("net", "l2"), ("hah", "pixels"), ("hah", "l2"),
    ]  # fmt: skip
    assert [row["mean"] for row in rows] == pytest.approx([2.5, 0.35, 8, 1.6])
    assert [row["median"] for row in rows] == pytest.approx([2.5, 0.25, math.inf, math.inf])
    assert [row["failures"] for row in rows] == [0, 0, 3, 3]
    assert [row["by"] for row in rows] == ["sparsefool 4", "tight 4", "sparsefool 1", "tight 1"]
    (table,) = norms_result().tables()
    assert table.cells()[2] == ["hah", "pixels", "8.0000", "inf", "-", "3", "sparsefool 1"]


def test_norms_that_no_attack_found_are_unknown_in_the_mean():
    nothing = torch.full((2, 2, 4), torch.inf, dtype=torch.float64)
    result = dataclasses.replace(norms_result(), values=nothing, by=torch.full((2, 2, 4), -1))
    (table,) = result.tables()
    assert all(math.isnan(row["mean"]) and row["by"] == "" for row in result.records())
    assert table.cells()[0][2:6] == ["-", "inf", "-", "4"]


def test_a_plane_has_a_row_a_class():
    rows, facts = cross_section_result().records(), cross_section_result().summary()
    # The line at 0.5 leaves 26 of the 41 columns from -2 to 2 in steps of 0.1 to the first class.
    assert [(row["class"], row["share"]) for row in rows] == [("-1", 26 / 41), ("+1", 15 / 41)]
    assert [(row["images"], row["away_median"]) for row in rows] == [(2, 0.5), (2, 2.5)]
    assert (facts["left"], facts["right"], facts["low"], facts["high"], facts["resolution"]) == (-2, 2, -30, 30, 41)


def test_a_plane_without_images_has_no_distances():
    plane = cross_section_result()
    empty = {"points": plane.points[:0], "labels": plane.labels[:0], "away": plane.away[:0]}
    rows = dataclasses.replace(plane, **empty).records()
    assert all(row["images"] == 0 and math.isnan(row["away_median"]) for row in rows)
