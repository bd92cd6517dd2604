"""How commands talk."""

import re
import sys

import pytest

from geomrob.cli.console import progress, resolve_device, say, show_table
from geomrob.errors import UsageError
from geomrob.tables import Column, Table


def test_table_in_a_pipe_cuts_nothing(capsys):
    columns = tuple(Column(f"a very long heading indeed {i}", ("band", "value"), "{} {}") for i in range(4))
    show_table(Table((), columns, [{"band": "block 0:8", "value": "1.234567"}]))
    told = capsys.readouterr().out
    assert told.count("a very long heading indeed") == 4
    assert told.count("block 0:8") == 4


def test_words_wrap_on_a_narrow_terminal_and_names_and_numbers_stay_whole(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    columns = (Column("model", ("m",)), Column("what it is", ("w",), words=True), Column("size", ("s",), "{:,}"))
    show_table(Table((), columns, [{"m": "a-name-of-20-letters", "w": "long words " * 6, "s": 12_345_678}]))
    told = capsys.readouterr().out
    assert "a-name-of-20-letters" in told
    assert "12,345,678" in told
    assert told.count("words") == 6


def test_columns_that_do_not_fit_follow_below_and_no_number_is_cut(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    columns = (Column("model", ("m",)), *(Column(f"c{i}", (f"c{i}",), "{:.5f}") for i in range(12)))
    rows = [{"m": name, **{f"c{i}": start + i for i in range(12)}} for name, start in (("first-net", 100), ("b", 200))]
    show_table(Table((), columns, rows))
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 50
    for name, start in (("first-net", 100), ("b", 200)):
        shown = [line.split() for line in lines if line.split()[:1] == [name]]
        assert [cell for cells in shown for cell in cells[1:]] == [f"{start + i:.5f}" for i in range(12)]
        assert len(shown) == 4


@pytest.mark.parametrize("width", range(12, 91, 3))
def test_no_table_loses_a_letter_on_a_terminal_of_any_width(capsys, monkeypatch, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    columns = (
        Column("layer", ("layer",)),
        Column("what\nit is", ("what",), words=True),
        Column("signal-to-noise\nratio", ("ratio",), "{:.6f}"),
        Column("where", ("where",), words=True),
        *(Column(f"n{i}", (f"n{i}",), "{:,}") for i in range(6)),
    )
    row = {"layer": "stages.0.0.conv1", "what": "max-pooling of an overlapping neighbourhood", "ratio": -123.456789}
    row |= {"where": "a-folder-without-spaces/of-a-long-name", **{f"n{i}": 10**i * 7 for i in range(6)}}
    table = Table((), columns, [row])
    show_table(table)
    out = capsys.readouterr().out
    assert "…" not in out
    shown = re.sub(r"\x1b\[[\d;]*m", "", out).split()
    assert {word for cell in table.cells()[0] for word in cell.split()} <= set(shown)


def test_a_table_as_wide_as_the_terminal_is_one(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    columns = (Column("name", ("a",)), Column("b", ("b",)), Column("c", ("c",)))
    # Four, five and six characters with two between them and one at each edge.
    for width, headers in ((21, 1), (20, 2)):
        monkeypatch.setenv("COLUMNS", str(width))
        show_table(Table((), columns, [{"a": "x", "b": "12345", "c": "123456"}]))
        told = capsys.readouterr().out
        assert (told.count("name"), "123456" in told) == (headers, True)


def test_say_is_on_stdout(capsys):
    say("one", "two")
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_progress_is_silent_for_half_a_minute_where_stderr_is_no_terminal(capsys):
    with progress("work") as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_line_every_half_minute_where_stderr_is_no_terminal(capsys, monkeypatch):
    now = iter([0.0, 10.0, 40.0, 60.0, 75.0, 400.0])
    monkeypatch.setattr("geomrob.cli.console.time.monotonic", lambda: next(now))
    with progress("work") as report:
        for done in (1, 200, 250, 300, 1000):
            report(done, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "work: 200 of 1,000 (20%), 6.63 a second, about 2 minutes left",
        "work: 300 of 1,000 (30%), 4.6 a second, about 3 minutes left",
    ]
    monkeypatch.setattr("geomrob.cli.console.silent", lambda: True)
    with progress("work") as report:
        report(1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("work") as tell:
        tell(1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "work" in err
    monkeypatch.setattr("geomrob.cli.console.silent", lambda: True)
    with progress("work") as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")


def test_device_by_name():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["gpu9", "cuda:99", "", "cpu:x"])
def test_unknown_device_is_one_sentence(name):
    with pytest.raises(UsageError, match="device must be auto, cpu or a GPU"):
        resolve_device(name)


def test_a_table_wider_than_any_terminal_is_whole_in_a_pipe(capsys):
    columns = (Column("what", ("what",), words=True), *(Column(f"model-number-{i}", (f"of {i}",)) for i in range(40)))
    row = {"what": "long words " * 9, **{f"of {i}": f"{100 + i}.5 ± 0.25" for i in range(40)}}
    show_table(Table((), columns, [row]))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 3
    assert all(f"model-number-{i}" in lines[0] and row[f"of {i}"] in lines[2] for i in range(40))
    assert "long words " * 8 in lines[2]
