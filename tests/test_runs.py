"""Run folders: parts are whole or absent, settings are guarded, and every number has a birth certificate."""

import datetime as dt
import os
import sys
import threading

import pytest
import torch

from geomrob.errors import UsageError
from geomrob.runs import Clock, Run, device_name, versions, writable

SETTINGS = {"model": "fmnist-lenet", "seed": 0, "bands": ["0-7", "1-8"]}


def test_parts_come_back_exactly(tmp_path):
    run = Run(tmp_path, SETTINGS)
    arrays = {"distances": torch.tensor([0.1, torch.inf], dtype=torch.float64), "status": torch.tensor([0, 1])}
    assert not run.has("band-0")
    run.save_part("band-0", arrays)
    again = Run(tmp_path, dict(reversed(SETTINGS.items())))
    assert again.has("band-0")
    back = again.load_part("band-0")
    assert all(torch.equal(back[name], array) and back[name].dtype == array.dtype for name, array in arrays.items())


def test_other_settings_are_refused_by_name(tmp_path):
    Run(tmp_path, SETTINGS)
    with pytest.raises(UsageError, match=r"seed: 0 there, 1 here\): name another --out"):
        Run(tmp_path, SETTINGS | {"seed": 1})
    with pytest.raises(UsageError, match=r"norm: None there, 2 here"):
        Run(tmp_path, SETTINGS | {"norm": 2})


def test_a_part_half_written_is_never_seen(tmp_path, monkeypatch):
    run = Run(tmp_path, SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run.save_part("band-0", {"a": torch.zeros(3)})
    assert not run.has("band-0")
    assert list((tmp_path / "parts").iterdir()) == []


def test_two_writers_of_one_part_leave_one_whole_file(tmp_path):
    run = Run(tmp_path, SETTINGS)
    writers = [threading.Thread(target=run.save_part, args=("x", {"a": torch.full((10000,), i)})) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(run.load_part("x")["a"].unique()) == 1
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["x.npz"]


def test_shards_merge(tmp_path):
    one, two, whole = (Run(tmp_path / name, SETTINGS) for name in ("one", "two", "whole"))
    one.save_part("a", {"x": torch.tensor([1])})
    two.save_part("a", {"x": torch.tensor([1])})
    two.save_part("b", {"x": torch.tensor([2])})
    assert whole.merge([one.folder, two.folder]) == 2
    assert whole.merge([one.folder, two.folder]) == 0
    assert [whole.load_part(key)["x"].item() for key in "ab"] == [1, 2]
    other = Run(tmp_path / "other", SETTINGS | {"seed": 1})
    with pytest.raises(UsageError, match="same settings"):
        whole.merge([other.folder])
    with pytest.raises(UsageError, match="page of a run"):
        whole.merge([tmp_path / "nothing"])


def test_misuse_is_one_sentence(tmp_path):
    run = Run(tmp_path / "run", SETTINGS)
    for key in ("", "../x", "a/b", ".hidden", "a b"):
        with pytest.raises(UsageError, match="key must be letters"):
            run.part(key)
    with pytest.raises(UsageError, match="part 'a' must be finished"):
        run.load_part("a")
    run.part("a").write_bytes(b"no npz")
    with pytest.raises(UsageError, match="damaged file: delete it"):
        run.load_part("a")
    (run.folder / "run.json").write_text("{")
    with pytest.raises(UsageError, match="page of a run"):
        Run(run.folder, SETTINGS)


def test_a_folder_that_cannot_be_made_is_known_up_front(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="out must be a folder to write to"):
            Run(folder, SETTINGS)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_known_up_front(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="to write to"):
        writable(tmp_path)


def test_provenance_is_complete(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/geomrob", "margin", "--data", "my images"])
    birth = Clock(seed=3).provenance(forwards=5, backwards=7)
    assert birth.command == "geomrob margin --data 'my images'"
    assert (birth.seed, birth.forwards, birth.backwards) == (3, 5, 7)
    assert birth.versions == versions()
    assert {"geomrob", "python", "torch", "numpy"} <= birth.versions.keys()
    assert birth.device == device_name("cpu")
    assert "cpu (" in birth.device
    assert 0 <= birth.seconds < 60
    assert dt.datetime.fromisoformat(birth.created).utcoffset() == dt.timedelta(0)
