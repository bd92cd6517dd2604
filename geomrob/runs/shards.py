"""The shards of a run joined in one folder, from which the run then resumes: all its parts are there."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geomrob.errors import UsageError
from geomrob.files import write_atomic
from geomrob.runs.folder import Run, read_page
from geomrob.runs.parts import sealed


def merge(folders: Sequence[Path | str], out: Path | str, *, overwrite: bool = False) -> list[str]:
    """Return the command of the run whose shards are now joined in `out`; with `out` as its folder it computes nothing.

    Args:
        folders: Of all shards of one run, each once.
        out: Another folder, without a run, or with the same one.
        overwrite: Whether a run that is there is given up.

    Returns:
        The words of the command; none for shards that were computed in Python: call the analysis with `Run(out)`.

    Raises:
        UsageError: A folder that is no shard, or one of another run; a shard that is missing, comes twice or is not
            done; a part that two of them have.
    """
    shards = [Path(folder) for folder in folders]
    if not shards:
        raise UsageError("folders must be those of all shards; got none: name them")
    # Not Path.resolve, which fails for a loop of links.
    if os.path.realpath(out) in map(os.path.realpath, shards):
        raise UsageError(f"out must be another folder than the shards; got {out}: name a new one")
    pages = {shard: _page(shard) for shard in shards}
    first = pages[shards[0]]
    for shard, page in pages.items():
        if any(page[key] != first[key] for key in ("settings", "computations", "schema")):
            raise UsageError(
                f"folders must be shards of one run; got {shards[0]} and {shard} of two: merge those of one"
            )
    _check_numbers(pages, len(folders))
    with Run(out, overwrite=overwrite, command=_unsharded(first["command"]), settings=first["settings"]) as run:
        run.adopt(first)
        for name, computation in first["computations"].items():
            for key in computation["keys"]:
                content = _part(shards, name, key, computation["digest"])
                run.part(name, key).parent.mkdir(parents=True, exist_ok=True)
                write_atomic(run.part(name, key), content)
    return _unsharded(first["command"])


def _page(shard: Path) -> dict[str, Any]:
    """Return run.json of a shard."""
    page = read_page(shard)
    if page is None or page["shard"] is None:
        found = "a folder without run.json" if page is None else "a run that is no shard"
        raise UsageError(f"folders must be shards of one run; got {shard}, {found}: run its command with --shard i/n")
    return page


def _check_numbers(pages: dict[Path, dict[str, Any]], given: int) -> None:
    """Refuse shards that are not 1 to n, each once."""
    counts = sorted({page["shard"][1] for page in pages.values()})
    numbers = [page["shard"][0] for page in pages.values()]
    if len(counts) > 1 or given > len(pages) or len(set(numbers)) < len(numbers):
        told = ", ".join(f"{page['shard'][0]}/{page['shard'][1]} in {shard}" for shard, page in pages.items())
        raise UsageError(f"folders must be the shards of one run, each once; got {told}: leave out what is double")
    missing = [f"{number}/{counts[0]}" for number in range(1, counts[0] + 1) if number not in numbers]
    if missing:
        raise UsageError(f"folders must be all shards of the run; got none for {', '.join(missing)}: add them")


def _part(shards: Sequence[Path], name: str, key: str, computation: str) -> bytes:
    """Return the bytes of a part from the one shard that has it."""
    found = [
        (shard, content)
        for shard in shards
        if (content := sealed(Run.path(shard, name, key), f"{computation} {key}")) is not None
    ]
    if not found:
        files = [path for shard in shards if (path := Run.path(shard, name, key)).exists()]
        what = f"a damaged or foreign one in {files[0]}" if files else "none"
        raise UsageError(f"folders must have every part; got {what} for {key} of {name}: run the shards to their end")
    if len(found) > 1:
        both = " and ".join(str(shard) for shard, _ in found)
        raise UsageError(f"folders must have each part once; got {key} of {name} in {both}: remove the copy")
    return found[0][1]


def _unsharded(command: Sequence[str]) -> list[str]:
    """Return the words of a command without those that belong to one shard."""
    words: list[str] = []
    skip = False
    for word in command:
        if skip:
            skip = False
        elif word in ("--shard", "--out"):
            skip = True
        elif not word.startswith(("--shard=", "--out=")) and not word.startswith("--overwrite"):
            words.append(word)
    return words
