"""How small the smallest perturbations are, in several norms."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Norms(Result):
    """Smallest perturbations found of N images, in several norms, for several models (HaH, Fig. 5).

    `values[m, p, i]` is the smallest value of norm `norms[p]` among the perturbations of image i that any of the
    `attacks` found on model m, infinity where none did; `by[m, p, i]` says which attack found it (-1 where none).
    `pixels` are changed pixels, `elements` changed channels of pixels, `l1`, `l2`, `linf` are in [0, 1] pixel units.
    Perturbed images lie in [0, 1]. `left` is the class that was to be left: an image that is not seen as that has
    distance 0. `accuracy` is that of each model on the clean images.
    """

    models: tuple[str, ...]
    data: str
    norms: tuple[str, ...]
    attacks: tuple[str, ...]
    left: str
    values: Float[Tensor, "m p n"]
    by: Int64[Tensor, "m p n"]
    accuracy: Float[Tensor, " m"]
    indices: Labels
    provenance: Provenance

    @property
    def mean(self) -> Float[Tensor, "m p"]:
        """Mean over the images where one was found, NaN where none was; `failures` counts the others."""
        found = torch.isfinite(self.values)
        return torch.where(found, self.values, 0).sum(2) / found.sum(2)

    @property
    def median(self) -> Float[Tensor, "m p"]:
        """Median over all images, failures counted as infinity."""
        return torch.stack([quantiles(model, (0.5,))[:, 0] for model in self.values])

    @property
    def failures(self) -> Int64[Tensor, "m p"]:
        """Number of images for which no perturbation was found."""
        return (~torch.isfinite(self.values)).sum(2)
