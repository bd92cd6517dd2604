

def test_a_bar_on_a_terminal_ends_full(monkeypatch):
    from geomrob.runs.progress import progress_bar

    written = []
    terminal = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setattr("sys.stderr", terminal)
    move = progress_bar("margins")
    for done in (1, 2, 3):
        move(done, 3)
    assert written[0].startswith("\r\x1b[Kmargins |##########....................| 1 of 3")
    assert written[-1].endswith("| 3 of 3\n")
