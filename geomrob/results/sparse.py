"""How few pixels change a decision, where they lie, and how far two models share them."""

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import unknown
from geomrob.results.attack import AttackResult
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Sparsity(Result):
    """How few pixels of N images had to change for another decision, and what finding them cost.

    `attack` is the search's answer (its `labels` are the classes left), `found` the class seen in each perturbed image
    (-1 where the attack failed). `options` are the attack's own (`lam`, `radius` in [0, 1] units with infinity for
    none, `prune`, ...). `survived` says which perturbed images still change the decision after rounding to 8 bits.
    `random` is, for each of some repeats, the fooling rate of as many random pixels.
    """

    model: str
    data: str
    method: str
    options: dict[str, float]
    attack: AttackResult
    found: Labels
    labels: Labels
    indices: Labels
    classes: tuple[str, ...]
    survived: Bool[Tensor, " n"]
    random: Float[Tensor, " r"]
    provenance: Provenance

    @property
    def fooling_rate(self) -> float:
        """Share of the images whose decision was changed (thesis, eq. 3.7)."""
        return self.attack.success_rate

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.attack.labels == self.labels).double().mean())

    @property
    def percent(self) -> Distances:
        """Per cent of the pixels that are changed, in any channel; infinity where the attack failed."""
        height, width = self.attack.inputs.shape[-2:]
        return 100 * self.attack.pixels / (height * width)

    def quantiles(self, *q: float, of: str = "pixels") -> Float[Tensor, " q"]:
        """Return quantiles over all images of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`.

        Failures count as infinity: a quantile that falls between a finite and an infinite value is infinite.
        """
        return quantiles(self.values(of)[None], q)[0]

    def values(self, of: str) -> Distances:
        """Return one value an image of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        if of in orders:
            return self.attack.distances(orders[of])
        known = {"pixels": self.attack.pixels, "elements": self.attack.elements, "percent": self.percent}
        if of not in known:
            raise unknown("of", of, [*known, *orders])
        return known[of]


@dataclass(frozen=True, repr=False)
class Locations(Result):
    """Where in the image an attack changes pixels, for each class of images.

    `maps[c, y, x]` is the share of the fooled images of class c in which pixel (y, x) is changed (NaN where a class has
    no fooled image), `counts[c]` how many those are. `by` says which class: `label` (the true one), `left` (the one
    the model saw) or `found` (the one it sees now).
    """

    model: str
    data: str
    method: str
    by: str
    classes: tuple[str, ...]
    maps: Float[Tensor, "k h w"]
    counts: Int64[Tensor, " k"]
    provenance: Provenance


@dataclass(frozen=True, repr=False)
class Overlap(Result):
    """How far two models' perturbations of the same images change the same pixels.

    `union` is, for each image, shared pixels over all changed pixels (Jaccard index), `smaller` shared pixels over the
    pixels of the smaller of the two. `chance` is what `smaller` would be if the pixels of one lay anywhere, and
    `elsewhere` what it is on average against the other model's perturbations of *other* images: the part that comes
    from where objects are, not from this image. All are NaN where one of the attacks failed.
    """

    models: tuple[str, str]
    data: str
    method: str
    union: Distances
    smaller: Distances
    chance: Distances
    elsewhere: Distances
