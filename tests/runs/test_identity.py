"""One command in every way in which it can be run: the SHA-256 of its merged arrays is one.

    GEOMROB_DATA=... pytest -o addopts= -s tests/runs/test_identity.py    # prints the table of docs/scale.md

The way with Ray needs Ray, the second model CIFAR-10. Without them the rest is compared.
"""

import hashlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from geomrob.cli import main
from tests.interop.processes import below, title

pytestmark = pytest.mark.slow

DRAWS = random.Random(0)

# Five parts each: the small memory makes small blocks, and with them small parts.
COMMANDS = {
    "fmnist-lenet": ("--samples", "320", "--size", "14", "--step", "14", "--memory", "0.002"),
    "cifar10-resnet20": ("--data", "cifar10", "--samples", "80", "--size", "16", "--step", "16", "--memory", "0.02"),
}


def words(model, out, *more):
    return ["margin", "--model", model, *COMMANDS[model], "--attack", "deepfool", "--out", str(out), *more]


def parts(out):
    return len(list(out.glob("parts/*/*.npz")))


def one_process(model, out):
    assert main(words(model, out)) == 0
    assert parts(out) == 5


def three_shards(model, out):
    folders = [f"{out}-{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(folders, 1):
        assert main(words(model, folder, "--shard", f"{number}/3")) == 0
    assert main(["merge", folders[2], folders[0], folders[1], "--out", str(out)]) == 0


def three_kills(model, out):
    for kept in (0, 1, 3):
        process = os.fork()
        if process == 0:
            os._exit(main(words(model, out)))
        wait_for(out, kept)
        time.sleep(DRAWS.uniform(0, 0.5))
        os.kill(process, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
    assert main(words(model, out)) == 0


def wait_for(out, kept):
    """Wait until a run has begun, and has kept so many parts."""
    while not (out / "run.json").exists() or parts(out) < kept:
        time.sleep(0.002)


def with_ray(model, out, *, kill=False):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    command = [sys.executable, "-m", "geomrob", *words(model, out, "--engine", "ray", "--workers", "2")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as process:
        if kill:
            wait_for(out, 1)
            time.sleep(DRAWS.uniform(0, 0.5))
            workers = [pid for pid in below(process.pid) if title(pid).startswith("ray::Worker")]
            assert len(workers) == 2
            assert parts(out) < 5
            os.kill(DRAWS.choice(workers), signal.SIGKILL)
    assert process.returncode == 0


WAYS = {
    "one process": one_process,
    "three shards, merged in another order": three_shards,
    "three kills (SIGKILL), resumed": three_kills,
    "two Ray workers": with_ray,
    "two Ray workers, one of them killed": lambda model, out: with_ray(model, out, kill=True),
}


@pytest.fixture(scope="module")
def digests():
    return {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", COMMANDS)
def test_every_way_gives_the_same_arrays(tmp_path, digests, model, way):
    if model.startswith("cifar10") and "GEOMROB_DATA" not in os.environ:
        pytest.skip("set GEOMROB_DATA to the folder of CIFAR-10")
    torch.set_num_threads(1)
    WAYS[way](model, tmp_path / "out")
    digest = hashlib.sha256((tmp_path / "out" / "margin.npz").read_bytes()).hexdigest()
    print(f"| {model} | {way} | `{digest[:16]}` |")
    assert digests.setdefault(model, digest) == digest
