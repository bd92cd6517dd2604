"""What the tests of commands share."""

import matplotlib as mpl
import pytest

from geomrob.cli import main

NO_FOLDER = ("corrupt", "models", "data")
"""Commands without --out."""


@pytest.fixture(scope="module", autouse=True)
def few_images(small_blocks):
    """Commands measure a handful of images here."""


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    """Pictures have few dots: to draw and compress them is most of a command on a few images."""
    monkeypatch.setitem(mpl.rcParams, "savefig.dpi", 40)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Return a function that runs a command in an empty folder, with --out there, for status, stdout, stderr.

    What the test writes there can be imported, and no data of this machine is found. A call starts again where an
    earlier one of the test has left its run: what resuming does is tested in `tests/runs`.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GEOMROB_DATA", raising=False)

    def call(*words):
        folder = () if "--out" in words or words[0] in NO_FOLDER else ("--out", str(tmp_path / "out"))
        again = ("--overwrite",) if folder and (tmp_path / "out" / "run.json").exists() else ()
        status = main([*words, *folder, *again])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call
