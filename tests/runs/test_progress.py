"""Progress that an analysis reports by itself, to people who watch."""

from types import SimpleNamespace

from geomrob.runs.progress import progress_bar


def test_a_bar_on_a_terminal_ends_full(monkeypatch):
    written = []
    terminal = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setattr("sys.stderr", terminal)
    move = progress_bar("margins")
    for done in (1, 2, 3):
        move(done, 3)
    assert written[0].startswith("\r\x1b[Kmargins |##########....................| 1 of 3")
    assert written[-1].endswith("| 3 of 3\n")


def test_a_bar_writes_nothing_where_nobody_watches(monkeypatch):
    written = []
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: False, write=written.append))
    progress_bar("margins")(3, 3)
    assert not written
