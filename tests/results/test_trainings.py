"""Means and standard errors over trainings of one model, compared with those of plain arithmetic."""

import math
from dataclasses import dataclass

import pytest
import torch

from geomrob.results.result import Result
from geomrob.results.training import over_trainings
from geomrob.tables import Column, Table
from tests.synthetic import margin_curve, sparsity_result

NAMES = ("net@0", "net@1", "net@2")


@dataclass(frozen=True)
class Made(Result):
    model: str
    made: tuple[Table, ...]
    data: str = "d"
    accuracy: float = 0.5

    def tables(self):
        return list(self.made)


def table(model, rows, title="t"):
    columns = (Column("band", ("band",)), Column("median", ("median",), "{:.2f}"), Column("n", ("n",)))
    return Made(model, (Table((title,), columns, rows),))


def rows(*medians, n=(4, 4)):
    return [{"band": band, "median": value, "n": count} for band, value, count in zip("ab", medians, n, strict=True)]


def test_mean_and_standard_error_are_those_of_plain_arithmetic():
    results = [table(name, rows(value, 2 * value)) for name, value in zip(NAMES, (1.0, 2.0, 6.0), strict=True)]
    (pooled,) = over_trainings([*results, table("other", rows(9.0, 9.0))], {"net": NAMES, "other": ("other",)})
    first, second = pooled.records()
    assert (first["band"], first["median"], second["median"]) == ("a", 3.0, 6.0)
    assert first["median_error"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2) / math.sqrt(3))
    assert (first["n"], first["n_error"], first["trainings"]) == (4, 0, 3)
    (shown,) = pooled.tables()
    assert shown.cells()[0] == ["a", "3.00 +- 1.53", "4"]
    assert shown.title == ("net on d: mean +- standard error of 3 trainings, clean accuracy 50.0% +- 0.0%", "t")


def test_failures_stay_infinite_and_unknown_numbers_unknown():
    results = [table(name, rows(value, math.nan)) for name, value in zip(NAMES, (1.0, math.inf, 2.0), strict=True)]
    (pooled,) = over_trainings(results, {"net": NAMES})
    assert pooled.records()[0]["median"] == math.inf
    assert math.isnan(pooled.records()[0]["median_error"])
    assert math.isnan(pooled.records()[1]["median"])


def test_tables_whose_rows_trainings_do_not_share_are_left_alone():
    results = [table(NAMES[0], rows(1.0, 2.0)), table(NAMES[1], rows(1.0, 2.0)[:1])]
    assert over_trainings(results, {"net": NAMES[:2]}) == []
    assert over_trainings(results[:1], {"net": NAMES[:1]}) == []


def test_margins_of_trainings_are_one_table_of_at_most_100_columns():
    curves = [margin_curve(bands=3, model=name) for name in NAMES]
    (pooled,) = over_trainings(curves, {"net": NAMES})
    medians = torch.stack([curve.quantiles(0.5)[:, 0] for curve in curves]).mean(0)
    assert [row["median"] for row in pooled.records()] == pytest.approx(medians.tolist())
    assert {"median_low_error", "forwards_error"} <= set(pooled.records()[0])
    assert "forwards" not in [column.keys[0] for column in pooled.tables()[0].columns]


def test_both_tables_of_sparse_perturbations_are_pooled():
    results = [sparsity_result((10, 20, 30), model="net@0"), sparsity_result((10, 40, -1), model="net@1")]
    counts, costs = over_trainings(results, {"net": NAMES[:2]})
    (row,) = counts.records()
    assert (row["pixels_median"], row["fooling_rate"]) == (30, pytest.approx(5 / 6))
    assert row["pixels_75"] == math.inf
    assert "percent_median" in costs.records()[0]
