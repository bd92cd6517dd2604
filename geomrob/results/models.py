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
