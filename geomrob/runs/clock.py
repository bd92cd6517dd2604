"""The clock of a computation: where its numbers come from, on what, at what cost."""

import platform
import shlex
import sys
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch

from geomrob import __version__
from geomrob.results import Provenance
from geomrob.seeds import check_seed


class Clock:
    """Started where a computation starts; gives its provenance where it ends."""

    def __init__(self, *, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = check_seed(seed)
        self.device = torch.device(device)
        self.created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.start = time.perf_counter()

    def provenance(self, *, forwards: int, backwards: int, notes: Iterable[str] = ()) -> Provenance:
        """Return the provenance of what was computed since the clock was started.

        Args:
            forwards: Model evaluations spent, one for each sample.
            backwards: The same for vector-Jacobian products.
            notes: What was converted, renumbered or left out; each is kept once.
        """
        return Provenance(
            command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            seed=self.seed,
            versions=versions(),
            device=device_name(self.device),
            seconds=time.perf_counter() - self.start,
            forwards=forwards,
            backwards=backwards,
            created=self.created,
            notes=tuple(dict.fromkeys(notes)),
        )


def versions() -> dict[str, str]:
    """Return the versions that a number may depend on."""
    packages = {name: version(name) for name in ("torch", "numpy", "scipy")}
    return {"geomrob": __version__, "python": platform.python_version(), **packages}


def device_name(device: torch.device | str) -> str:
    """Return the name of a device: for a GPU its model, for the CPU its architecture and the threads in use."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device.type} ({platform.machine()}, {threads} thread{'s' * (threads > 1)})"
