"""Which class a model gives to each place of a plane through the image space."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result


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
