"""Facts about models: what comes with geomrob, and what a training made."""

import math
from dataclasses import dataclass

from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class ModelCard(Result):
    """One model of the table: what it is, how accurate, where its weights and its recipe are.

    `accuracies` is the claimed accuracy on the test images of data sets, `weights` the embedded file (empty for none),
    `command` trains it.
    """

    model: str
    about: str
    shape: str
    classes: int
    parameters: int
    data: str
    accuracies: dict[str, float]
    weights: str
    sha256: str
    command: str
    reference: str

    COLUMNS = (
        Column("model", ("model",)),
        Column("what it is", ("about",), words=True),
        Column("parameters", ("parameters",), "{:,}"),
        Column("test accuracy", ("accuracy",), words=True),
        Column("weights", ("shipped",), words=True),
    )

    def records(self) -> list[Record]:
        """Return one row a data set with its accuracy; one with NaN where nothing is claimed."""
        claims = self.accuracies or {self.data: math.nan}
        return [{"model": self.model, "data": data, "accuracy": accuracy} for data, accuracy in claims.items()]

    def tables(self) -> list[Table]:
        """Return one row: the tables of several models are one."""
        shipped = "embedded" if self.weights else "to be trained"
        known = ", ".join(f"{data} {share:.2%}" for data, share in self.accuracies.items() if not data.endswith("-1k"))
        return [Table((), self.COLUMNS, [{**self.facts(), "accuracy": known or None, "shipped": shipped}])]


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

    def notes(self) -> list[str]:
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
