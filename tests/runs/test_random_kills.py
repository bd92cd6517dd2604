"""Commands killed (SIGKILL) at random moments, 50 times each: resumed to the same bits, never a mixture of results.

The killed processes are forks of this one, so that a kill costs no import. They run with
`pytest -m slow tests/runs/test_random_kills.py`.
"""

import os
import random
import signal
import time
from dataclasses import replace

import pytest

from geomrob.cli import main
from geomrob.results import equal, load

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("GEOMROB_KILLS", "50"))

COMMANDS = {
    "margin": ("margin", "--samples", "8", "--attack", "deepfool", "--size", "14", "--step", "14"),
    "sparsefool": ("sparsefool", "--samples", "16"),
    "corruptions": ("corruptions", "--samples", "16", "--severities", "1", "--severities", "5"),
    "boundary": ("boundary", "--samples", "8", "--budget", "150"),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    for name, value in {
        "analysis.margins.PAIRS": 2,
        "analysis.sparsity.LEAST": 2,
        "analysis.decision_based.LEAST": 1,
        "inference.prepared.CPU_BLOCK": 2,
        "inference.prepared.CPU_FORWARD_BLOCK": 1,
    }.items():
        monkeypatch.setattr(f"geomrob.{name}", value)


def forked(words, seconds=None):
    """Run a command in a fork; kill it after so many seconds. Return its status, None if it was killed."""
    process = os.fork()
    if process == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(main(list(words)))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def numbers(folder, command):
    result = load(folder / f"{command}.json")
    return replace(result, provenance=replace(result.provenance, seconds=0.0, created="", command=""))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_kill_resumes_to_the_same_bits(tmp_path, command):
    words = COMMANDS[command]
    draws, whole = random.Random(command), tmp_path / "whole"
    assert main([*words, "--out", str(whole)]) == 0
    start = time.monotonic()
    assert forked([*words, "--out", str(tmp_path / "time")]) == 0
    duration = time.monotonic() - start
    kills, runs, resumed = 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / str(runs)
        # A few kills a run, then it may end.
        for _ in range(draws.randint(1, 4)):
            killed = forked([*words, "--out", str(folder)], draws.uniform(0, duration)) is None
            kills += killed
            resumed += killed and any(folder.rglob("parts/*/*.npz"))
        assert forked([*words, "--out", str(folder)]) == 0
        assert equal(numbers(folder, command), numbers(whole, command))
        assert not list(folder.rglob(".*"))
        runs += 1
    print(f"{command}: {kills} kills in {runs} runs, {resumed} with parts; all equal")
    assert resumed > kills / 10


def test_a_kill_while_a_folder_is_overwritten_leaves_one_whole_result(tmp_path):
    words, out = COMMANDS["margin"], str(tmp_path / "out")
    draws = random.Random(0)
    wanted = {}
    for seed in ("0", "1"):
        assert main([*words, "--seed", seed, "--out", str(tmp_path / seed)]) == 0
        wanted[seed] = numbers(tmp_path / seed, "margin")
    assert main([*words, "--seed", "0", "--out", out]) == 0
    start = time.monotonic()
    assert forked([*words, "--seed", "1", "--out", out, "--overwrite"]) == 0
    duration = time.monotonic() - start
    kills, there, seen = 0, "1", {"0": 0, "1": 0}
    while kills < KILLS:
        new = "0" if there == "1" else "1"
        # Most of what may go wrong is at the end.
        after = draws.uniform(0, duration) if draws.random() < 0.4 else draws.uniform(0.7, 1.05) * duration
        killed = forked([*words, "--seed", new, "--out", out, "--overwrite"], after) is None
        found = numbers(tmp_path / "out", "margin")
        there = next(seed for seed, curve in wanted.items() if equal(found, curve))
        kills += killed
        seen[there] += killed
    print(f"overwriting: {kills} kills, one whole result each time: {seen}")
