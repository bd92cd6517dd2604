"""What a training made."""

from dataclasses import dataclass

from geomrob.results.result import Result
from geomrob.tables import Column, Table


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
