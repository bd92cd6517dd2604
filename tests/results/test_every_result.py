"""What every result can do: flat rows, a summary, tables, a short repr, an HTML repr, a file; and strict JSON of it."""

import json
import re
import sys
from xml.etree import ElementTree as ET

import pytest

from geomrob.cli.answer import Answer
from geomrob.errors import UsageError
from geomrob.results import RESULTS, Status, equal, load, save
from geomrob.tables import HTML_ROWS, one_line, to_csv
from tests.results.examples import EVERY

PLAIN = (str, int, float, type(None))

every_result = pytest.mark.parametrize("result", EVERY, ids=lambda result: type(result).__name__)


def test_there_is_one_example_of_every_result():
    names = [type(result).__name__ for result in EVERY]
    assert set(names) == RESULTS.keys()
    assert len(names) == len(RESULTS)
    assert all(RESULTS[type(result).__name__] is type(result) for result in EVERY)


@every_result
def test_it_is_loaded_as_it_was_saved(result, tmp_path):
    assert equal(load(save(result, tmp_path / "x"), type(result)), result)


@every_result
def test_its_records_are_flat_rows_with_the_same_keys(result):
    rows = result.records()
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    assert all(isinstance(value, PLAIN) for row in rows for value in row.values())
    assert len(to_csv(rows).splitlines()) == 1 + len(rows)


@every_result
def test_its_summary_is_flat_and_holds_the_facts(result):
    summary = result.summary()
    assert summary
    assert all(isinstance(value, PLAIN) for value in summary.values())
    assert all(str(summary[name]) == str(value) for name, value in result.facts().items())


@every_result
def test_its_repr_is_at_most_ten_lines_that_begin_with_its_name(result):
    lines = repr(result).splitlines()
    assert 1 <= len(lines) <= 10
    assert lines[0] == f"{type(result).__name__}: {result.headline()}"
    assert max(map(len, lines)) <= 240
    assert "tensor(" not in repr(result)


@every_result
def test_its_html_is_well_formed_and_shows_its_tables(result):
    page = ET.fromstring(f"<div>{result._repr_html_()}</div>")
    tables = result.tables()
    assert tables
    assert len(page.findall("./table")) == len(tables)
    for table, shown in zip(tables, page.findall("./table"), strict=True):
        assert len(shown.findall("./thead/tr/th")) == len(table.columns)
        cells = [["".join(cell.itertext()) for cell in row] for row in shown.findall("./tbody/tr")]
        assert cells == table.cells()[:HTML_ROWS]
    assert all(isinstance(note, str) and note for note in result.caveats())


@every_result
def test_its_json_is_strict_and_has_its_rows(result, tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    answer = json.loads(Answer("any", tmp_path, [result]).to_json(), parse_constant=refuse)
    (told,) = answer["results"]
    assert told["kind"] == type(result).__name__
    assert [list(row) for row in told["rows"]] == [list(row) for row in result.records()]
    assert list(told["facts"]) == list(result.summary())
    assert told["notes"] == result.caveats()
    assert (told["provenance"] is not None) == (getattr(result, "provenance", None) is not None)


@pytest.mark.parametrize("status", Status)
def test_a_status_carries_its_sentence(status):
    assert status.sentence.endswith(".")
    assert status.words == status.name.lower().replace("_", " ")


@every_result
def test_its_markdown_and_latex_hold_every_cell(result):
    cells = [one_line(cell) for table in result.tables() for row in table.cells() for cell in row]
    for text in cells:
        assert text.replace("|", "\\|") in result.to_markdown()
    for line in result.to_latex().splitlines():
        if line.endswith(r" \\"):
            assert not re.search(r"(?<!\\)[%$#_^~|<>]", line)
    assert result.to_latex().count(r"\toprule") == len(result.tables())
    assert result.to_latex().count(r" \\") == sum(1 + len(table.rows) for table in result.tables())


@every_result
def test_its_data_frame_has_the_records(result):
    frame = result.to_pandas()
    assert list(frame.columns) == list(result.records()[0])
    assert len(frame) == len(result.records())


def test_a_data_frame_without_pandas_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"geomrob\[pandas\]"):
        EVERY[0].to_pandas()
