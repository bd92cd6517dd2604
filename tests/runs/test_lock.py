"""One process works in a folder; the lock of one that is gone holds nobody up."""

import json
import os
import signal
import subprocess
import sys

import pytest

from geomrob.errors import UsageError
from geomrob.runs import lock
from geomrob.runs.lock import NAME, locked
from geomrob.training import checkpoint

HOLDER = """
import sys, time
from pathlib import Path
from geomrob.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    with pytest.raises(UsageError, match=f"no other run works in; got .* process {holder.pid} on"), locked(tmp_path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / NAME).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path), pytest.raises(UsageError, match="no other run"), locked(tmp_path):
        pass


def named(**changes):
    return json.dumps({**lock._this_process(), "pid": os.getppid(), "started": lock._started(os.getppid()), **changes})


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (named(), True),  # the file system locked nothing
        (named(host="other", boot="other"), True),
        (named(host="other"), False),  # another container of this machine
        (named(boot="earlier"), False),  # before this machine was started again
        (named(pid=2**22 + 1), False),
        (named(started="1"), False),  # the number of a process that is gone was given to another
        ("", False),
        ("[]", False),
        ("{", False),
        ("null", False),
    ],
)
def test_whose_lock_holds(tmp_path, content, holds):
    (tmp_path / NAME).write_text(content)
    if holds:
        with pytest.raises(UsageError, match="no other run works in"), locked(tmp_path):
            pass
    else:
        with locked(tmp_path):
            pass


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    calls, free = [], lock._lock

    def removed(file):
        calls.append(file)
        if len(calls) == 1:
            (tmp_path / NAME).unlink()
        return free(file)

    monkeypatch.setattr(lock, "_lock", removed)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / NAME).exists()


def test_a_training_holds_its_folder_and_clears_up_after_a_killed_one(tmp_path, holder):
    with pytest.raises(UsageError, match="no other run works in"), checkpoint.held(tmp_path):
        pass
    holder.kill()
    holder.wait()
    (tmp_path / ".log.jsonl.abcd1234.part").write_text("half")
    (tmp_path / ".mine").write_text("mine")
    with checkpoint.held(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {NAME, ".mine"}
    assert [path.name for path in tmp_path.iterdir()] == [".mine"]
