"""What a command hands out: tables or one JSON object on stdout, results, CSV and pictures in its folder."""

import io
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from geomrob.cli import console
from geomrob.cli.config_file import RUN
from geomrob.cli.console import say, show_table
from geomrob.cli.invocation import current, current_run
from geomrob.tables import Record, Table, Value, is_unknown, to_csv, to_latex, to_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from geomrob.results.accuracy.corruptions import CorruptionTable
    from geomrob.results.accuracy.strength_curve import StrengthCurve
    from geomrob.results.margins import MarginCurve
    from geomrob.results.provenance import Provenance
    from geomrob.results.result import Result

SCHEMA = 2
"""Of the JSON object. 1 had a shape for each command."""

MANY = 5
"""Files in a folder other than that of the command from which on only the folder is named."""


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
        data_notes: Sequence[str] = (),
        trainings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Take the results; `data_notes`, those of the images, are added to the provenance of each."""
        self.trainings = trainings or {}
        self.command, self.folder = command, folder or Path()
        from geomrob.results.result import with_notes

        self.results = [with_notes(result, data_notes) for result in results]
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
        from geomrob.results.result import file_names
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

    def by_class(
        self, results: "Sequence[MarginCurve | CorruptionTable | StrengthCurve]", classes: Sequence[str]
    ) -> None:
        """Show and write NAME-classes: what results have of the images of each class."""
        from geomrob.analysis.by_class import by_class

        found = [each for result in results for each in by_class(result, classes)]
        self.save(found, f"{self.command}-classes")
        self.csv([row for each in found for row in each.records()], f"{self.command}-classes")
        if self.shown is not None:
            self.shown += [table for each in found for table in each.tables()]
        self.results += found

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
        self._log()
        form = "table" if (call := current()) is None else call.format
        if form == "json":
            say(self.to_json())
        elif form == "table":
            self._show()
        else:
            self._print(form)
        return 0 if complete else 3

    def _log(self) -> None:
        """Write rows and pictures into the TensorBoard log, if one was asked for."""
        from geomrob.results.result import model_of

        if (call := current()) is None or call.tensorboard is None:
            return
        from geomrob.interop.tensorboard import write_log

        rows: dict[str, list[Record]] = {}
        for result in self.results:
            name = "/".join(part for part in (self.command, type(result).__name__, model_of(result)) if part)
            rows.setdefault(name, []).extend(result.records())
        pictures = {path.stem: content for path, content in self.contents.items() if path.suffix == ".png"}
        write_log(call.tensorboard, rows, {f"{self.command}/{name}": png for name, png in pictures.items()})

    def publish(self) -> None:
        """Write the files, as `finish` does; with the run of the folder, if there is one: files of its past go then."""
        if not self.contents:
            return
        from geomrob.files import move_in, stage

        if (call := current()) is not None and (run := current_run(self.folder)) is not None:
            run.publish({**self.contents, run.folder / RUN: call.config.encode(errors="replace")})
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

    def tables(self) -> list[Table]:
        """Return what is shown, tables of one title as one."""
        every = [table for result in self.results for table in result.tables()]
        return merged(every if self.shown is None else self.shown)

    def left_out(self) -> list[str]:
        """Return a sentence for each kind of result on the numbers of its records that no table has."""
        sentences: dict[str, None] = {}
        for result in self.results:
            tables, rows = result.tables(), result.records()
            named = " ".join(line for table in tables for line in table.title)
            left = [
                key for key in dict.fromkeys(key for row in rows for key in row) if not in_tables(key, rows, tables)
            ]
            left = [key for key in left if not said([row.get(key) for row in rows], named)]
            if left:
                many = f" ({len(rows):,} rows)" if len(rows) > 1 else ""
                sentences[f"Not in the table: {', '.join(left)}{many}; --format csv has all."] = None
        return list(sentences)

    def _print(self, form: str) -> None:
        """Write the tables alone, in a format to paste; what a reader has to know of them goes to stderr."""
        kinds: dict[tuple[str, ...], list[Record]] = {}
        for row in (row for result in self.results for row in result.records()):
            kinds.setdefault(tuple(row), []).append(row)
        parts = {
            "csv": lambda: [to_csv(rows) for rows in kinds.values()],
            "markdown": lambda: [f"{to_markdown(table)}\n" for table in self.tables()],
            "latex": lambda: [f"{to_latex(table)}\n" for table in self.tables()],
        }[form]()
        sys.stdout.write("\n".join(parts))
        for text in dict.fromkeys([*self._caveats(), *self.remarks]):
            sys.stderr.write(f"note: {text}\n")

    def _caveats(self) -> list[str]:
        """Return what a reader of the numbers has to know."""
        return [note for result in self.results for note in result.caveats()]

    def _show(self) -> None:
        """Write the tables, then the notes, the costs and the files."""
        from geomrob.results.result import model_of

        for table in self.tables():
            say(*table.title)
            if table.rows:
                show_table(table)
        say(*dict.fromkeys([*self._caveats(), *self.remarks, *self.left_out()]))
        costs: dict[int, tuple[str, Provenance]] = {}
        for result in self.results:
            if (spent := getattr(result, "provenance", None)) is not None:
                costs.setdefault(id(spent), (model_of(result), spent))
        say(*(spent.headline(model if len(costs) > 1 else "") for model, spent in costs.values()))
        if self.files:
            say(f"written: {', '.join(self._written())}")

    def _written(self) -> list[str]:
        """Return the files; of many in another folder only that folder, and how many they are."""
        counts = Counter(file.parent for file in self.files if file.parent != self.folder)
        many = {folder: f"{folder}/ ({count} files)" for folder, count in counts.items() if count >= MANY}
        return list(dict.fromkeys(many.get(file.parent, str(file)) for file in self.files))


def in_tables(key: str, rows: Sequence[Record], tables: Sequence[Table]) -> bool:
    """Return whether tables show all values of the records under a name; the mean of them may have the same name."""
    shown = {row.get(key) for table in tables if key in table.shown for row in table.rows}
    return (
        any(key in table.shows for table in tables)
        or {value for row in rows if not is_unknown(value := row.get(key))} <= shown
    )


def said(values: Sequence[Value], title: str) -> bool:
    """Return whether the title of a table says what a column holds: words, or one number for all rows."""
    numbers = {value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)}
    if not numbers:
        return True
    number = next(iter(numbers))
    forms = (f"{number:g}", f"{number:,}", f"{number:.1%}", f"l{number:g}")
    return len(numbers) == 1 and bool(set(re.split(r"[\s,:;()]+", title)) & set(forms))


def merged(tables: Sequence[Table]) -> list[Table]:
    """Return the tables, those of one title and the same columns joined."""
    joined: dict[tuple[Any, ...], list[Record]] = {}
    for table in tables:
        joined.setdefault((table.title, table.columns, table.shows), []).extend(table.rows)
    return [Table(title, columns, rows, shows) for (title, columns, shows), rows in joined.items()]


def _strict(value: Any) -> Any:
    """Return `value` with what JSON cannot say as words: "inf" and "-inf"; null for a number that is unknown."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
