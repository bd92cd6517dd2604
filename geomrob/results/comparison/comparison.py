"""How models differ from the first of them on the same images: estimates, intervals, tests."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.results.comparison.statement import statements
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

LEAST = 10
"""Fewer images have no interval: what it would cover is not known."""

SEEN = 0.05
"""A difference is seen where the corrected p-value is below it."""


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """How each of several models differs from the first one on the same images, row by row.

    A row is a band, norm, size, corruption or strength; the first `pooled` rows are over several of the others. A
    group of images is `all` or a class; `images[k]` counts them. `values[m, k, r]` is the accuracy of model m, or its
    median distance, infinity where half of the images or more were not found. `ratio[c, k, r]` and
    `difference[c, k, r]` are estimate, lower and upper end of model c + 1 against the first: of medians, or of
    accuracies, that have no ratio. NaN is unknown. `p` is of Wilcoxon's signed-rank test or McNemar's, `corrected` the
    same by Holm over all tests;
    `direction` is 1 where the test finds more values of model c + 1 larger, -1 smaller. `not_found[c, k, r]` counts the
    images for which nothing was found on the first model alone, on the other alone, and on both.
    """

    models: tuple[str, ...]
    data: str
    kind: str
    measure: str
    how: str
    quantity: str
    unit: str
    row: str
    rows: tuple[str, ...]
    pooled: int
    frequency: Float[Tensor, " r"]
    groups: tuple[str, ...]
    images: Int64[Tensor, " k"]
    values: Float[Tensor, "m k r"]
    ratio: Float[Tensor, "c k r 3"]
    difference: Float[Tensor, "c k r 3"]
    p: Float[Tensor, "c k r"]
    corrected: Float[Tensor, "c k r"]
    direction: Int64[Tensor, "c k r"]
    not_found: Int64[Tensor, "c k r 3"]
    level: float
    provenance: Provenance

    @property
    def seen(self) -> Bool[Tensor, "c k r"]:
        """Where a difference is seen: the corrected p-value is below 5 %."""
        return self.corrected < SEEN

    @property
    def test(self) -> str:
        """The test of the p-values."""
        return "Wilcoxon's signed-rank test" if self.measure == "distance" else "McNemar's exact test"

    def facts(self) -> Record:
        """Return what was compared: models, data, how it was measured, images, tests."""
        lists: Record = {"models": " ".join(self.models), "images": int(self.images[0]), "tests": self.p.numel()}
        return {**super().facts(), **lists}

    def summary(self) -> Record:
        """Return the facts, in how many tests a difference is seen, and the sentences."""
        return {**self.facts(), "differences_seen": int(self.seen.sum()), "statement": " ".join(statements(self))}

    def records(self) -> list[Record]:
        """Return one row a model, group of images and row; accuracies have no ratio (NaN)."""
        return [
            {
                "model": model,
                "reference": self.models[0],
                "data": self.data,
                "kind": self.kind,
                self.row: row,
                "frequency": float(self.frequency[r]),
                "images_of": group,
                "images": int(self.images[k]),
                "reference_value": float(self.values[0, k, r]),
                "value": float(self.values[c + 1, k, r]),
                **dict(zip(("ratio", "ratio_low", "ratio_high"), self.ratio[c, k, r].tolist(), strict=True)),
                **dict(
                    zip(
                        ("difference", "difference_low", "difference_high"),
                        self.difference[c, k, r].tolist(),
                        strict=True,
                    )
                ),
                "p": float(self.p[c, k, r]),
                "p_corrected": float(self.corrected[c, k, r]),
                "seen": ("none", "higher", "lower")[int(self.direction[c, k, r]) * int(self.seen[c, k, r])],
                **dict(
                    zip(
                        ("not_found_reference", "not_found_model", "not_found_both"),
                        self.not_found[c, k, r].tolist(),
                        strict=True,
                    )
                ),
            }
            for c, model in enumerate(self.models[1:])
            for k, group in enumerate(self.groups)
            for r, row in enumerate(self.rows)
        ]

    def headline(self) -> str:
        """Return the models, and on how many images they are compared."""
        return f"{', '.join(self.models[1:])} against {self.models[0]} on {int(self.images[0])} images of {self.data}"

    def tables(self) -> list[Table]:
        """Return a table for each model below the sentences on it."""
        rows, said, tables = self.records(), statements(self), list[Table]()
        each = len(self.groups) * len(self.rows)
        for c, sentence in enumerate(said):
            title = (sentence, f"{self._what()} of {self.models[0]} (A) and {self.models[c + 1]} (B), {self.how}:")
            # The sentence has the frequencies of a half, which would make the first column too wide.
            shown: list[Record] = [
                {**row, self.row: str(row[self.row]).partition(" (")[0]} for row in rows[c * each :][:each]
            ]
            tables.append(Table(title, self._columns(), shown))
        return tables

    def _what(self) -> str:
        """Return what the columns A and B hold."""
        if self.measure == "accuracy":
            return "Accuracy"
        return f"Median {'distance to the boundary' if self.quantity == 'boundary' else self.quantity} ({self.unit})"

    def _columns(self) -> tuple[Column, ...]:
        """Return the columns of the tables."""
        form = "{:.3f}" if self.measure == "distance" else "{:.1%}"
        shown = (
            Column("B / A", ("ratio", "ratio_low", "ratio_high"), "{:.2f} [{:.2f}, {:.2f}]", "{:.2f}")
            if self.measure == "distance"
            else Column(
                "B - A",
                ("difference", "difference_low", "difference_high"),
                "{:+.1%} [{:+.1%}, {:+.1%}]",
                "{:+.1%}",
            )
        )
        return (
            Column(self.row, (self.row,)),
            *([Column("images of", ("images_of",), words=True)] if len(self.groups) > 1 else []),
            Column("A", ("reference_value",), form),
            Column("B", ("value",), form),
            shown,
            Column("p\n(Holm)", ("p_corrected",), "{:.2g}"),
            Column("difference\nseen", ("seen",), words=True),
        )

    def caveats(self) -> list[str]:
        """Return what intervals and p-values are of, and of how many images nothing was found."""
        meaning = (
            f"Intervals cover {self.level:.0%} each, over images, with the models as they are: another training may "
            f"differ more. p-values: {self.test}, corrected by Holm over {self.p.numel()} tests; a difference is seen "
            f"below {SEEN:.0%}."
        )
        words = [meaning]
        if int(self.images[0]) < LEAST:
            words.insert(
                0, f"{int(self.images[0])} images are too few for intervals, and for most differences: take more"
            )
        if self.measure == "accuracy" or not bool(self.not_found.any()):
            return words
        for c, model in enumerate(self.models[1:]):
            counts = self.not_found[c, 0, self.pooled :].sum(0).tolist()
            if any(counts):
                words.append(
                    f"Nothing was found in {counts[0]} pairs of image and {self.row} for {self.models[0]} alone, in "
                    f"{counts[1]} for {model} alone, in {counts[2]} for both, of "
                    f"{int(self.images[0]) * (len(self.rows) - self.pooled)}: infinite, and larger than any other."
                )
        return words
