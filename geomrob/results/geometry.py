"""How the decision boundary lies and bends where perturbations meet it."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import UsageError, unknown
from geomrob.results.attack import Status
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Geometry(Result):
    """How the decision boundary of a model lies and bends where N perturbations meet it.

    With c the class of an image and k the one behind the boundary, g = f_k - f_c is zero on the boundary, whose unit
    normal is n = grad g / ||grad g||, pointing away from the image's region. `distances` are l2, in [0, 1] pixel units,
    infinity where no boundary was found (`status` says why; INVARIANT too where grad g is zero there). `cosine[i]` is
    that of the angle between perturbation and n. Curvatures are v' H v / ||grad g|| along unit tangents v, in 1 / pixel
    unit, **positive where the boundary bends around the image's region** (the sphere around it has 1 / radius) and
    negative where it bends away: along random tangents (`random`), along the perturbation's own tangential part
    (`own`; NaN where it is straight along n), along those of other images' perturbations (`others`), and in the
    direction of largest size that a power iteration came to (`largest`; NaN where none was asked for). All are NaN
    where there is no boundary. `method` is difference, of the normals at +- `step` along v, or hessian (step NaN).
    `singular` are the singular values of the matrix of all unit normals, `chance` those of as many random directions.
    """

    model: str
    data: str
    attack: str
    method: str
    step: float
    distances: Distances
    status: Int64[Tensor, " n"]
    targets: Labels
    cosine: Float[Tensor, " n"]
    slope: Float[Tensor, " n"]
    random: Float[Tensor, "n r"]
    own: Float[Tensor, " n"]
    others: Float[Tensor, "n o"]
    largest: Float[Tensor, " n"]
    singular: Float[Tensor, " m"]
    chance: Float[Tensor, " m"]
    predictions: Labels
    labels: Labels
    indices: Labels
    provenance: Provenance

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())

    @property
    def measured(self) -> Bool[Tensor, " n"]:
        """For which images a boundary with a normal was found."""
        return self.status == Status.FOUND

    @property
    def mean(self) -> Float[Tensor, " n"]:
        """Estimate of the mean curvature at each boundary point: the mean over random tangents."""
        return self.random.mean(1)

    @property
    def bend(self) -> Float[Tensor, " n"]:
        """Mean curvature times distance, which has no unit: 0 is flat, 1 the sphere around the image.

        Half of it is how far the boundary leaves its tangent plane over the length of the perturbation, as a share of
        that length.
        """
        return self.mean * self.distances

    @property
    def angle(self) -> Float[Tensor, " n"]:
        """Angle between each perturbation and the boundary's normal, in degrees."""
        return torch.rad2deg(self.cosine.clamp(-1, 1).arccos())

    def curvatures(self, along: str) -> Float[Tensor, " p"]:
        """Return all finite curvatures along `random`, `own`, `others` or `largest` directions, or the `mean` ones."""
        known = {name: getattr(self, name) for name in ("random", "mean", "own", "others", "largest")}
        if along not in known:
            raise unknown("along", along, known)
        values = known[along].flatten()
        return values[torch.isfinite(values)]

    def dimension(self, *, chance: bool = False) -> float:
        """Return the effective dimension of the normals' span: (sum s^2)^2 / sum s^4 over the singular values s.

        It is the number of directions if the normals are spread over them evenly, at most the number of normals.

        Args:
            chance: Of the random directions instead.
        """
        energy = (self.chance if chance else self.singular).square()
        return float(energy.sum().square() / energy.square().sum()) if len(energy) else math.nan

    def directions(self, share: float = 0.9, *, chance: bool = False) -> int:
        """Return how many singular directions hold that share of the energy of the normals.

        Args:
            share: Above 0, at most 1.
            chance: Of the random directions instead.
        """
        if not 0 < share <= 1:
            raise UsageError(f"share must be above 0 and at most 1; got {share}: 0.9 is usual")
        energy = (self.chance if chance else self.singular).square().cumsum(0)
        return int((energy < share * energy[-1:] * (1 - 1e-12)).sum()) + 1 if len(energy) else 0
