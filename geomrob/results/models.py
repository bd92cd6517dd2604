"""Facts about the models and data sets that have a name in geomrob."""

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
class DatasetCard(Result):
    """One data set of the table: the shape of its images, its classes and splits, where it comes from.

    `train` and `test` count the images of the splits, 0 where there is none. `folder` is where it lies below the data
    folder, empty where no files are needed; `present` says whether it can be read here.
    """

    data: str
    shape: str
    classes: int
    train: int
    test: int
    folder: str
    present: bool
    licence: str
    reference: str

    COLUMNS = (
        Column("data", ("data",)),
        Column("shape", ("shape",), words=True),
        Column("classes", ("classes",)),
        Column("train", ("train",), "{:,}"),
        Column("test", ("test",), "{:,}"),
        Column("here", ("present",), words=True),
        Column("from", ("reference",), words=True),
        Column("licence", ("licence",), words=True),
    )

    def tables(self) -> list[Table]:
        """Return one row: the tables of several data sets are one."""
        return [Table((), self.COLUMNS, [self.facts()])]
