"""How commands talk."""

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


def test_no_number_is_cut_where_the_terminal_is_too_narrow_for_all(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    columns = (Column("layer", ("n",)), Column("kind", ("k",), words=True))
    columns += tuple(Column(f"number\n{i}", (f"x{i}",), "{:.3f}") for i in range(6))
    row = {"n": "stages.0.0.conv1", "k": "Conv2d", **{f"x{i}": -i - 0.125 for i in range(6)}}
    show_table(Table((), columns, [row]))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "stages" in line]
    assert line.split() == ["stages.0.0.conv1", "Conv2d", *(f"{-i - 0.125:.3f}" for i in range(6))]


def test_a_word_longer_than_its_column_goes_on_in_the_next_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    columns = (Column("model", ("m",)), Column("what", ("w",), words=True))
    show_table(Table((), columns, [{"m": "m" * 30, "w": "max-pooling"}]))
    out = capsys.readouterr().out
    assert "…" not in out
    cells = [line.replace("m" * 30, "").strip() for line in out.splitlines()[3:]]
    assert "".join(cells) == "max-pooling"


def test_say_is_on_stdout(capsys):
    say("one", "two")
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_progress_is_silent_where_nobody_watches(capsys):
    with progress("work") as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("work", quiet=True) as tell:
        tell(1, 2)
    assert capsys.readouterr() == ("", "")
    with progress("work") as tell:
        tell(1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "work" in err


def test_device_by_name():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["gpu9", "cuda:99", "", "cpu:x"])
def test_unknown_device_is_one_sentence(name):
    with pytest.raises(UsageError, match="device must be auto, cpu or a GPU"):
        resolve_device(name)
