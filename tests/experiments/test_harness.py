"""The harness: strict JSON and back, results as files of their own, commands without folders, a table of verdicts."""

import json
import math
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from experiments.harness import DATA_DIR, SMOKE, Experiment, Row, read, run, table, write
from geomrob.results import Locations, equal
from tests.synthetic import provenance


def locations():
    maps, counts = torch.rand(2, 4, 4), torch.tensor([3, 1])
    return Locations("net", "clothes", "sparsefool", "label", ("shirt", "shoe"), maps, counts, provenance())


def toy(measure=lambda size, flags: {"values": [size, math.inf]}, **options):
    def compare(page):
        return [Row("the value", float(page["values"][0]), 4.0), Row("the other", "inf", "none", page["values"][1] > 1)]

    scales = {"smoke": 1, "cpu": 2}
    return Experiment("toy", "Claim: a toy.", scales, measure, lambda page: Figure(), compare, **options)


def test_a_page_comes_back_with_infinities_and_results(tmp_path):
    page = {"command": "python -m experiments.toy", "values": [1, math.inf, -math.inf, None], "maps": locations()}
    write(page, tmp_path / "toy.json", "-tag")
    text = (tmp_path / "toy.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert {path.name for path in tmp_path.iterdir()} == {"toy.json", "maps-tag.json", "maps-tag.npz"}
    back = read(tmp_path / "toy.json")
    assert back["values"] == page["values"]
    assert back["maps"].provenance.command == page["command"]
    assert equal(back["maps"].maps, page["maps"].maps)
    write({**page, "values": [math.nan]}, tmp_path / "toy.json")
    assert math.isnan(read(tmp_path / "toy.json")["values"][0])


def test_what_is_drawn_and_compared_is_what_was_written(tmp_path, capsys):
    rows = run(toy(), ["--figures", str(tmp_path / "new")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"toy.json", "toy.png"}
    assert [row.cells() for row in rows] == [
        ("the value", "2", "4", "x 0.50"),
        ("the other", "inf", "none", "as claimed"),
    ]
    assert "x 0.50" in capsys.readouterr().out


def test_the_command_of_a_page_names_no_folder_of_this_machine(tmp_path):
    flags = {"part": {"nargs": "?", "default": "all"}, "--data-dir": DATA_DIR, "--only": {"nargs": "+"}}
    words = ["speed", "--data-dir", str(tmp_path), "--only", "one", "two", "--figures", str(tmp_path)]
    run(toy(flags=flags), words)
    command = json.loads((tmp_path / "toy.json").read_text())["command"]
    assert command == "python -m experiments.toy --scale cpu speed --data-dir DATA --only one two"


def test_smoke_says_that_it_compares_nothing(tmp_path, capsys):
    run(toy(), ["--scale", SMOKE, "--figures", str(tmp_path)])
    assert "compares nothing" in capsys.readouterr().out


def test_drawing_without_numbers_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(toy(), ["--draw-only", "--figures", str(tmp_path)])
    assert "measure first" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_pictures_that_need_more_than_the_page_are_saved_and_not_written(tmp_path):
    run(toy(lambda size, flags: {"values": [1, 2], "pictures": {"gallery": Figure()}}), ["--figures", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"toy.json", "toy.png", "gallery.png"}
    assert "pictures" not in json.loads((tmp_path / "toy.json").read_text())


def test_the_table_stands_in_columns():
    lines = table([Row("a", 1.0, "much", False), Row("longer", "x", "", "word")]).splitlines()
    assert [line.split() for line in lines] == [
        ["here", "published"],
        ["a", "1", "much", "DIFFERS"],
        ["longer", "x", "word"],
    ]
    assert (
        len({line.index(cell) for line, cell in zip(lines[1:], ("1", "x"), strict=True)} | {lines[0].index("here")})
        == 1
    )


def test_the_folder_of_a_page_is_where_its_results_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(toy(lambda size, flags: {"values": [1, 2], "maps": locations()}), ["--figures", "here", "--tag", "b"])
    assert sorted(path.name for path in Path("here").iterdir()) == [
        "maps-b.json",
        "maps-b.npz",
        "toy-b.json",
        "toy-b.png",
    ]
