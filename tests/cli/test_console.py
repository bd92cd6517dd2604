"""How commands talk."""

import sys

import pytest
import torch

from geomrob.cli import console
from geomrob.cli.console import progress, resolve_device, say, show_table
from geomrob.errors import UsageError


def test_table_in_a_pipe_cuts_nothing(capsys):
    show_table(["band", "a very long heading indeed"] * 4, [["block 0:8", "1.234567"] * 4])
    told = capsys.readouterr().out
    assert told.count("a very long heading indeed") == 4
    assert told.count("block 0:8") == 4


def test_words_wrap_on_a_narrow_terminal_and_names_and_numbers_stay_whole(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    show_table(["model", "what it is", "size"], [["a-name-of-20-letters", "long words " * 6, "12,345,678"]], words=2)
    told = capsys.readouterr().out
    assert "a-name-of-20-letters" in told
    assert "12,345,678" in told
    assert told.count("words") == 6


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


def test_a_large_model_after_a_small_one_gets_all_threads_back():
    before = torch.get_num_threads()
    console._threads_at_start.cache_clear()
    small = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    large = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    try:
        torch.set_num_threads(2)
        console.set_threads(None, small, torch.rand(2, 1, 4, 4))
        assert torch.get_num_threads() == 1
        console.set_threads(None, large, torch.rand(2, 3, 512, 512))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        console._threads_at_start.cache_clear()
