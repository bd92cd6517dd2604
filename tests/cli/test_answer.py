"""The one way out of a command: tables, one JSON object, CSV, pictures and files that say the same."""

import csv
import io
import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from geomrob.cli.answer import Answer, merged
from geomrob.plot.margins import margin_figure
from geomrob.results import MarginCurve, equal, load
from geomrob.results.result import file_names
from geomrob.tables import Column, Table, to_csv
from tests.synthetic import filter_bank, margin_curve, sparsity_result, spectrum


def answer(folder, *results):
    return Answer("margin", folder, results)


def test_one_result_is_one_pair_of_files(tmp_path):
    curve, out = margin_curve(), answer(tmp_path, margin_curve())
    out.save()
    out.csv()
    out.publish()
    assert [file.name for file in out.files] == ["margin.json", "margin.npz", "margin.csv"]
    assert equal(load(out.files[0], MarginCurve), curve)


def test_several_results_are_named_by_their_models_and_numbered_where_those_agree(tmp_path):
    models = ("a", "pkg.mod:net", "pkg.mod/net")
    out = answer(tmp_path, *(margin_curve(model=model) for model in models))
    out.save()
    out.publish()
    names = [file.name for file in out.files if file.suffix == ".json"]
    assert names == ["margin-a.json", "margin-pkg.mod-net-1.json", "margin-pkg.mod-net-2.json"]
    assert [load(file, MarginCurve).model for file in out.files if file.suffix == ".json"] == list(models)
    assert file_names([margin_curve()]) == [""]


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["a", "b"], ["-a", "-b"]),
        (["m:a", "m/a", "m a"], ["-m-a-1", "-m-a-2", "-m-a-3"]),
        (["b", "b", "b-1"], ["-b-2", "-b-3", "-b-1"]),
        (["b", "b-1", "b-1", "b"], ["-b-1", "-b-1-1", "-b-1-2", "-b-2"]),
        (["::", "model"], ["-model-1", "-model-2"]),
    ],
)
def test_no_two_results_share_a_file(models, names):
    assert file_names([SimpleNamespace(model=model) for model in models]) == names


def test_layers_of_one_model_are_named_by_their_layer_and_other_results_by_their_name():
    stem, block = filter_bank("net", layer="stem"), filter_bank("net", layer="block.0")
    assert file_names([stem, block, filter_bank("other")]) == ["-net-stem", "-net-block.0", "-other"]
    assert file_names([spectrum(name="net"), spectrum(name="other")]) == ["-net", "-other"]


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_have_the_format_of_their_ending(tmp_path, ending, start):
    path = tmp_path / f"margin.{ending}"
    out = answer(tmp_path)
    out.picture(margin_figure([margin_curve(bands=3)]), path)
    out.publish()
    assert path.read_bytes().startswith(start)


def test_without_a_picture_a_file_of_its_name_that_is_somebody_elses_stays(tmp_path):
    path, out = tmp_path / "margin.png", answer(tmp_path)
    path.touch()
    out.picture(None, path)
    out.publish()
    assert path.exists()
    assert not out.files


def test_csv_has_a_line_a_record_infinite_numbers_inf_and_unknown_ones_empty():
    unknown = torch.tensor([torch.nan, 1.0], dtype=torch.float64)
    curves = [margin_curve(bands=2, missing=30, frequency=unknown), margin_curve(bands=3, model="other, one")]
    lines = list(csv.DictReader(io.StringIO(to_csv([row for curve in curves for row in curve.records()]))))
    assert [line["model"] for line in lines] == ["fmnist-lenet"] * 2 + ["other, one"] * 3
    assert float(lines[0]["median"]) == pytest.approx(float(curves[0].quantiles(0.5)[0]), rel=5e-7)
    assert lines[0]["frequency"] == ""
    assert lines[1]["margin_95"] == "inf"
    assert float(lines[0]["median_low"]) == pytest.approx(float(curves[0].interval[0, 0]), rel=5e-7)
    assert max(len(lines[0][key].lstrip("0.").replace(".", "")) for key in ("median", "median_low")) <= 7


def test_json_is_strict_and_one_envelope(tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    unknown = torch.tensor([torch.nan, 1.0], dtype=torch.float64)
    out = answer(tmp_path, margin_curve(bands=2, missing=30, norm=math.inf, frequency=unknown))
    out.remarks.append("mind the gap")
    out.files.append(tmp_path / "margin.json")
    told = json.loads(out.to_json(), parse_constant=refuse)
    assert list(told) == ["schema", "command", "results", "notes", "files"]
    assert (told["schema"], told["command"], told["notes"]) == (2, "margin", ["mind the gap"])
    assert told["files"] == [str(tmp_path / "margin.json")]
    (result,) = told["results"]
    assert list(result) == ["kind", "facts", "rows", "notes", "provenance"]
    assert (result["kind"], result["facts"]["accuracy"], result["facts"]["norm"]) == ("MarginCurve", 0.9, "inf")
    assert [row["median"] == "inf" for row in result["rows"]] == [False, True]
    assert [row["frequency"] for row in result["rows"]] == [None, 1.0]
    assert result["provenance"]["seed"] == 0


def test_the_table_starts_with_the_clean_accuracy_and_hides_no_failure(tmp_path, capsys):
    assert answer(tmp_path, margin_curve(missing=30)).finish(complete=False) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fmnist-lenet on fashion-mnist-1k: clean accuracy 90.0% [78.6%, 95.7%] of 50 images"
    assert "[0, 1] pixel units" in lines[1]
    table = [line.split() for line in lines if line.strip().startswith(("0-7", "20-27"))]
    assert "100%" in table[0]
    assert "inf" in table[1]
    assert max(map(len, lines)) < 100


def test_a_basis_without_frequencies_shows_a_dash(tmp_path, capsys):
    answer(tmp_path, margin_curve(bands=1, frequency=torch.tensor([torch.nan], dtype=torch.float64))).finish()
    line = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("0-7"))
    assert line.split()[1] == "-"


def test_tables_of_one_title_are_one():
    columns = (Column("a", ("a",)),)
    tables = [
        Table(("t",), columns, [{"a": 1}]),
        Table(("u",), columns, [{"a": 2}]),
        Table(("t",), columns, [{"a": 3}]),
    ]
    assert [(table.title, [row["a"] for row in table.rows]) for table in merged(tables)] == [
        (("t",), [1, 3]),
        (("u",), [2]),
    ]


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", ["fmnist-lenet", "cifar10-resnet20"])
def test_no_number_is_cut_in_a_terminal_of_80_columns(name, columns, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    found = sparsity_result((100, 346, 506, 507, 612), shape=(3, 32, 32), model=name)
    Answer("sparsefool", tmp_path, [found]).finish()
    lines = capsys.readouterr().out.splitlines()
    (counts,) = (line for line in lines if "%," not in line and "346" in line)
    assert "346, 506, 507" in counts
    assert counts.startswith(f" {name} ")
    assert "…" not in "".join(lines)


def test_a_table_in_a_pipe_is_cut_nowhere_however_many_models(tmp_path, capsys):
    models = [f"models-of-somebody-else.and-a-long-name:{number}" for number in range(3)]
    answer(tmp_path, *(sparsity_result(model=model) for model in models)).finish()
    out = capsys.readouterr().out
    assert all(f"\n {model} " in out for model in models)
    assert "…" not in out


def test_notes_that_results_share_are_said_once_and_costs_once_for_each_run(tmp_path, capsys):
    out = answer(tmp_path, *(sparsity_result(pixels=(1, -1), model="net") for _ in range(2)))
    out.remarks.append("mind the gap")
    out.finish()
    lines = capsys.readouterr().out.splitlines()
    assert sum("not fooled, counted as infinite" in line for line in lines) == 1
    assert sum(line == "mind the gap" for line in lines) == 1
    assert sum("seed 0, 12.5 s on cpu" in line for line in lines) == 2


def test_without_files_none_are_named(tmp_path, capsys):
    assert answer(tmp_path).finish() == 0
    assert capsys.readouterr().out == ""
    out = answer(tmp_path)
    out.write("other.bin", b"bytes")
    out.finish()
    assert capsys.readouterr().out == f"written: {tmp_path / 'other.bin'}\n"
    assert (tmp_path / "other.bin").read_bytes() == b"bytes"


def test_many_files_of_a_folder_are_one_name(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    out = answer(tmp_path)
    for number in range(6):
        out.write(f"images/{number}.png", b"png")
        out.write(f"{number}.bin", b"bytes")
    out.finish()
    listed = capsys.readouterr().out.removeprefix("written: ").strip().split(", ")
    assert listed == [f"{tmp_path}/images/ (6 files)", *(f"{tmp_path}/{number}.bin" for number in range(6))]


def test_a_csv_without_rows_is_an_empty_head(tmp_path):
    assert to_csv([]) == "\n"
    assert to_csv([{"a": 1, "b": None}, {"a": math.nan, "b": True}]) == "a,b\n1,\n,True\n"
    assert to_csv([{"a": math.inf, "b": -math.inf}]) == "a,b\ninf,-inf\n"
