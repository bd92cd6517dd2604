"""What a training made; mean and standard error of what several trainings of one model gave."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.results.accuracy.corruptions import mean_and_error
from geomrob.results.result import Result, model_of
from geomrob.tables import Column, Record, Table, plain

UNSHOWN = ("median_low", "median_high", "forwards", "backwards")
"""Numbers of the records that would make the tables wider than a terminal."""


@dataclass(frozen=True, repr=False)
class TrainingReport(Result):
    """A finished training: its accuracies and its weights file.

    `held_out_accuracy` and `test_accuracy` are NaN where there are no such images; the test set chooses nothing.
    `remarks` are sentences on options that were not used as given.
    """

    recipe: str
    model: str
    epochs: int
    best_epoch: int
    held_out_accuracy: float
    test_accuracy: float
    seconds: float
    weights: str
    sha256: str
    remarks: tuple[str, ...] = ()

    def caveats(self) -> list[str]:
        """Return what was not done as the recipe says."""
        return list(self.remarks)

    def headline(self) -> str:
        """Return what was trained."""
        return f"{self.model} trained by {self.recipe}"

    def tables(self) -> list[Table]:
        """Return one row a fact."""
        columns = (Column("fact", ("fact",)), Column("value", ("value",), words=True))
        rows = [{"fact": name, "value": value} for name, value in self.facts().items()]
        return [Table((self.headline(),), columns, [row for row in rows if row["value"] == row["value"]])]


@dataclass(frozen=True, repr=False)
class Trainings(Result):
    """What T trainings of one model gave: every number of a table of their results, with mean and standard error.

    `values[r, k, t]` is the number under `keys[k]` in row r of the table of training t; infinite where one failed, and
    so is then the mean. The error is std / sqrt(T), with T - 1 in the variance; NaN where a number is infinite or
    unknown. `texts[r]` are the words under `names`, those that differ between trainings with strokes between them.
    `accuracy[t]` is that on the clean images, NaN where there were no labels. `kind` names the results; `headings` and
    `forms` say how the numbers are shown, `title` what the table shows.
    """

    model: str
    data: str
    kind: str
    trainings: tuple[str, ...]
    accuracy: Float[Tensor, " t"]
    title: tuple[str, ...]
    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    keys: tuple[str, ...]
    headings: tuple[str, ...]
    forms: tuple[str, ...]
    values: Float[Tensor, "r k t"]

    @property
    def mean(self) -> Float[Tensor, "r k"]:
        """Mean over the trainings."""
        return mean_and_error(self.values)[0]

    @property
    def error(self) -> Float[Tensor, "r k"]:
        """Standard error of the mean over the trainings."""
        return mean_and_error(self.values)[1]

    def facts(self) -> Record:
        """Return model, data, of which result, and which trainings."""
        count = len(self.trainings)
        return {"model": self.model, "data": self.data, "kind": self.kind, "trainings": count}

    def records(self) -> list[Record]:
        """Return one row for each of the table: the words, each mean, and its error under the name with `_error`."""
        rows: list[Record] = []
        for texts, means, errors in zip(self.texts, self.mean.tolist(), self.error.tolist(), strict=True):
            row: Record = {**self.facts(), **dict(zip(self.names, texts, strict=True))}
            for key, mean, error in zip(self.keys, means, errors, strict=True):
                row |= {key: mean, f"{key}_error": error}
            rows.append(row)
        return rows

    def headline(self) -> str:
        """Return the model, the data and the trainings."""
        on = f" on {self.data}" if self.data else ""
        mean, error = (float(value) for value in mean_and_error(self.accuracy))
        clean = "" if math.isnan(mean) else f", clean accuracy {mean:.1%} +- {error:.1%}"
        return f"{self.model}{on}: mean +- standard error of {len(self.trainings)} trainings{clean}"

    def tables(self) -> list[Table]:
        """Return the table with `mean +- error` in each cell whose number the trainings do not share."""
        rows = self.records()
        columns = [Column(name, (name,), words=True) for name in self.names if name != "model"]
        for key, heading, form in zip(self.keys, self.headings, self.forms, strict=True):
            if key in UNSHOWN:
                continue
            if all(row[f"{key}_error"] == 0 for row in rows):
                columns.append(Column(heading, (key,), form))
            else:
                columns.append(Column(heading, (key, f"{key}_error"), f"{form} +- {form}", form))
        return [Table((self.headline(), *self.title), tuple(columns), rows)]


def over_trainings(results: Sequence[Result], trainings: Mapping[str, Sequence[str]]) -> list[Trainings]:
    """Return the tables of results over the trainings of each model that has several.

    Args:
        results: Of all models and trainings; those of each training of a model in the same order.
        trainings: Name of each model to the names that its trainings have in the results.

    Returns:
        One for each table; none for tables without numbers, or whose rows the trainings do not share.
    """
    pooled: list[Trainings] = []
    for model, names in trainings.items():
        groups = [[result for result in results if model_of(result) == name] for name in names]
        if len(names) < 2 or len({len(group) for group in groups}) > 1:
            continue
        for same in zip(*groups, strict=True):
            for tables in zip(*(result.tables() for result in same), strict=False):
                if len({len(table.rows) for table in tables}) == 1:
                    pooled += _pooled(model, tuple(names), same, tables)
    return pooled


def _pooled(
    model: str, trainings: tuple[str, ...], results: Sequence[Result], tables: Sequence[Table]
) -> list[Trainings]:
    """Return one table over the trainings, nothing if it holds no number."""
    shown = {key: column for column in tables[0].columns for key in column.keys}
    rows = list(zip(*(table.rows for table in tables), strict=True))
    words = [key for key in shown if any(isinstance(one[key], (str, bool)) for row in rows for one in row)]
    keys = [key for key in shown if key not in words]
    if not rows or not keys:
        return []
    values = [[[_number(one[key]) for one in row] for key in keys] for row in rows]
    titles = [
        tuple(line.replace(name, model) for line in table.title) for name, table in zip(trainings, tables, strict=True)
    ]
    return [
        Trainings(
            model=model,
            data=str(getattr(results[0], "data", "")),
            kind=type(results[0]).__name__,
            trainings=trainings,
            accuracy=torch.tensor([_number(getattr(result, "accuracy", None)) for result in results]).double(),
            title=tuple(line for line in titles[0] if all(line in title for title in titles)),
            names=tuple(words),
            texts=tuple(
                tuple(" / ".join(dict.fromkeys(str(plain(one[key])) for one in row)) for key in words) for row in rows
            ),
            keys=tuple(keys),
            headings=tuple(shown[key].heading if len(shown[key].keys) == 1 else key for key in keys),
            forms=tuple(_form(shown[key]) for key in keys),
            values=torch.tensor(values, dtype=torch.float64),
        )
    ]


def _number(value: object) -> float:
    """Return a number of a record; NaN where it is unknown."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _form(column: Column) -> str:
    """Return how a number of a column is shown; means of whole numbers are none."""
    return column.form if len(column.keys) == 1 and column.form.count("{") == 1 and ":" in column.form else "{:.4g}"
