"""Everything geomrob returns, on one page: frozen dataclasses of tensors, strings and numbers.

A result knows its own meaning (units, norm, what failure looks like) and its birth certificate (`Provenance`).
`save` writes `name.json` (facts) beside `name.npz` (arrays); `load` gives an equal result back.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, norms


class Status(IntEnum):
    """How one search ended. Only `FOUND` carries a distance; every other status has distance infinity."""

    FOUND = 0
    STEP_LIMIT = 1
    INVARIANT = 2
    NON_FINITE = 3
    INFEASIBLE = 4


@dataclass(frozen=True)
class Provenance:
    """The birth certificate of a number: what made it, from what, on what, at what cost."""

    command: str
    seed: int
    versions: dict[str, str]
    device: str
    seconds: float
    forwards: int
    backwards: int
    created: str


@dataclass(frozen=True)
class AttackResult:
    """What an attack returns: one entry per input; failure is an entry, never an exception.

    `success` is re-verified on `perturbed` itself. `forwards` and `backwards` count model sample-evaluations per input.
    """

    inputs: Images
    labels: Labels
    perturbed: Images
    success: Bool[Tensor, " n"]
    status: Int64[Tensor, " n"]
    steps: Int64[Tensor, " n"]
    forwards: Int64[Tensor, " n"]
    backwards: Int64[Tensor, " n"]

    @property
    def perturbation(self) -> Images:
        """What was added to the inputs (N, C, H, W)."""
        return self.perturbed - self.inputs

    @property
    def success_rate(self) -> float:
        """Share of the inputs whose decision was changed."""
        return float(self.success.double().mean())

    def distances(self, p: float = 2) -> Distances:
        """Return the l_p norm of each perturbation, infinity where the attack failed."""
        return torch.where(self.success, norms(self.perturbation, p), torch.inf)


@dataclass(frozen=True)
class MarginCurve:
    """Margins of N images in R subspaces ("bands") of one basis, and what they cost.

    `distances[r, i]` is the distance of image i to the boundary of its predicted region inside band r, in [0, 1] pixel
    units, free of the box; infinity where none was found, `status` says why. `targets` is the class behind the
    boundary (-1 where none). `frequency` is each band's centre in cycles per image (NaN in a basis without
    frequencies), `frequencies` its vertical and horizontal centre. `interval` is the bootstrap interval of the median.
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
    forwards: Int64[Tensor, "r n"]
    backwards: Int64[Tensor, "r n"]
    provenance: Provenance

    def quantiles(self, *q: float) -> Float[Tensor, "r q"]:
        """Return each band's quantiles over all images, linearly interpolated, failures counted as infinity.

        A quantile that falls between a finite and an infinite distance is infinite: failures are never averaged in.
        """
        ordered = self.distances.sort(dim=1).values
        rank = torch.tensor(q, dtype=torch.float64) * (ordered.shape[1] - 1)
        below = ordered[:, rank.floor().long()].double()
        above = ordered[:, rank.ceil().long()].double()
        between = below + (rank - rank.floor()) * (above - below)
        return torch.where(torch.isinf(above), torch.where(rank == rank.floor(), below, above), between)

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())

    @property
    def reached(self) -> Float[Tensor, " r"]:
        """Share of the images of each band for which a boundary was found."""
        return torch.isfinite(self.distances).double().mean(1)
