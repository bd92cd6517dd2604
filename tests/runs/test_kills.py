"""Commands that are killed: what was finished is kept, and the same command again ends at the same bits."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from geomrob.cli import main
from geomrob.results import equal, load
from geomrob.runs import Run

# Parts of 8 images, so that there are some.
SMALL = """
import signal
# Where the tests run in the background, SIGINT is ignored, by their children too.
signal.signal(signal.SIGINT, signal.default_int_handler)
import sys
import geomrob.analysis.margins as margins, geomrob.analysis.sparsity as sparsity
import geomrob.inference.prepared as prepared
margins.PAIRS, sparsity.LEAST, prepared.CPU_BLOCK = 24, 8, 8
from geomrob.cli import main
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = {
    "margin": ("margin", "--samples", "40", "--attack", "deepfool", "--size", "8", "--step", "10"),
    "sparsefool": ("sparsefool", "--samples", "40"),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("geomrob.analysis.margins.PAIRS", 24)
    monkeypatch.setattr("geomrob.analysis.sparsity.LEAST", 8)
    monkeypatch.setattr("geomrob.inference.prepared.CPU_BLOCK", 8)


def numbers(folder, command):
    """Return what is loaded of a command, without the birth certificate."""
    from dataclasses import replace

    result = load(folder / f"{command}.json")
    return replace(result, provenance=replace(result.provenance, seconds=0.0, created="", command=""))


def started(folder, command, *more):
    words = [sys.executable, "-c", SMALL, *COMMANDS[command], "--out", str(folder), *more]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_with_parts(folder, command, number, count):
    """Start a command, send it a signal once it has kept so many parts, and return its status and stderr."""
    process = started(folder, command)
    while process.poll() is None and len(list((folder / "parts").rglob("*.npz"))) < count:
        time.sleep(0.005)
    process.send_signal(number)
    return process.wait(), process.stderr.read()


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=() if name == "margin" else pytest.mark.slow) for name in COMMANDS]
)
def test_a_command_that_is_killed_resumes_to_the_same_bits(tmp_path, command, capsys):
    assert main([*COMMANDS[command], "--out", str(tmp_path / "whole")]) == 0
    status, _ = killed_with_parts(tmp_path / "out", command, signal.SIGKILL, 2)
    assert status == -signal.SIGKILL
    capsys.readouterr()
    assert main([*COMMANDS[command], "--out", str(tmp_path / "out")]) == 0
    assert "of 5 parts" in capsys.readouterr().err
    assert equal(numbers(tmp_path / "out", command), numbers(tmp_path / "whole", command))
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_command_ends_with_130_and_the_line_that_resumes_it(tmp_path, number):
    status, err = killed_with_parts(tmp_path / "out", "margin", number, 1)
    assert status == 130
    (line,) = err.splitlines()
    assert line.startswith(f"interrupted; what is finished is kept in {tmp_path / 'out'}; resume with: geomrob margin ")
    words = shlex.split(line.partition("geomrob ")[2])
    process = subprocess.run([sys.executable, "-c", SMALL, *words], capture_output=True, text=True, check=False)
    assert (process.returncode, "resumed: " in process.stderr) == (0, True)
    log = (tmp_path / "out" / "log.txt").read_text()
    assert line in log
    assert "resumed: " in log
    assert "written: " in log
    assert "\x1b" not in log


def test_a_second_process_in_one_folder_is_refused(tmp_path, capsys):
    with Run(tmp_path / "out"):
        process = started(tmp_path / "out", "margin")
        assert process.wait() == 2
        assert f"no other run works in; got {tmp_path / 'out'}, where process {os.getpid()}" in process.stderr.read()


@pytest.mark.parametrize("shards", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_shards_merge_to_the_same_bits(tmp_path, capsys, shards):
    words = list(COMMANDS["margin"])
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    folders = [str(tmp_path / str(number)) for number in range(1, shards + 1)]
    capsys.readouterr()
    for number, folder in enumerate(folders, 1):
        assert main([*words, "--shard", f"{number}/{shards}", "--out", folder]) == 0
        assert (
            capsys.readouterr().out
            == f"shard {number} of {shards} is done: geomrob merge joins the folders of all {shards}\n"
        )
    assert main(["merge", *reversed(folders), "--out", str(tmp_path / "out")]) == 0
    assert "resumed: 5 of 5 parts" in capsys.readouterr().err
    assert equal(numbers(tmp_path / "out", "margin"), numbers(tmp_path / "whole", "margin"))
    for given, told in {
        tuple(folders[1:]): "all shards of the run; got none for 1/",
        (*folders, folders[0]): "each once; got 1/",
        (*folders, str(tmp_path / "whole")): "a run that is no shard",
        (*folders, str(tmp_path)): "a folder without run.json",
        (*folders[1:], str(tmp_path / "out")): "",
    }.items():
        assert main(["merge", *given, "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert told in err
        assert err.count("\n") == 1


def test_parts_that_are_missing_double_or_foreign_are_not_merged(tmp_path, capsys):
    words = list(COMMANDS["margin"])
    one, two = (tmp_path / name for name in ("one", "two"))
    for number, folder in enumerate((one, two), 1):
        main([*words, "--shard", f"{number}/2", "--out", str(folder)])
    merge = ["merge", str(one), str(two), "--out", str(tmp_path / "out")]
    mine, other = (sorted((folder / "parts").rglob("*.npz")) for folder in (one, two))
    double = other[0].parent / mine[0].name
    double.write_bytes(mine[0].read_bytes())
    capsys.readouterr()
    assert main(merge) == 2
    assert "each part once; got images-0-8 of margins of fmnist-lenet in" in capsys.readouterr().err
    double.unlink()
    content = mine[0].read_bytes()
    for damaged, told in (
        (other[0].read_bytes(), "damaged or foreign"),
        (content[:-3], "damaged or foreign"),
        (None, "none"),
    ):
        mine[0].unlink() if damaged is None else mine[0].write_bytes(damaged)
        assert main(merge) == 2
        assert f"every part; got {'a ' * (damaged is not None)}{told}" in capsys.readouterr().err
    mine[0].write_bytes(content)
    main([*words, "--seed", "1", "--shard", "2/2", "--out", str(tmp_path / "seed")])
    capsys.readouterr()
    assert main(["merge", str(one), str(tmp_path / "seed"), "--out", str(tmp_path / "out")]) == 2
    assert "of two: merge those of one" in capsys.readouterr().err
    assert main(merge) == 0


FAULTS = {
    "a full disk": (OSError(28, "No space left on device", "part"), "No space left on device"),
    "a read-only folder": (OSError(30, "Read-only file system", "part"), "Read-only file system"),
    "no memory": (MemoryError(), "memory must hold"),
    "no memory of torch": (torch.OutOfMemoryError("CUDA out of memory"), "memory must hold"),
}


@pytest.mark.parametrize(
    "fault",
    [
        "a full disk",
        "no memory",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("a read-only folder", "no memory of torch")),
    ],
)
def test_a_fault_of_the_machine_is_one_sentence_and_status_1_and_parts_are_kept(tmp_path, monkeypatch, capsys, fault):
    kept, (error, told) = Run.keep, FAULTS[fault]

    def keep(run, name, key, part):
        if key == "images-16-24":
            raise error
        kept(run, name, key, part)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "keep", keep)
        assert main([*COMMANDS["margin"], "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert main([*COMMANDS["margin"], "--out", str(tmp_path / "out")]) == 0
    assert "resumed: 2 of 5 parts" in capsys.readouterr().err


def test_a_folder_that_vanishes_is_one_sentence_and_status_1(tmp_path, monkeypatch, capsys):
    kept = Run.keep

    def keep(run, name, key, part):
        import shutil

        shutil.rmtree(tmp_path / "out")
        kept(run, name, key, part)

    monkeypatch.setattr(Run, "keep", keep)
    assert main([*COMMANDS["margin"], "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


FLAT = """
import torch


class Zero(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10] * 0 + torch.eye(10)[0]


def flat():
    return Zero()
"""


def test_what_was_not_found_is_status_3_or_0_where_that_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "flat.py").write_text(FLAT)
    words = [
        "margin",
        "--model",
        f"{tmp_path / 'flat.py'}:flat",
        "--samples",
        "3",
        "--attack",
        "deepfool",
        "--size",
        "14",
    ]
    assert main([*words, "--out", str(tmp_path / "out")]) == 3
    assert main([*words, "--out", str(tmp_path / "out"), "--allow-missing"]) == 0


SHELL = {
    "a pipe that is closed": ("models | true", "stdout must take"),
    "a full device": ("models > /dev/full", "No space left on device"),
    "a closed stdout": ("models >&-", "stdout must be open"),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("case", SHELL)
def test_an_output_that_takes_nothing_is_one_sentence_and_status_1(tmp_path, case):
    words, told = SHELL[case]
    script = f"set -o pipefail; {shlex.quote(sys.executable)} -m geomrob {words}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
