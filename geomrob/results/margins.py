"""How far the boundary lies in each band."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.provenance import Provenance, quantiles


@dataclass(frozen=True)
class MarginCurve:
    """Margins of N images in R subspaces ("bands") of one basis, and what they cost.

    `distances[r, i]` is the distance of image i to the boundary of its predicted region inside band r, in [0, 1] pixel
    units, free of the box; infinity where none was found, `status` says why. `targets` is the class behind the
    boundary (-1 where none). `frequency` is each band's centre in cycles per image (NaN in a basis without
    frequencies), `frequencies` its vertical and horizontal centre. `forwards` and `backwards` are model
    sample-evaluations; those that an image's bands share are divided among them. `interval` is the bootstrap interval
    of the median.
    """

    model: str
    data: str
    basis: str
    bands: tuple[str, ...]
    band_kind: str
    method: str
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

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return each band's quantiles over all images, linearly interpolated, failures counted as infinity.

        A quantile that falls between a finite and an infinite distance is infinite: failures are never averaged in.
        """
        return quantiles(self.distances, q)

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())

    @property
    def reached(self) -> Float[Tensor, " r"]:
        """Share of the images of each band for which a boundary was found."""
        return torch.isfinite(self.distances).double().mean(1)
