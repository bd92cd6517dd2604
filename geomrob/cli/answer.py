"""What a command hands out: tables or one JSON object on stdout, results, CSV and pictures in its folder."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from geomrob.cli import console
from geomrob.cli.console import say, show_table
from geomrob.cli.invocation import current_run
from geomrob.tables import Record, Table, is_unknown, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from geomrob.results.provenance import Provenance
    from geomrob.results.result import Result

SCHEMA = 2
"""Of the JSON object. 1 had a shape for each command."""


class Answer:
    """The results of a command, the files that hold them, and the one way in which they are shown.

    Attributes:
        results: What was measured, in the order in which it is shown.
        files: What is written, in order.
        contents: Of the files, until `finish` writes them.
        trainings: Names of the trainings of each model that has several: their tables are shown as one, with means.
        remarks: Sentences that a reader of the numbers has to know, besides those of the results.
        shown: The tables, those of the results by default.
    """

    def __init__(
        self,
        command: str,
        folder: Path | None,
        results: "Sequence[Result]",
        *,
        as_json: bool,
        data_notes: Sequence[str] = (),
        trainings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Take the results; `data_notes`, those of the images, are added to the provenance of each."""
        self.trainings = trainings or {}
        self.command, self.folder, self.as_json = command, folder or Path(), as_json
        self.results = [_with_notes(result, data_notes) for result in results]
        self.files: list[Path] = []
        self.contents: dict[Path, bytes] = {}
        self.remarks: list[str] = []
        self.shown: list[Table] | None = None

    def save(self, results: "Sequence[Result] | None" = None, name: str = "") -> None:
        """Write results for `geomrob.load`: NAME.json with .npz, or NAME-LABEL.json for each of several.

        Args:
            results: All by default.
            name: That of the command by default.
        """
        from geomrob.results.store import as_files

        chosen, name = self.results if results is None else results, name or self.command
        for part, result in zip(file_names(chosen), chosen, strict=True):
            files = as_files(result, self.folder / f"{name}{part}.json")
            self.contents |= files
            self.files += files

    def csv(self, rows: Sequence[Record] | None = None, name: str = "") -> None:
        """Write rows as NAME.csv: unknown numbers empty, infinite ones inf.

        Args:
            rows: The records of all results by default.
            name: That of the command by default.
        """
        rows = [row for result in self.results for row in result.records()] if rows is None else rows
        self.write(f"{name or self.command}.csv", to_csv(rows).encode())

    def picture(self, drawing: "Figure | SubFigure | Axes | None", path: Path) -> None:
        """Write a figure, or that of axes, in the format of its ending; None for none, also of an earlier run."""
        if drawing is None:
            return
        buffer = io.BytesIO()
        cast("Figure", drawing.figure).savefig(buffer, format=path.suffix[1:].lower())
        self.contents[path] = buffer.getvalue()
        self.files.append(path)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of another kind into the folder."""
        self.contents[self.folder / name] = content
        self.files.append(self.folder / name)

    def finish(self, *, complete: bool = True) -> int:
        """Write all files together, show everything on stdout, and return the exit status.

        It is 0, or 3 where not all was found.
        """
        self._pool()
        self.publish()
        if self.as_json:
            say(self.to_json())
        else:
            self._show()
        return 0 if complete else 3

    def publish(self) -> None:
        """Write the files, as `finish` does; with the run of the folder, if there is one: files of its past go then."""
        if not self.contents:
            return
        from geomrob.files import move_in, stage

        if (run := current_run(self.folder)) is not None:
            run.publish(self.contents)
            return
        stage(self.contents)
        move_in(self.contents)

    def _pool(self) -> None:
        """Write and show mean and standard error over the trainings of each model that has several."""
        if not any(len(names) > 1 for names in self.trainings.values()):
            return
        from geomrob.results.result import model_of
        from geomrob.results.training import over_trainings

        pooled = over_trainings(self.results, self.trainings)
        if not pooled:
            return
        name = f"{self.command}-trainings"
        self.save(pooled, name)
        kinds = list(dict.fromkeys(each.kind for each in pooled))
        for kind in kinds:
            rows = [row for each in pooled if each.kind == kind for row in each.records()]
            keys = dict.fromkeys(key for row in rows for key in row)
            self.csv(
                [{key: row.get(key) for key in keys} for row in rows],
                name if len(kinds) == 1 else f"{name}-{kind.lower()}",
            )
        if self.shown is None:
            whole = {(name, each.kind) for each in pooled for name in each.trainings}
            alone = [result for result in self.results if (model_of(result), type(result).__name__) not in whole]
            self.shown = [table for result in (*alone, *pooled) for table in result.tables()]
        self.results += pooled

    def to_json(self) -> str:
        """Return the JSON object: strict, "inf" or "-inf" for what is infinite, null for what is unknown."""
        results: list[dict[str, Any]] = []
        for result in self.results:
            spent = getattr(result, "provenance", None)
            results.append(
                {
                    "kind": type(result).__name__,
                    "facts": result.summary(),
                    "rows": result.records(),
                    "notes": result.caveats(),
                    "provenance": None if spent is None else vars(spent),
                }
            )
        notes = list(dict.fromkeys([*self.remarks, *console.printed_notes(), *self._noted()]))
        answer = {"schema": SCHEMA, "command": self.command, "results": results, "notes": notes}
        return json.dumps(_strict({**answer, "files": [str(file) for file in self.files]}), allow_nan=False, indent=1)

    def _noted(self) -> list[str]:
        """Return what the provenance of the results notes: what was converted, renumbered or left out."""
        spent = [getattr(result, "provenance", None) for result in self.results]
        return [note for one in spent if one is not None for note in one.notes]

    def _show(self) -> None:
        """Write the tables, those with one title as one, then the notes, the costs and the files."""
        from geomrob.results.result import model_of

        every = [table for result in self.results for table in result.tables()]
        for table in merged(every if self.shown is None else self.shown):
            say(*table.title)
            if table.rows:
                show_table(table)
        say(*dict.fromkeys(note for result in self.results for note in result.caveats()), *self.remarks)
        costs: dict[int, tuple[str, Provenance]] = {}
        for result in self.results:
            if (spent := getattr(result, "provenance", None)) is not None:
                costs.setdefault(id(spent), (model_of(result), spent))
        say(*(spent.headline(model if len(costs) > 1 else "") for model, spent in costs.values()))
        if self.files:
            say(f"written: {', '.join(map(str, self.files))}")


def _with_notes(result: "Result", notes: Sequence[str]) -> "Result":
    """Return the result with notes added to its provenance, if it has one."""
    spent: Provenance | None = getattr(result, "provenance", None)
    if spent is None or not notes or not is_dataclass(result):
        return result
    known = replace(spent, notes=tuple(dict.fromkeys((*spent.notes, *notes))))
    return replace(result, provenance=known)


def merged(tables: Sequence[Table]) -> list[Table]:
    """Return the tables, those of one title and the same columns joined."""
    joined: dict[tuple[Any, ...], list[Record]] = {}
    for table in tables:
        joined.setdefault((table.title, table.columns), []).extend(table.rows)
    return [Table(title, columns, rows) for (title, columns), rows in joined.items()]


def file_names(results: Sequence[object]) -> list[str]:
    """Return what is appended to a file name for each result: nothing for one, else -MODEL, numbered where they agree.

    No two are equal, however the models are named.

    Example:
        >>> from types import SimpleNamespace as Named
        >>> file_names([Named(model="a"), Named(model="b"), Named(model="b")])
        ['-a', '-b-1', '-b-2']
    """
    if len(results) == 1:
        return [""]
    labels = [
        (getattr(result, "model", "") or getattr(result, "name", ""), getattr(result, "layer", ""))
        for result in results
    ]
    several = Counter(label for label, _ in labels)
    parts = [slug(label if several[label] == 1 or not layer else f"{label}-{layer}") for label, layer in labels]
    names = [part if parts.count(part) == 1 else "" for part in parts]
    for index, part in enumerate(parts):
        if not names[index]:
            names[index] = next(name for number in count(1) if (name := f"{part}-{number}") not in names)
    return [f"-{name}" for name in names]


def to_csv(rows: Sequence[Record]) -> str:
    """Return rows under their names: unknown numbers empty, infinite ones inf."""
    page = io.StringIO(newline="")
    writer = csv.DictWriter(page, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if is_unknown(value) else value for key, value in row.items()} for row in rows)
    return page.getvalue()


def _strict(value: Any) -> Any:
    """Return `value` with what JSON cannot say as words: "inf" and "-inf"; null for a number that is unknown."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
