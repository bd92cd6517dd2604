"""Which class a model predicts at each point of a plane through the image space."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class CrossSection(Result):
    """Decision regions of a model on a plane, and images projected on it.

    Coordinates are l2 distances from the origin of the plane along two orthogonal directions, `axes`, in the units of
    the images. `regions[i, j]` is the class at (`horizontal[j]`, `vertical[i]`). `points` are the projections of N
    images, `labels` their true classes, `away` their l2 distances from the plane. `classes` names every class.
    """

    model: str
    data: str
    axes: tuple[str, str]
    classes: tuple[str, ...]
    horizontal: Float[Tensor, " w"]
    vertical: Float[Tensor, " h"]
    regions: Int64[Tensor, "h w"]
    points: Float[Tensor, "n 2"]
    labels: Labels
    away: Float[Tensor, " n"]
    provenance: Provenance

    COLUMNS = (
        Column("class", ("class",)),
        Column("share of\nthe plane", ("share",), "{:.1%}"),
        Column("images", ("images",)),
        Column("median distance\nfrom the plane", ("away_median",), "{:.3g}"),
    )

    def facts(self) -> Record:
        """Return model, data, axes, the range of both, the resolution and how many images are projected."""
        return {
            **super().facts(),
            "horizontal": self.axes[0],
            "vertical": self.axes[1],
            **dict(zip(("left", "right"), self.horizontal[[0, -1]].double().tolist(), strict=True)),
            **dict(zip(("low", "high"), self.vertical[[0, -1]].double().tolist(), strict=True)),
            "resolution": len(self.horizontal),
            "images": len(self.labels),
        }

    def records(self) -> list[Record]:
        """Return one row a class: its share of the plane, its images and how far those are from the plane.

        The distance is NaN without images.
        """
        return [
            {
                "model": self.model,
                "data": self.data,
                "class": name,
                "share": float((self.regions == number).double().mean()),
                "images": int((self.labels == number).sum()),
                "away_median": float(self.away[self.labels == number].double().quantile(0.5))
                if bool((self.labels == number).any())
                else torch.nan,
            }
            for number, name in enumerate(self.classes)
        ]

    def tables(self) -> list[Table]:
        """Return the table of the classes."""
        title = f"{self.headline()}: decision regions on the plane of {self.axes[0]} and {self.axes[1]}"
        return [Table((title,), self.COLUMNS, self.records())]
