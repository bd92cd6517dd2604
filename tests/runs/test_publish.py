"""Results are whole or absent: after a crash at any change of a file, the old ones or the new ones, never a mixture."""

import contextlib
import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from geomrob.errors import UsageError
from geomrob.files import SCRATCH
from geomrob.results import MarginCurve, equal, load, save
from geomrob.results.store import as_files
from geomrob.runs import Run, ranges, work
from tests.synthetic import margin_curve

OLD, NEW = margin_curve(bands=2), margin_curve(bands=3, images=7)


class Crash(BaseException):
    """What stands for SIGKILL: nothing is cleaned up behind it."""


class Crashing:
    """Lets the n-th change of a file, and all after it, end the process."""

    def __init__(self, monkeypatch, after):
        self.left, self.dead = after, False
        for name in ("replace", "unlink", "mkdir"):
            monkeypatch.setattr(Path, name, self.counted(getattr(Path, name)))
        monkeypatch.setattr("os.fsync", self.counted(os.fsync))
        monkeypatch.setattr("tempfile.mkstemp", self.counted(__import__("tempfile").mkstemp))

    def counted(self, change):
        def changed(*args, **kwargs):
            if self.dead or self.left == 0:
                self.dead = True
                raise Crash
            self.left -= 1
            return change(*args, **kwargs)

        return changed


def crashed_everywhere(monkeypatch, prepare, act, check):
    """Crash `act` at its first change, its second ... until it ends, and check what is there after each."""
    count = 0
    while True:
        prepare()
        with monkeypatch.context() as patch:
            crash = Crashing(patch, count)
            with contextlib.suppress(Crash):
                act()
        check()
        if not crash.dead:
            return count
        count += 1


def test_saving_over_an_older_result_leaves_one_of_them_wherever_it_ends(tmp_path, monkeypatch):
    path, seen = tmp_path / "x.json", []

    def prepare():
        for file in tmp_path.iterdir():
            file.unlink()
        save(OLD, path)

    def check():
        found = load(path)
        seen.append(equal(found, NEW))
        assert seen[-1] or equal(found, OLD)

    changes = crashed_everywhere(monkeypatch, prepare, lambda: save(NEW, path), check)
    assert changes >= 6
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (False, True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.json", "x.npz"]


def test_what_a_crash_left_waiting_goes_with_the_next_save(tmp_path, monkeypatch):
    path = save(OLD, tmp_path / "x")
    with monkeypatch.context() as patch:
        Crashing(patch, 9)
        with pytest.raises(Crash):
            save(NEW, path)
    assert equal(load(path), NEW)
    assert [file for file in tmp_path.iterdir() if SCRATCH.fullmatch(file.name)]
    save(OLD, path)
    assert equal(load(path), OLD)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.json", "x.npz"]


def files(folder, curve, text):
    csv = {folder / "x.csv": text.encode(), folder / "images" / f"{text}.png": text.encode()}
    return {**as_files(curve, folder / "x"), **csv}


def whole(folder, curve, text):
    """Return whether the folder holds these results and no others."""
    wanted = {path.relative_to(folder): content for path, content in files(folder, curve, text).items()}
    there = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    own = {path: file.read_bytes() for path, file in there.items() if path.name not in ("run.json", "mine.txt")}
    return own == wanted


def test_publishing_over_older_results_leaves_one_set_wherever_it_ends(tmp_path, monkeypatch):
    out = tmp_path / "out"
    seen = []

    def prepare():
        import shutil

        shutil.rmtree(out, ignore_errors=True)
        run = Run(out, settings={"seed": 0})
        run.publish(files(out, OLD, "old"))
        (out / "images" / "mine.txt").write_text("mine")

    def act():
        Run(out, settings={"seed": 1}, overwrite=True).publish(files(out, NEW, "new"))

    def check():
        # A result opens at any moment ...
        assert equal(load(out / "x"), OLD) or equal(load(out / "x"), NEW)
        # ... and the next start of either run completes what was begun.
        page = json.loads((out / "run.json").read_text())
        with Run(out, settings=page["settings"]):
            pass
        seen.append(whole(out, NEW, "new"))
        assert seen[-1] or whole(out, OLD, "old")
        assert equal(load(out / "x"), NEW if seen[-1] else OLD)
        assert (out / "images" / "mine.txt").read_text() == "mine"
        page = json.loads((out / "run.json").read_text())
        listed = {name: (out / name).read_bytes() for name in page["files"]}
        assert {name: hashlib.sha256(content).hexdigest() for name, content in listed.items()} == page["files"]

    changes = crashed_everywhere(monkeypatch, prepare, act, check)
    assert changes >= 15
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (False, True)


def doubled(rows, *, base):
    return {"power": base ** torch.arange(rows.start, rows.stop)}


@pytest.mark.parametrize("overwrite", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_that_crashes_at_any_change_resumes_to_the_same_bits(tmp_path, monkeypatch, overwrite):
    out, compute = tmp_path / "out", partial(doubled, base=2.0)
    whole_run = [part["power"].tolist() for part in work(None, "powers", compute, ranges(6, 2))]

    def prepare():
        import shutil

        shutil.rmtree(out, ignore_errors=True)
        if overwrite:
            work(Run(out), "powers", partial(doubled, base=3.0), ranges(6, 2))

    def act():
        work(Run(out, overwrite=overwrite), "powers", compute, ranges(6, 2))

    def check():
        known = out.exists() and (out / "run.json").exists() and "3.0" in (out / "run.json").read_text()
        again = work(Run(out, overwrite=known), "powers", compute, ranges(6, 2))
        assert [part["power"].tolist() for part in again] == whole_run
        assert not [path for path in out.rglob("*") if SCRATCH.fullmatch(path.name)]

    assert crashed_everywhere(monkeypatch, prepare, act, check) >= 12


def test_a_file_that_the_user_changed_is_not_removed(tmp_path):
    Run(tmp_path).publish({tmp_path / "a.csv": b"old", tmp_path / "b.csv": b"old"})
    (tmp_path / "a.csv").write_text("edited")
    Run(tmp_path).publish({tmp_path / "c.csv": b"new"})
    assert {path.name for path in tmp_path.glob("*.csv")} == {"a.csv", "c.csv"}


@pytest.mark.parametrize("change", [("0.5", "0.4"), ('"net"', '"other"'), ('"seed": 0', '"seed": 1')])
def test_an_edited_number_is_refused(tmp_path, change):
    path = save(replace(OLD, norm=0.5, model="net"), tmp_path / "x")
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with pytest.raises(UsageError, match=r"must be as geomrob\.save wrote it; got an edited"):
        load(path, MarginCurve)


def test_a_result_of_an_earlier_version_opens(tmp_path):
    path = save(OLD, tmp_path / "x")
    page = json.loads(path.read_text())
    del page["own_digest"]
    path.write_text(json.dumps({**page, "schema": 2}))
    assert equal(load(path), OLD)
