"""What was measured of the images of each class."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class ByClass(Result):
    """A median or a share of the images of each class, row by row, with its interval.

    A row is a band, a corruption or a strength. `values[k, r]` is estimate, lower and upper end for the `images[k]`
    images labelled as class k: of a median distance, infinite where half of them or more were not found; of a share,
    with Wilson's interval. NaN is unknown, such as the interval of a median of fewer than six images.
    """

    model: str
    data: str
    measure: str
    row: str
    rows: tuple[str, ...]
    classes: tuple[str, ...]
    images: Int64[Tensor, " k"]
    values: Float[Tensor, "k r 3"]

    def records(self) -> list[Record]:
        """Return one row a class and row: images, estimate, ends of its interval."""
        about: Record = {"model": self.model, "data": self.data, "measure": self.measure}
        return [
            {
                **about,
                "class": name,
                "images": int(self.images[k]),
                self.row: row,
                **dict(zip(("value", "low", "high"), self.values[k, r].tolist(), strict=True)),
            }
            for k, name in enumerate(self.classes)
            for r, row in enumerate(self.rows)
        ]

    def headline(self) -> str:
        """Return what was measured of which model."""
        return f"{self.model} on {self.data}: {self.measure}, by class (number of images)"

    def tables(self) -> list[Table]:
        """Return a row a band, corruption or strength, a column a class."""
        share = self.measure in ("accuracy", "error")
        keys = [f"of {name}" for name in self.classes]
        rows: list[Record] = [
            {self.row: row, **dict(zip(keys, self.values[:, r, 0].tolist(), strict=True))}
            for r, row in enumerate(self.rows)
        ]
        columns = (
            Column(f"{name}\n({count})", (key,), "{:.1%}" if share else "{:.3f}")
            for name, count, key in zip(self.classes, self.images.tolist(), keys, strict=True)
        )
        return [Table((self.headline(),), (Column(self.row, (self.row,)), *columns), rows, ("value", "images"))]
