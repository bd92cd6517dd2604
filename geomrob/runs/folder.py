"""A run: the folder that keeps its finished parts and its results, so that it can be stopped, resumed and merged.

folder/run.json              what the run depends on, the files of its results with their digests, how far it is
folder/parts/NAME/KEY.npz    one finished part each, there whole or not at all, sealed
folder/.lock                 the process that works in it
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from geomrob.errors import FileError, OtherRunError, UsageError, note
from geomrob.files import move_in, remove_scratch, stage, staged_name, write_atomic
from geomrob.runs.clock import versions
from geomrob.runs.fingerprint import digest, identity, settings_of
from geomrob.runs.lock import locked
from geomrob.runs.parts import read_part, write_part
from geomrob.tables import slug

Item = TypeVar("Item")
Part = dict[str, Tensor]

SCHEMA = 1
PAGE = "run.json"
RUNNING, WRITING, DONE = "running", "writing", "done"


def in_process(
    compute: Callable[[Any], Part], items: Mapping[str, Any], begin: Callable[[str], object]
) -> Iterator[tuple[str, Part]]:
    """Yield key and part of each item, one after the other: the engine of a run on one device.

    Another engine is called alike and may yield them in any order; what it is given can be sent to other processes by
    cloudpickle, `begin` apart, which it calls with the key of an item that it starts, if it can.
    """
    for key, item in items.items():
        begin(key)
        yield key, compute(item)


Engine = Callable[[Callable[[Any], Part], Mapping[str, Any], Callable[[str], object]], Iterator[tuple[str, Part]]]


class Run:
    """A folder that keeps the finished parts of computations: given to an analysis, which resumes from it.

    The analysis says what it depends on: weights, images, bands, options. A run of the same name and folder that
    depends on something else is refused, and what differs is named. A part that is cut, altered, or of another
    computation is noticed, and computed again.

    Args:
        folder: Made when missing.
        overwrite: Whether to start again, instead of refusing or resuming what is there.
        shard: (i, n) to compute every n-th part from the i-th on: the analysis then ends with `ShardDone`.
        command, settings: The words of the command line, and what they mean, compared as well.
        engine: What computes the parts.
        report: Called with a sentence on what was resumed.

    Raises:
        UsageError: The folder cannot be written to, or is at work in another process, or is of other settings.

    Example:
        >>> from geomrob.runs.parallel import ranges, work
        >>> folder = Path(getfixture("tmp_path"))
        >>> def powers(base, rows):
        ...     return {"power": base ** torch.arange(rows.start, rows.stop)}
        >>> import torch
        >>> parts = work(Run(folder), "powers", partial(powers, 2), ranges(4, 2))
        >>> [part["power"].tolist() for part in work(Run(folder), "powers", partial(powers, 2), ranges(4, 2))]
        [[1, 2], [4, 8]]
        >>> work(Run(folder), "powers", partial(powers, 3), ranges(4, 2))
        Traceback (most recent call last):
        geomrob.errors.OtherRunError: out must hold a run of the same settings; ... (base: 2 there, 3 here): ...
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        overwrite: bool = False,
        shard: tuple[int, int] | None = None,
        command: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        engine: Engine = in_process,
        report: Callable[[str], object] | None = None,
    ) -> None:
        self.folder, self.overwrite, self.shard = Path(folder), overwrite, _checked(shard)
        self.engine, self.report = engine, report
        self._own: dict[str, Any] = {"command": list(command), "settings": identity(settings), "shard": self.shard}
        self._page: dict[str, Any] | None = None
        self._digests: dict[str, str] = {}
        self._before, self._depth, self._held = 0, 0, contextlib.ExitStack()
        writable(self.folder)
        self._check(read_page(self.folder, damaged=overwrite))

    def __enter__(self) -> "Run":
        """Lock the folder, and clear up what a killed run has left."""
        if self._depth == 0:
            self._held.enter_context(locked(self.folder))
            try:
                self._recover()
            except BaseException:
                self._held.close()
                raise
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        """Give the lock back."""
        self._depth -= 1
        if self._depth == 0:
            self._held.close()

    @property
    def active(self) -> bool:
        """Whether this process has written to the run, so that there is something to resume."""
        return self._page is not None

    def begin(self, name: str, compute: "partial[Part]", items: Mapping[str, Any]) -> dict[str, Part]:
        """Return the parts of a computation that are there, by key; what it depends on is written down.

        Args:
            name: Of the computation.
            compute, items: As in `work`.

        Raises:
            UsageError: The folder holds parts of a computation of that name that depends on something else.
        """
        made = {key: version for key, version in versions().items() if key in ("geomrob", "torch")}
        settings = {**settings_of(compute), "parts": digest(identity(items)), "versions": made}
        computation: dict[str, Any] = {"digest": digest(settings), "settings": settings, "keys": list(items)}
        page = self._opened()
        known = page["computations"].get(name)
        if known is not None and known["digest"] != computation["digest"]:
            raise _other(self.folder, known["settings"], settings)
        if known is None:
            page["computations"][name] = computation
        page["state"] = RUNNING
        self._write(page)
        self._digests[name] = computation["digest"]
        folder = self.part(name, "any").parent
        folder.mkdir(parents=True, exist_ok=True)
        read = {key: read_part(self.part(name, key), self._belongs(name, key)) for key in items}
        kept = {key: part for key, part in read.items() if part is not None}
        damaged = sum(part is None and self.part(name, key).exists() for key, part in read.items())
        if damaged:
            told = f"{damaged} of the parts of {name} in {folder} {'was' if damaged == 1 else 'were'}"
            note(f"{told} cut, altered or of another computation, and are computed again")
        if kept and self.report is not None:
            self.report(f"resumed: {len(kept)} of {len(items)} parts of {name} were there")
        return kept

    def withdraw(self, name: str) -> None:
        """Forget a computation of which nothing is kept, since it was misused: the folder is free for another."""
        page = self._opened()
        page["computations"].pop(name, None)
        with contextlib.suppress(OSError):
            self.part(name, "any").parent.rmdir()
            (self.folder / "parts").rmdir()
        if page["computations"] or page["files"]:
            self._write(page)
        else:
            (self.folder / PAGE).unlink(missing_ok=True)
            self._page = None

    def share(self, items: Mapping[str, Item]) -> dict[str, Item]:
        """Return the items that this run computes: all, or those of its shard, counted over all its computations."""
        before, self._before = self._before, self._before + len(items)
        if self.shard is None:
            return dict(items)
        number, shards = self.shard
        return {key: item for at, (key, item) in enumerate(items.items(), before) if at % shards == number - 1}

    def keep(self, name: str, key: str, part: Part) -> None:
        """Keep one part; from here on it is finished."""
        write_part(self.part(name, key), self._belongs(name, key), part)

    def part(self, name: str, key: str) -> Path:
        """Return the file of one part, finished or not."""
        return self.path(self.folder, name, key)

    @staticmethod
    def path(folder: Path, name: str, key: str) -> Path:
        """Return the file of a part in a folder; no two names have the same folder of parts."""
        if not re.fullmatch(r"\w[\w.-]*", key, re.ASCII):
            raise UsageError(f"key must be letters, digits, '.', '_' or '-'; got {key!r}: rename the part")
        plain = slug(name)
        return folder / "parts" / (plain if plain == name else f"{plain}-{digest(name)[:8]}") / f"{key}.npz"

    def adopt(self, page: dict[str, Any]) -> None:
        """Take the computations of another folder over, of a shard: only its parts are missing."""
        own = self._opened()
        for name, computation in page["computations"].items():
            known = own["computations"].get(name, computation)
            if known["digest"] != computation["digest"]:
                raise _other(self.folder, known["settings"], computation["settings"])
        own["computations"] |= page["computations"]
        self._write(own)

    def publish(self, files: Mapping[Path, bytes]) -> None:
        """Write the files of the results all together: killed at any moment, the next start of the run completes them.

        They are written next to their places first, then listed with their digests in run.json, then moved. Files of
        earlier results that are none of these are removed, if they are still what was written.

        Args:
            files: Content by path, inside of the folder or not; the JSON of a result before its arrays (`load`).
        """
        with self:
            page = self._opened()
            for path in files:
                path.parent.mkdir(parents=True, exist_ok=True)
            stage(files)
            inside = {path: path.relative_to(self.folder) for path in files if self.folder in path.parents}
            listed = {str(name): hashlib.sha256(files[path]).hexdigest() for path, name in inside.items()}
            stale = {name: was for name, was in page["files"].items() if name not in listed}
            page |= {"state": WRITING, "files": listed, "stale": {**page.get("stale", {}), **stale}}
            self._write(page)
            move_in(files)
            self._settle(page)

    def shard_done(self) -> str:
        """Return the sentence with which a shard ends."""
        number, shards = self.shard or (1, 1)
        return f"shard {number} of {shards} is done: geomrob merge joins the folders of all {shards}"

    def _opened(self) -> dict[str, Any]:
        """Return run.json, begun where there is none, or a new one where what is there is given up."""
        if self._page is None:
            known = read_page(self.folder, damaged=self.overwrite)
            page: dict[str, Any] = {"schema": SCHEMA, "state": RUNNING, "computations": {}, "files": {}}
            if known is not None and self.overwrite:
                page |= {"files": known["files"], "stale": known.get("stale", {})}
                self._write({**page, **self._own, "versions": versions()})
                self._discard(known)
            elif known is not None:
                page |= known
            if self._own["settings"] is not None or "settings" not in page:
                page |= self._own
            self._page = {**page, "shard": self.shard, "versions": versions()}
        return self._page

    def _discard(self, page: Mapping[str, Any]) -> None:
        """Remove the parts of an earlier run."""
        for name, computation in page["computations"].items():
            for key in computation["keys"]:
                self.part(name, key).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                # Files of others stay.
                self.part(name, "any").parent.rmdir()

    def _write(self, page: dict[str, Any]) -> None:
        content = {key: value for key, value in page.items() if key != "digest"}
        text = json.dumps({**content, "digest": digest(content)}, indent=1)
        write_atomic(self.folder / PAGE, f"{text}\n".encode())

    def _check(self, page: Mapping[str, Any] | None) -> None:
        """Refuse a folder of another command or other options."""
        own, known = self._own["settings"], page and page["settings"]
        if not self.overwrite and own and known and own != known:
            raise _other(self.folder, known, own)

    def _belongs(self, name: str, key: str) -> str:
        return f"{self._digests[name]} {key}"

    def _recover(self) -> None:
        """Complete the files that a killed run was moving, and remove its scratch files."""
        page = read_page(self.folder, damaged=True)
        if page is not None and page["state"] == WRITING:
            for name, content in page["files"].items():
                path = self.folder / name
                waiting = staged_name(path, content)
                if waiting.exists():
                    waiting.replace(path)
            self._settle(page)
        folders = {self.folder, *((self.folder / name).parent for name in (page["files"] if page else ()))}
        for folder in (*folders, *(self.folder / "parts").glob("*/")):
            remove_scratch(folder)

    def _settle(self, page: dict[str, Any]) -> None:
        """Remove the files of earlier results, and say that the results are complete."""
        for name, content in page.pop("stale", {}).items():
            path = self.folder / name
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == content:
                path.unlink()
        page["state"] = DONE
        self._write(page)


def read_page(folder: Path, *, damaged: bool = False) -> dict[str, Any] | None:
    """Return run.json of a folder, None where there is none.

    Args:
        folder: Of a run.
        damaged: Whether one that is damaged counts as none.

    Raises:
        UsageError: It is damaged, or was edited.
    """
    path = folder / PAGE
    try:
        page: dict[str, Any] = json.loads(path.read_bytes())
        known = page.pop("digest")
        if page["schema"] == SCHEMA and digest(page) == known and _is_sound(page):
            return page
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    if damaged:
        return None
    raise UsageError(
        f"{path} must be as geomrob wrote it; got a damaged, edited or older one: add --overwrite, or name a new --out"
    )


def _is_sound(page: dict[str, Any]) -> bool:
    """Return whether run.json names only what a run may write: files inside its folder."""
    names = [Path(name) for listed in (page["files"], page.get("stale", {})) for name in listed]
    inside = all(not name.is_absolute() and ".." not in name.parts and name.parts for name in names)
    return inside and all(isinstance(part["keys"], list) for part in page["computations"].values())


def _other(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> OtherRunError:
    """Return the error for a run that depends on something else than the one in the folder."""
    names = sorted(key for key in {*there, *here} if there.get(key) != here.get(key))
    told: list[str] = []
    for key in names[:4]:
        sides = [json.dumps(side.get(key)) for side in (there, here)]
        told.append(f"{key}: {sides[0]} there, {sides[1]} here" if max(map(len, sides)) < 60 else f"other {key}")
    return OtherRunError(
        f"out must hold a run of the same settings; {folder} differs ({'; '.join(told)}{'; ...' * (len(names) > 4)}): "
        "name another --out, or add --overwrite to replace that run"
    )


def _checked(shard: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the shard, refused where there is none such."""
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise UsageError(f"shard must be i/n with i from 1 to n; got {shard[0]}/{shard[1]}: the first of 3 is 1/3")
    return shard


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
    except (OSError, FileError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.__cause__)
        raise UsageError(
            f"{expected} a folder to write to; got {folder} ({reason}): name a folder you may write to"
        ) from error
    return folder
