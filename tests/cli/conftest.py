"""What the tests of commands share."""

import pytest

from geomrob.cli import main


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Return a function that runs the command in an empty folder and gives status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = main([*words, "--out", str(tmp_path / "out")] if "--out" not in words else list(words))
        told = capsys.readouterr()
        return status, told.out, told.err

    return call
