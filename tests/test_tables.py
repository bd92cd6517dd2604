"""Cells, HTML and names of files from records."""

import math
from xml.etree import ElementTree as ET

import pytest

from geomrob.tables import HTML_ROWS, Column, Table, is_unknown, one_line, plain, slug, to_html, to_latex, to_markdown


@pytest.mark.parametrize(
    ("record", "cell"),
    [
        ({"mean": 0.5, "error": 0.125}, "50.0% +- 12.5%"),
        ({"mean": 0.5, "error": math.nan}, "50.0%"),
        ({"mean": 0.5, "error": None}, "50.0%"),
        ({"mean": math.nan, "error": 0.125}, "-"),
        ({"mean": None, "error": None}, "-"),
    ],
)
def test_a_cell_of_two_values_shows_what_is_known(record, cell):
    assert Column("accuracy", ("mean", "error"), "{:.1%} +- {:.1%}", "{:.1%}").cell(record) == cell


@pytest.mark.parametrize(
    ("form", "value", "cell"),
    [
        ("{:.3f}", math.inf, "inf"),
        ("{:.3f}", math.nan, "-"),
        ("{}", None, "-"),
        ("{}", "", ""),
        ("{}", 0, "0"),
        ("{}", True, "yes"),
        ("{}", False, "no"),
        ("{:,}", 61_706, "61,706"),
    ],
)
def test_a_cell_tells_infinite_unknown_and_empty_apart(form, value, cell):
    assert Column("heading", ("key",), form).cell({"key": value}) == cell


def test_without_a_form_for_one_value_alone_a_cell_is_unknown_as_a_whole():
    assert Column("interval", ("low", "high"), "{:.1f}-{:.1f}").cell({"low": 1.0, "high": math.nan}) == "-"


def test_a_column_of_a_record_without_its_key_is_an_error():
    with pytest.raises(KeyError):
        Column("heading", ("missing",)).cell({"key": 1})


@pytest.mark.parametrize("rows", [0, 1, HTML_ROWS, HTML_ROWS + 3])
def test_html_is_well_formed_escaped_and_says_what_it_leaves_out(rows):
    columns = (Column("a <b>\nheading", ("name",)), Column("dimen-\nsion", ("number",), "{:.1f}"))
    table = Table(("1 < 2 & so on",), columns, [{"name": "<x> & y", "number": float(row)} for row in range(rows)])
    page = ET.fromstring(f"<div>{to_html(table)}</div>")
    assert page[0].text == "1 < 2 & so on"
    assert [head.text for head in page.iter("th")] == ["a <b> heading", "dimension"]
    shown = [[cell.text for cell in row.iter("td")] for row in page.find("./table/tbody")]
    assert shown == [["<x> & y", f"{row:.1f}"] for row in range(min(rows, HTML_ROWS))]
    more = [text for line in page.findall("p") for text in line.itertext() if "more rows" in text]
    assert more == ([f"and {rows - HTML_ROWS} more rows: see "] if rows > HTML_ROWS else [])


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a:b", "a-b"),
        ("../x", "x"),
        ("..", "model"),
        ("::", "model"),
        ("a b/c", "a-b-c"),
        ("T-shirt/top", "T-shirt-top"),
        ("красный", "model"),
        ("resnet.v1_2", "resnet.v1_2"),
    ],
)
def test_slug_is_a_part_of_a_file_name(name, part):
    assert slug(name) == part


def test_slug_takes_another_word_where_nothing_is_left():
    assert slug("красный", otherwise="7") == "7"


def test_what_would_end_a_cell_or_begin_markup_is_escaped_in_every_format():
    table = Table(("of a", "b\nc"), (Column("name", ("name",), words=True),), [{"name": "[x]"}, {"name": r"a\|<b>"}])
    assert r"| a\\\|\<b> |" in to_markdown(table)
    latex = to_latex(table)
    assert "\n{}[x] " in latex
    assert all(line.startswith("%") for line in latex.partition("\\begin")[0].splitlines())


def test_one_line_joins_hyphenated_words_alone():
    assert one_line("fwd + bwd\nper pair") == "fwd + bwd per pair"
    assert one_line("dimen-\nsion") == "dimension"
    assert one_line("non-zero") == "non-zero"


def test_unknown_is_none_or_nan():
    assert all(map(is_unknown, (None, math.nan)))
    assert not any(map(is_unknown, (math.inf, 0, "", False, "nan")))
    assert [plain(value) for value in (True, False, 1, 0, None)] == ["yes", "no", 1, 0, None]
