"""A run: the folder that keeps its finished parts, so that it can be stopped, resumed, split and merged; its clock.

folder/run.json         the settings, and their digest: another run with other settings is refused
folder/parts/KEY.npz    one finished part each, there whole or not at all
"""

import hashlib
import json
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geomrob import __version__
from geomrob.errors import UsageError
from geomrob.files import pack, unpack, write_atomic
from geomrob.results import Provenance


class Clock:
    """Started where a computation starts; gives its provenance where it ends."""

    def __init__(self, *, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
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


class Run:
    """A folder that keeps the finished parts of one computation with one set of settings.

    Args:
        folder: Made when missing.
        settings: Everything the parts depend on, as JSON can say it. Opening the folder again needs the same settings.

    Raises:
        UsageError: The folder cannot be written to, or belongs to a run with other settings.

    Example:
        >>> folder = Path(getfixture("tmp_path"))
        >>> run = Run(folder, {"seed": 0})
        >>> run.save_part("band-0", {"distances": torch.tensor([1.5])})
        >>> Run(folder, {"seed": 0}).load_part("band-0")
        {'distances': tensor([1.5000])}
    """

    def __init__(self, folder: Path | str, settings: Mapping[str, object]) -> None:
        self.folder = Path(folder)
        self.settings: dict[str, Any] = json.loads(json.dumps(dict(settings), sort_keys=True))
        writable(self.folder / "parts")
        page = self.folder / "run.json"
        if not page.exists():
            text = json.dumps({"digest": _digest(self.settings), "settings": self.settings}, indent=1)
            write_atomic(page, f"{text}\n".encode())
        _check_settings(page, self.settings)

    def part(self, key: str) -> Path:
        """Return the file of one part, finished or not."""
        if not re.fullmatch(r"\w[\w.-]*", key, re.ASCII):
            raise UsageError(f"key must be letters, digits, '.', '_' or '-'; got {key!r}: rename the part")
        return self.folder / "parts" / f"{key}.npz"

    def has(self, key: str) -> bool:
        """Return whether a part is finished."""
        return self.part(key).exists()

    def save_part(self, key: str, arrays: Mapping[str, Tensor]) -> None:
        """Keep the named tensors of one part; from here on it is finished."""
        write_atomic(self.part(key), pack(arrays))

    def load_part(self, key: str) -> dict[str, Tensor]:
        """Return the named tensors of one finished part, on the CPU.

        Raises:
            UsageError: The part is not finished, or its file is damaged.
        """
        path = self.part(key)
        if not path.exists():
            raise UsageError(f"part {key!r} must be finished; got none in {self.folder}: run it first")
        try:
            return unpack(path.read_bytes())
        except UsageError as error:
            raise UsageError(f"{path} must be a part written by geomrob; got a damaged file: delete it") from error

    def merge(self, shards: Iterable[Path | str]) -> int:
        """Return how many parts were copied from the folders of other runs with the same settings.

        A part that is already here stays as it is: with equal settings its numbers are the same.

        Raises:
            UsageError: A folder is no run, or belongs to a run with other settings.
        """
        taken = 0
        for shard in map(Path, shards):
            _check_settings(shard / "run.json", self.settings)
            for path in sorted((shard / "parts").glob("*.npz")):
                if not self.has(path.stem):
                    write_atomic(self.part(path.stem), path.read_bytes())
                    taken += 1
        return taken


def writable(folder: Path, expected: str = "out must be") -> Path:
    """Return `folder`, made when missing, after a trial file was written to it and removed: fail before the work.

    Args:
        folder: Where something will be written.
        expected: How the sentence of the error starts, with the argument that named the folder.

    Raises:
        UsageError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        write_atomic(probe, b"")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{expected} a folder to write to; got {folder} ({error.strerror}): name a folder you may write to"
        ) from error
    return folder


def _digest(settings: Mapping[str, object]) -> str:
    """Return the fingerprint of settings, whatever the order they are named in."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _check_settings(page: Path, wanted: Mapping[str, object]) -> None:
    """Refuse a run folder that was made with other settings than `wanted`."""
    try:
        content = json.loads(page.read_bytes())
        digest, settings = content["digest"], dict(content["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{page} must be the page of a run; got none or a damaged one: remove it or name a new --out"
        ) from error
    if digest != _digest(wanted):
        names = sorted(key for key in {*settings, *wanted} if settings.get(key) != wanted.get(key))
        differences = "; ".join(f"{key}: {settings.get(key)!r} there, {wanted.get(key)!r} here" for key in names[:3])
        raise UsageError(
            f"out must hold a run of the same settings; {page.parent} differs ({differences}): name another "
            "--out, or repeat those settings"
        )
