"""Ray as the engine of a run: actors on this machine or a cluster compute the parts, this process keeps them."""

import contextlib
import importlib
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geomrob.errors import UsageError

RETRIES = 3
"""How often an actor that dies is started again, and how often a part is tried again with it."""


def ray_engine(
    compute: Callable[[Any], dict[str, Tensor]],
    items: Mapping[str, Any],
    begin: Callable[[str], object],
    *,
    address: str | None = None,
    workers: int | None = None,
    gpus: float = 0,
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield key and part of each item as the actors of a Ray cluster finish them: an engine for `geomrob.runs.Run`.

    Each actor gets a copy of what `compute` is bound to, the model among it, and as many CPU threads as torch has here.
    A part whose actor dies is computed again by another one. The parts are those of one process, bit by bit, on the
    same kind of machine.

    Args:
        compute, items, begin: As `geomrob.runs.work` hands them over; `begin` is not called.
        address: Of a cluster that runs, as Ray takes it, or "auto"; by default Ray is started on this machine.
        workers: How many actors; by default as many as the cluster has room for, and no more than items.
        gpus: GPUs of an actor, or the share of one.

    Raises:
        UsageError: Ray is not installed, no cluster answers at `address` or it has no room for an actor, an actor dies
            again and again; and what `compute` raises.

    Example:
        >>> from functools import partial
        >>> from geomrob.runs import Run
        >>> run = Run(getfixture("tmp_path"), engine=partial(ray_engine, workers=2))
    """
    ray = check_ray()
    with _cluster(ray, address), _sent_along(ray):
        threads = torch.get_num_threads()
        count = min(len(items), workers or _room(ray, threads, gpus))
        actor = ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=RETRIES, max_task_retries=RETRIES)(Worker)
        # In a list, so that an actor fetches it itself, and again when it is started again.
        bound, paths = [ray.put(compute)], [str(Path(path).resolve()) for path in sys.path]
        pool = ray.util.ActorPool([actor.remote(threads, paths) for _ in range(count)])
        try:
            yield from pool.map_unordered(lambda worker, pair: worker.compute.remote(bound, *pair), items.items())
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            raise UsageError(
                f"workers must stay alive; got one that died {RETRIES + 1} times over one part: give them more memory, "
                "or lower --memory or --workers"
            ) from error


class Worker:
    """What an actor is: the function of the parts with its own copy of the model."""

    def __init__(self, threads: int, paths: list[str]) -> None:
        # What this process imports lies where the driver found it: on this machine, or on a shared file system.
        sys.path += [path for path in paths if path not in sys.path]
        torch.set_num_threads(threads)
        self.function: Any = None

    def compute(self, bound: list[Any], key: str, item: Any) -> tuple[str, dict[str, Tensor]]:
        """Return the key and the part of an item; the function of the parts, in a list, is fetched the first time."""
        if self.function is None:
            self.function = importlib.import_module("ray").get(bound[0])
        return key, self.function(item)


def check_ray() -> Any:
    """Return Ray.

    Raises:
        UsageError: It is not installed.
    """
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util")
    except ImportError:
        raise UsageError("engine ray must have Ray; got an installation without: pip install 'geomrob[ray]'") from None
    return ray


@contextlib.contextmanager
def _cluster(ray: Any, address: str | None) -> Generator[None]:
    """Hold a connection to a cluster; one that is open already is used and stays open."""
    if ray.is_initialized():
        yield
        return
    local = {} if address else {"include_dashboard": False}
    try:
        _check_reachable(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"address must be that of a Ray cluster that runs; got {address} ({reason}): start it with ray start --head"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise an OSError if nothing listens at host:port, for which Ray would look for many minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _room(ray: Any, threads: int, gpus: float) -> int:
    """Return for how many actors the cluster has room."""
    there = ray.cluster_resources()
    room = int(there.get("CPU", 0) // threads)
    if gpus:
        room = min(room, int(there.get("GPU", 0) / gpus))
    if room < 1:
        raise UsageError(
            f"workers must fit the cluster; got {threads} CPUs and {gpus:g} GPUs for each where it has "
            f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g}: lower --threads or --gpus-per-worker"
        )
    return room


@contextlib.contextmanager
def _sent_along(ray: Any) -> Generator[None]:
    """Send the code that other processes cannot import by its name (a model of `file.py:factory`) with the function."""
    tops = {name: module for name, module in sys.modules.items() if "." not in name and hasattr(module, "__file__")}
    sent = [module for name, module in tops.items() if name != "__main__" and not _importable(name)]
    for module in sent:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in sent:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _importable(name: str) -> bool:
    """Return whether a module would be found by its name, were it not imported yet."""
    return any(finder.find_spec(name, None) is not None for finder in sys.meta_path)
