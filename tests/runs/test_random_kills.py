"""Commands killed (SIGKILL) at random moments, 50 times each: resumed to the same bits, never a mixture of results.

The killed processes are forks of this one, so that a kill costs no import; what runs in them is the command. Half of
the moments are drawn over the time of a run, half over its changes of files, so that many kills fall into the writing
of parts and of results.

    pytest -o addopts= -s tests/runs/test_random_kills.py    # -s prints where the kills fell; 10 minutes of one core
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import load_file

from geomrob.cli import main
from geomrob.files import SCRATCH
from geomrob.results import equal, load
from geomrob.training import checkpoint

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("GEOMROB_KILLS", "50"))

RECIPE = """
model = "fmnist-lenet"
data = "fashion-mnist-1k"
split = "test"
samples = 240
held_out = 40
epochs = 6
batch = 20
max_rate = 0.05
ema = 0.9
crop = 2
flip = true
"""

COMMANDS = {
    "margin": ("margin", "--samples", "8", "--attack", "deepfool", "--size", "14", "--step", "14"),
    "sparsefool": ("sparsefool", "--samples", "16"),
    "corruptions": ("corruptions", "--samples", "16", "--severities", "1", "--severities", "5"),
    "boundary": ("boundary", "--samples", "8", "--budget", "60"),
    "train": ("train", "recipe.toml"),
}

CHANGES = ("tempfile.mkstemp", "os.rename", "os.remove", "os.mkdir")
"""Events of Python at which a process changes files."""

TRAINING = tuple(f".{name}." for name in checkpoint.FILES)
"""How scratch files of an epoch are called: the part of a training."""


@pytest.fixture(autouse=True)
def small_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    for name, value in {
        "analysis.margins.PAIRS": 2,
        "analysis.sparsity.LEAST": 2,
        "analysis.decision_based.LEAST": 1,
        "inference.prepared.CPU_BLOCK": 2,
        "inference.prepared.CPU_FORWARD_BLOCK": 1,
    }.items():
        monkeypatch.setattr(f"geomrob.{name}", value)


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the start, or after a change of a file, counted from 1."""

    seconds: float
    change: int = 0


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    seconds: float
    changes: int

    def draw(self, draws, first=0.0):
        """Return a moment; of the later ones alone, from the share `first` on."""
        if draws.random() < 0.5:
            return Moment(draws.uniform(first, 1.05) * self.seconds)
        return Moment(draws.uniform(0, 0.003), draws.randint(1 + int(first * self.changes), self.changes))


def start(words):
    """Start a command in a fork; return its process and a pipe with a byte for each change of a file."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.addaudithook(lambda event, _: os.write(write, b".") if event in CHANGES else None)
        os._exit(main(list(words)))
    os.close(write)
    return process, read


def killed(words, moment):
    """Run a command until a moment; return whether it was killed, or had ended before."""
    process, pipe = start(words)
    for _ in range(moment.change):
        os.read(pipe, 1)
    time.sleep(moment.seconds)
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    os.close(pipe)
    return os.WIFSIGNALED(status)


def ended(words):
    """Run a command to its end, which is a good one; return its length."""
    begin = time.monotonic()
    process, pipe = start(words)
    changes = 0
    while piece := os.read(pipe, 4096):
        changes += len(piece)
    os.close(pipe)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return Length(time.monotonic() - begin, changes)


def numbers(folder, command):
    result = load(folder / f"{command}.json")
    return replace(result, provenance=replace(result.provenance, seconds=0.0, created="", command=""))


def assert_same(folder, whole, command):
    """Check that two folders hold the same bits: weights, arrays, tables, pictures; dates and seconds apart."""
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for name in names:
        if name.suffix in (".npz", ".csv", ".png") or name.name in ("model.safetensors", "last.safetensors"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    if command == "train":
        one, other = (load_file(path / "state.safetensors") for path in (folder, whole))
        assert all(torch.equal(one[key], other[key]) for key in {*one, *other})
        assert epochs(folder) == epochs(whole)
    else:
        assert equal(numbers(folder, command), numbers(whole, command))


def epochs(folder):
    """Return the log of a training without its seconds."""
    lines = (json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def fell(folder):
    """Return what a kill interrupted, by what it left in the folder."""
    scratch = [path for path in folder.rglob(".*") if SCRATCH.fullmatch(path.name)]
    if any("parts" in path.parts or path.name.startswith(TRAINING) for path in scratch):
        return "writing a part"
    page = folder / "run.json"
    state = json.loads(page.read_text())["state"] if page.exists() else ""
    if state == "writing" or any(not path.name.startswith(".run.json.") for path in scratch):
        return "writing results"
    if scratch:
        return "writing run.json"
    if state == "done":
        return "after the results"
    return "computing" if state or (folder / "state.safetensors").exists() else "before the first part"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_kill_resumes_to_the_same_bits(tmp_path, command):
    words, draws = COMMANDS[command], random.Random(command)
    whole = tmp_path / "whole"
    assert main([*words, "--out", str(tmp_path / "imports")]) == 0
    length = ended([*words, "--out", str(whole)])
    kills, runs, where = 0, 0, Counter()
    while kills < KILLS:
        folder = tmp_path / str(runs)
        # A few kills a run, then it may end.
        for _ in range(draws.randint(1, 4)):
            if killed([*words, "--out", str(folder)], length.draw(draws)):
                kills += 1
                where[fell(folder)] += 1
        ended([*words, "--out", str(folder)])
        assert_same(folder, whole, command)
        assert not list(folder.rglob(".*"))
        runs += 1
    print(f"{command}: {kills} kills in {runs} runs, all resumed to the same bits; {dict(where.most_common())}")
    assert kills - where["before the first part"] - where["after the results"] > kills / 2


def test_a_kill_while_a_folder_is_overwritten_leaves_one_whole_result(tmp_path):
    words, out = COMMANDS["margin"], tmp_path / "out"
    draws, wanted = random.Random(0), {}
    for seed in ("0", "1"):
        assert main([*words, "--seed", seed, "--out", str(tmp_path / "imports"), "--overwrite"]) == 0
        ended([*words, "--seed", seed, "--out", str(tmp_path / seed)])
        wanted[seed] = numbers(tmp_path / seed, "margin")
    ended([*words, "--seed", "0", "--out", str(out)])
    length = ended([*words, "--seed", "1", "--out", str(out), "--overwrite"])
    kills, there, left, where = 0, "1", Counter(), Counter()
    while kills < KILLS:
        new = "0" if there == "1" else "1"
        # What may go wrong is at the end.
        first = 0 if draws.random() < 0.4 else 0.7
        was_killed = killed([*words, "--seed", new, "--out", str(out), "--overwrite"], length.draw(draws, first))
        result = numbers(out, "margin")
        after = next(seed for seed, curve in wanted.items() if equal(result, curve))
        if was_killed:
            kills += 1
            left["the new result" if after == new else "the old result"] += 1
            where[fell(out)] += 1
        there = after
    print(f"--overwrite: {kills} kills, {dict(left)}, never a mixture; {dict(where.most_common())}")
    assert min(left.values()) > 0
