"""How far the boundary lies in each band."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.results.intervals import share_words
from geomrob.results.provenance import Provenance, quantiles, share_correct
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class BandExamples(Result):
    """The first images of a margin curve with the perturbations that were measured in a few of its bands.

    `perturbed[r, i]` is image i at the boundary of its predicted region inside band `bands[r]`: the very point of which
    `distances[r, i]` is the norm; infinite, and the class `after[r, i]` -1, where none was found.
    """

    model: str
    data: str
    bands: tuple[str, ...]
    attack: str
    norm: float
    images: Images
    perturbed: Float[Tensor, "r n c h w"]
    before: Labels
    after: Int64[Tensor, "r n"]
    distances: Float[Tensor, "r n"]

    def records(self) -> list[Record]:
        """Return one row a band and image."""
        return [
            {
                "model": self.model,
                "data": self.data,
                "attack": self.attack,
                "band": band,
                "image": image,
                "class_before": int(self.before[image]),
                "class_after": int(self.after[row, image]),
                "distance": float(self.distances[row, image]),
            }
            for row, band in enumerate(self.bands)
            for image in range(len(self.images))
        ]


@dataclass(frozen=True, repr=False)
class MarginCurve(Result):
    """Margins of N images in R subspaces ("bands") of one basis, and what they cost.

    `distances[r, i]` is the distance of image i to the boundary of its predicted region inside band r, in [0, 1] pixel
    units, free of the box; infinity where none was found, `status` says why. `targets` is the class behind the
    boundary (-1 where none). `frequency` is each band's centre in cycles per image (NaN in a basis without
    frequencies), `frequencies` its vertical and horizontal centre. `forwards` and `backwards` are model
    sample-evaluations; those that an image's bands share are divided among them. `interval` is the bootstrap interval
    of the median. `examples` holds the perturbations of some images, where they were kept.
    """

    model: str
    data: str
    basis: str
    bands: tuple[str, ...]
    band_kind: str
    attack: str
    norm: float
    frequency: Float[Tensor, " r"]
    frequencies: Float[Tensor, "r 2"]
    dimensions: Int64[Tensor, " r"]
    distances: Float[Tensor, "r n"]
    status: Int64[Tensor, "r n"]
    targets: Int64[Tensor, "r n"]
    predictions: Labels
    labels: Labels
    indices: Labels
    interval: Float[Tensor, "r 2"]
    forwards: Float[Tensor, "r n"]
    backwards: Float[Tensor, "r n"]
    provenance: Provenance
    examples: BandExamples | None = None

    COLUMNS = (
        Column("band", ("band",)),
        Column("cycles/\nimage", ("frequency",), "{:.2f}"),
        Column("dimen-\nsion", ("dimension",)),
        Column("5 %", ("margin_05",), "{:.3f}"),
        Column("median", ("median",), "{:.3f}"),
        Column("95 %", ("margin_95",), "{:.3f}"),
        Column("interval of\nthe median", ("median_low", "median_high"), "{:.3f}-{:.3f}"),
        Column("found", ("reached",), "{:.0%}"),
        Column("fwd + bwd\nper pair", ("forwards", "backwards"), "{:.0f} + {:.0f}"),
    )

    def facts(self) -> Record:
        """Return what was measured: model, data, basis, kind of bands, attack, norm, images, clean accuracy."""
        return {**super().facts(), "images": self.distances.shape[1], "accuracy": self.accuracy}

    def summary(self) -> Record:
        """Return the facts, the least and the largest median with their bands, and the share of pairs found."""
        medians = self.quantiles(0.5)[:, 0]
        least, most = int(medians.argmin()), int(medians.argmax())
        return {
            **self.facts(),
            "median_least": float(medians[least]),
            "band_least": self.bands[least],
            "median_most": float(medians[most]),
            "band_most": self.bands[most],
            "reached": float(self.reached.mean()),
        }

    def records(self) -> list[Record]:
        """Return one row a band: quantiles and bootstrap interval of the median over images, share found, mean cost.

        A margin that was not found is infinite; a frequency that a basis does not have is NaN.
        """
        columns = {
            "band": self.bands,
            "frequency": self.frequency.tolist(),
            "dimension": self.dimensions.tolist(),
            **dict(zip(("margin_05", "median", "margin_95"), self.quantiles(0.05, 0.5, 0.95).T.tolist(), strict=True)),
            **dict(zip(("median_low", "median_high"), self.interval.double().T.tolist(), strict=True)),
            "reached": self.reached.tolist(),
            "forwards": self.forwards.double().mean(1).tolist(),
            "backwards": self.backwards.double().mean(1).tolist(),
        }
        about = {name: self.facts()[name] for name in ("model", "data", "basis", "attack", "norm", "accuracy")}
        return [{**about, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]

    def tables(self) -> list[Table]:
        """Return the table of the bands."""
        norm = "inf" if math.isinf(self.norm) else f"{self.norm:g}"
        title = (
            (
                f"{self.headline()}: clean accuracy "
                f"{share_words(self.accuracy, self.distances.shape[1])} of {self.distances.shape[1]} images"
            ),
            f"Margin ({self.attack}): l{norm} distance to the boundary in each {self.basis} band, [0, 1] pixel units",
        )
        return [Table(title, self.COLUMNS, self.records())]

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return each band's quantiles over all images, linearly interpolated, failures counted as infinity.

        A quantile that falls between a finite and an infinite distance is infinite: failures are never averaged in.
        """
        return quantiles(self.distances, q)

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return share_correct(self.predictions, self.labels)

    @property
    def reached(self) -> Float[Tensor, " r"]:
        """Share of the images of each band for which a boundary was found."""
        return torch.isfinite(self.distances).double().mean(1)
