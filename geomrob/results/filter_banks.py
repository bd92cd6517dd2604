"""The filters of a convolution and what inhibits them."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.results.spectra import Spectrum
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class FilterBank(Result):
    """The filters of one convolution of a model, its inhibition if it has one, and their mean Fourier spectra.

    `layer` is its name in the model; `kind` is convolution, push-pull or older push-pull. `weights` are the (push)
    filters, `inhibition` the strength in use, one number a filter, and none at all for a convolution; `trained` says
    whether it was a parameter, `average` is the side of the box of the pull (0 for none). `spectra` are those of the
    filters; of a push-pull layer also of its pull filters and of the one kernel that it is without rectifiers.
    """

    model: str
    layer: str
    kind: str
    trained: bool
    average: int
    weights: Float[Tensor, "f c k l"]
    inhibition: Float[Tensor, " a"]
    spectra: tuple[Spectrum, ...]
    provenance: Provenance

    COLUMNS = (
        Column("model", ("model",)),
        Column("layer", ("layer",), words=True),
        Column("kind", ("kind", "training"), "{}, {}", words=True),
        Column("filters", ("filters",)),
        Column("average", ("average",), "{0}x{0}"),
        Column("mean", ("mean",), "{:.3f}"),
        Column("standard\ndeviation", ("deviation",), "{:.3f}"),
        Column("negative", ("negative",), "{:.0%}"),
        Column("min", ("least",), "{:.3f}"),
        Column("max", ("most",), "{:.3f}"),
    )

    def summary(self) -> Record:
        """Return the facts, and mean, standard deviation, negative share, least and most inhibition, NaN for none."""
        values = self.inhibition.double()
        known = len(values) > 0
        return {
            **self.facts(),
            "filters": len(self.weights),
            "mean": float(values.mean()),
            "deviation": float(values.std(correction=0)) if known else math.nan,
            "negative": float((values < 0).double().mean()),
            "least": float(values.min()) if known else math.nan,
            "most": float(values.max()) if known else math.nan,
        }

    def records(self) -> list[Record]:
        """Return one row a filter: its inhibition (NaN for none), l2 norm, sum, smallest and largest weight."""
        strengths = self.inhibition.tolist() or [math.nan] * len(self.weights)
        return [
            {
                "model": self.model,
                "layer": self.layer,
                "kind": self.kind,
                "filter": index,
                "inhibition": strength,
                "norm": float(weights.norm()),
                "sum": float(weights.sum()),
                "least": float(weights.min()),
                "most": float(weights.max()),
            }
            for index, (weights, strength) in enumerate(zip(self.weights, strengths, strict=True))
        ]

    def tables(self) -> list[Table]:
        """Return the distribution of the inhibition, where there is one."""
        row: Record = {**self.summary(), "training": "trained" if self.trained else "fixed"}
        row["average"] = self.average or None
        title = "Inhibition of the push-pull filters (negative: the pull is added)"
        return [Table((title,), self.COLUMNS, [row])] if len(self.inhibition) else []

    def caveats(self) -> list[str]:
        """Return what a convolution without inhibition is, and what the spectra are of."""
        shape, one = "x".join(map(str, self.weights.shape[1:])), self.spectra[0]
        filters = f"{len(self.weights)} filters of {shape}"
        plain = f"{self.model}: no inhibition; its first convolution {self.layer} has {filters}"
        spectra = f"Spectra: mean {one.kind}, channels {one.channels}, {one.unit}"
        return [spectra] if len(self.inhibition) else [plain, spectra]
