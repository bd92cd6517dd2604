"""Ray as the engine of a run: the parts of one process, whatever dies; one cluster for all, since it starts slowly."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from geomrob import load_data, load_model
from geomrob.analysis.margin_bands import margin_bands
from geomrob.analysis.margins import margin_curve
from geomrob.cli import main
from geomrob.errors import UsageError
from geomrob.interop.ray_engine import ray_engine
from geomrob.runs import Run, ranges, work
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks
from tests.interop.processes import below, cpu_seconds, title

FACTORY = """
import torch
from beside import width

def small():
    torch.manual_seed(0)
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            first, last = torch.nn.Linear(64, width()), torch.nn.Linear(width(), 4)
            self.layers = torch.nn.Sequential(torch.nn.Flatten(), first, torch.nn.Tanh(), last)
        def forward(self, x):
            return self.layers(x)
    return Net()
"""


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def curve(model, run=None):
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    bands = blocks(basis("dct", (8, 8)), size=2, step=1)
    return margin_curve(model, images, subspaces=bands, attack="deepfool", run=run)


def squares(scale, rows):
    return {"square": scale * torch.arange(rows.start, rows.stop) ** 2}


def dies_once(mark, rows):
    if rows.start == 2 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"row": torch.arange(rows.start, rows.stop)}


def dies_always(rows):
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(rows):
    raise UsageError("images must be nice; got others: take nice ones")


@pytest.mark.usefixtures("cluster")
def test_two_workers_give_the_bits_of_one_process_for_a_model_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("geomrob.analysis.margins.PAIRS", 64)
    (tmp_path / "beside.py").write_text("def width():\n    return 12\n")
    (tmp_path / "nets.py").write_text(FACTORY)
    model = load_model(f"{tmp_path / 'nets.py'}:small")
    alone = curve(model)
    spread = curve(model, Run(tmp_path / "run", engine=partial(ray_engine, workers=2)))
    assert len(list((tmp_path / "run").glob("parts/*/*.npz"))) > 1
    for name in ("distances", "status", "targets", "forwards", "backwards", "predictions"):
        assert torch.equal(getattr(alone, name), getattr(spread, name)), name


@pytest.mark.benchmark
@pytest.mark.usefixtures("cluster")
def test_two_workers_are_nearly_twice_as_fast_as_one_process(tmp_path):
    """Work of a minute: by wall time where the machine is quiet, else by the CPU time of the worker that took more.

    Ray gives its workers a low priority: beside other work they wait for the machine, and their wall time says nothing.
    """
    quiet = os.getloadavg()[0] < 0.5
    torch.set_num_threads(1)
    model, samples = load_model("fmnist-lenet"), load_data("fashion-mnist-1k", samples=192)
    bands = margin_bands(samples)
    spent = {}

    def watched(compute, items, begin):
        for pair in ray_engine(compute, items, begin, workers=2):
            yield pair
            spent.update({pid: cpu_seconds(pid) for pid in below(os.getpid()) if title(pid).startswith("ray::Worker")})

    def seconds(run):
        wall, cpu = time.monotonic(), time.process_time()
        result = margin_curve(model, samples.images, subspaces=bands, attack="tight", run=run)
        return result.distances, time.monotonic() - wall, time.process_time() - cpu

    distances, wall, cpu = seconds(None)
    spread, spread_wall, driver = seconds(Run(tmp_path, engine=watched))
    assert torch.equal(spread, distances)
    by_wall, by_cpu = wall / spread_wall, cpu / max(spent.values())
    each = " and ".join(f"{value:.1f}" for value in sorted(spent.values()))
    print(
        f"one process {wall:.1f} s ({cpu:.1f} CPU s), two workers {spread_wall:.1f} s ({each} CPU s, {driver:.1f} the"
    )
    print(f"driver): {by_wall:.2f} by wall time, {by_cpu:.2f} by CPU time; quiet: {quiet}")
    assert (by_wall if quiet else by_cpu) >= 1.7


@pytest.mark.usefixtures("cluster")
def test_a_part_whose_worker_is_killed_is_computed_again(tmp_path):
    run = Run(tmp_path / "run", engine=partial(ray_engine, workers=2))
    parts = work(run, "rows", partial(dies_once, str(tmp_path / "mark")), ranges(8, 2))
    assert (tmp_path / "mark").exists()
    assert torch.equal(torch.cat([part["row"] for part in parts]), torch.arange(8))


@pytest.mark.usefixtures("cluster")
def test_a_part_that_kills_every_worker_ends_in_a_sentence(tmp_path):
    run = Run(tmp_path / "run", engine=partial(ray_engine, workers=1))
    with pytest.raises(UsageError, match="workers must stay alive"):
        work(run, "rows", partial(dies_always), ranges(2, 2))


@pytest.mark.usefixtures("cluster")
def test_what_a_worker_refuses_is_refused_in_the_same_words(tmp_path):
    run = Run(tmp_path / "run", engine=partial(ray_engine, workers=1))
    with pytest.raises(UsageError, match=r"^images must be nice; got others: take nice ones$"):
        work(run, "rows", partial(refuses), ranges(2, 2))


@pytest.mark.usefixtures("cluster")
def test_more_than_the_cluster_has_is_refused(tmp_path):
    run = Run(tmp_path / "run", engine=partial(ray_engine, gpus=1))
    with pytest.raises(UsageError, match="workers must fit the cluster"):
        work(run, "squares", partial(squares, 2), ranges(2, 2))


def test_an_address_where_nothing_listens_is_refused_at_once(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    run = Run(tmp_path / "run", engine=partial(ray_engine, address="127.0.0.1:9"))
    with pytest.raises(UsageError, match=r"address must be that of a Ray cluster that runs; got 127.0.0.1:9"):
        work(run, "squares", partial(squares, 2), ranges(2, 2))


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["margin", "--samples", "2", "--engine", "ray", "--out", str(tmp_path)]) == 2
    assert "pip install 'geomrob[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "2"], "workers must go with --engine ray"),
        (["--address", "auto"], "address must go with --engine ray"),
        (["--engine", "ray", "--workers", "0"], "workers must be from 1"),
        (["--engine", "ray", "--gpus-per-worker", "-1"], "gpus-per-worker must be from 0"),
        (["--engine", "ray", "--gpus-per-worker", "nan"], "gpus-per-worker must be from 0"),
        (["--engine", "dask"], "engine"),
    ],
)
def test_options_of_the_engine_are_checked(words, told, tmp_path, capsys):
    assert main(["margin", "--samples", "2", *words, "--out", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
