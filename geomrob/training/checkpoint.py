"""The folder of a training: everything needed to resume it after a kill, in one file, and what others want to read.

state.safetensors      weights, states of optimizer and objective, best weights so far, history: written last
model.safetensors      the best weights so far
last.safetensors       the weights after the last finished epoch
objective.safetensors  what the objective trained or kept, if anything (such as the layer weights of a regulariser)
log.jsonl              one line an epoch

Each file is there whole or not at all.
"""

import contextlib
import dataclasses
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from geomrob.errors import UsageError
from geomrob.files import remove_scratch, write_atomic
from geomrob.runs import writable
from geomrob.runs.lock import locked

FILES = ("model.safetensors", "last.safetensors", "objective.safetensors", "state.safetensors", "log.jsonl")
GROUPS = ("weights", "optimizer", "objective", "average", "best")


@dataclass(frozen=True)
class Epoch:
    """One line of the log: the mean training loss, the rate of the last step, the held-out accuracy (NaN without)."""

    epoch: int
    loss: float
    rate: float
    held_out: float
    seconds: float


@dataclass(frozen=True)
class State:
    """A training between two epochs. `run` says which training; only the same one may be resumed from here.

    `optimizer` is what `optimizer_state` returns, `average` the running mean of the weights, if one is kept.
    """

    run: str
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    objective: dict[str, Tensor]
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    best_epoch: int
    history: tuple[Epoch, ...]


@contextlib.contextmanager
def held(folder: Path | None) -> Generator[None]:
    """Hold the folder of a training, made when missing: no other trains in it; scratch files of a killed one go.

    Raises:
        UsageError: It cannot be written to, or another process trains in it.
    """
    if folder is None:
        yield
        return
    writable(folder)
    with locked(folder):
        remove_scratch(folder)
        yield


def write(folder: Path, state: State) -> None:
    """Write the files of the folder; a kill at any moment leaves the state of this epoch or of the one before."""
    facts = {"run": json.loads(state.run), "best_epoch": state.best_epoch}
    lines = [json.dumps(dataclasses.asdict(epoch)) for epoch in state.history]
    write_atomic(folder / "model.safetensors", export(state.best, facts | {"epoch": state.best_epoch}))
    last = facts | {"epoch": len(state.history)}
    write_atomic(folder / "last.safetensors", export(state.average or state.weights, last))
    if state.objective:
        write_atomic(folder / "objective.safetensors", export(state.objective, last))
    write_atomic(folder / "log.jsonl", "".join(line + "\n" for line in lines).encode())
    tensors = {f"{group}:{key}": value for group in GROUPS for key, value in getattr(state, group).items()}
    write_atomic(folder / "state.safetensors", export(tensors, facts | {"history": lines}))


def written(folder: Path) -> list[Path]:
    """Return the files of the folder that are there."""
    return [folder / name for name in FILES if (folder / name).exists()]


def export(tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> bytes:
    """Return tensors as the bytes of a safetensors file, `facts` under the one key `geomrob` of its metadata."""
    copies = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    return save(copies, {"geomrob": json.dumps(facts, sort_keys=True)})


def read(folder: Path, run: str) -> State | None:
    """Return the state that a training left in its folder, None if there is none.

    Raises:
        UsageError: The file is damaged, or it is the state of another training.
    """
    path = folder / "state.safetensors"
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = json.loads(header["__metadata__"]["geomrob"])
        tensors = load(data)
        history = tuple(Epoch(**json.loads(line)) for line in facts["history"])
        groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
        for key, value in tensors.items():
            group, _, name = key.partition(":")
            groups[group][name] = value
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UsageError(f"{path} must be a sound training state; got {error!r}: remove it, or start afresh") from None
    if facts["run"] != json.loads(run):
        raise UsageError(f"out must be empty or hold this training; got another one in {folder}: choose another folder")
    return State(run, **groups, best_epoch=facts["best_epoch"], history=history)
