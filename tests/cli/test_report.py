"""The table, the csv and the JSON tell the same numbers."""

import csv
import io
import json
import math

import torch

from geomrob.cli.report import rows, show, to_csv, to_json
from tests.synthetic import margin_curve


def test_rows_are_the_curve_in_plain_numbers():
    curve = margin_curve(missing=30)
    told = rows(curve)
    assert [row["band"] for row in told] == list(curve.bands)
    assert told[0]["median"] == float(curve.quantiles(0.5)[0])
    assert told[-1]["median"] == math.inf
    assert told[-1]["reached"] == 0.4
    assert (told[0]["forwards"], told[0]["backwards"]) == (40, 30)


def test_table_starts_with_the_clean_accuracy(capsys):
    show(margin_curve(missing=30))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fmnist-lenet on fashion-mnist-1k: clean accuracy 90.0% of 50 images"
    assert "[0, 1] pixel units" in lines[1]
    table = [line.split() for line in lines if line.strip().startswith(("0-7", "20-27"))]
    assert table[0][0] == "0-7"
    assert "100%" in table[0]
    assert "inf" in table[1]
    assert max(map(len, lines)) < 100


def test_a_basis_without_frequencies_shows_a_dash(capsys):
    curve = margin_curve(bands=1, frequency=torch.tensor([torch.nan], dtype=torch.float64))
    show(curve)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("0-7"))
    assert line.split()[1] == "-"
    (told,) = csv.DictReader(io.StringIO(to_csv([curve])))
    assert told["frequency"] == ""


def test_csv_has_a_line_for_each_curve_and_band():
    curves = [margin_curve(bands=2, missing=30), margin_curve(bands=3, model="other, one")]
    lines = list(csv.DictReader(io.StringIO(to_csv(curves))))
    assert [line["model"] for line in lines] == ["fmnist-lenet"] * 2 + ["other, one"] * 3
    assert float(lines[0]["median"]) == float(curves[0].quantiles(0.5)[0])
    assert lines[1]["margin_95"] == "inf"
    assert float(lines[0]["median_low"]) == float(curves[0].interval[0, 0])


def test_json_is_strict(tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    curve = margin_curve(bands=2, missing=30, norm=math.inf)
    answer = json.loads(to_json([curve], [tmp_path / "margin.json"]), parse_constant=refuse)
    (told,) = answer["curves"]
    assert told["accuracy"] == 0.9
    assert [band["median"] is None for band in told["bands"]] == [False, True]
    assert told["norm"] is None
    assert told["provenance"]["seed"] == 0
    assert answer["files"] == [str(tmp_path / "margin.json")]
