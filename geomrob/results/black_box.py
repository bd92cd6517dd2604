"""What becomes of several models under perturbations that were not fitted to them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.provenance import Provenance


@dataclass(frozen=True)
class TransferMatrix:
    """Fooling rates between models: images crafted on one (row, source), shown to another (column, target).

    `fooled[s, t, i]` says whether model t decides otherwise on image i as perturbed on model s than on the clean image.
    An image whose attack failed on the source is not fooled on any target: `found[s, i]` counts them. `accuracy` is
    that of each model on the clean images.
    """

    models: tuple[str, ...]
    data: str
    method: str
    fooled: Bool[Tensor, "s s n"]
    found: Bool[Tensor, "s n"]
    accuracy: Float[Tensor, " s"]
    provenance: Provenance

    @property
    def rates(self) -> Float[Tensor, "s s"]:
        """Fooling rate (thesis, eq. 3.7) of each target (column) on the images of each source (row)."""
        return self.fooled.double().mean(2)


@dataclass(frozen=True)
class StrengthCurve:
    """Accuracy of several models against the strength of a perturbation that nobody fits to the image, or of PGD.

    `correct[m, g, r, e, i]` says whether network g of model m (several trainings of it, or one) classifies image i as
    labelled at strength e in repeat r of the draws. `strengths[0]` is 0: the clean images. `source` is the model that
    the perturbation is crafted on; empty where that is each network itself, or none.
    """

    models: tuple[str, ...]
    data: str
    attack: str
    source: str
    strengths: Float[Tensor, " e"]
    correct: Bool[Tensor, "m g r e n"]
    labels: Labels
    indices: Labels
    provenance: Provenance

    @property
    def accuracy(self) -> Float[Tensor, "m g r e"]:
        """Share of the images that are classified as labelled, for each network and repeat."""
        return self.correct.double().mean(4)

    @property
    def mean(self) -> Float[Tensor, "m e"]:
        """Mean accuracy of each model over its networks and repeats."""
        return self.accuracy.mean((1, 2))

    @property
    def error(self) -> Float[Tensor, "m e"]:
        """Standard error of that mean: over the networks, over the repeats of a single one, NaN with one of both."""
        each = self.accuracy.mean(2) if self.correct.shape[1] > 1 else self.accuracy[:, 0]
        if each.shape[1] == 1:
            return torch.full_like(each[:, 0], torch.nan)
        return each.std(1) / math.sqrt(each.shape[1])


@dataclass(frozen=True)
class Acceptance:
    """Which models keep their clean accuracy and gain under a strong perturbation, both relative to a baseline.

    `clean` is R0 / U0, the accuracy of each model on clean images over the baseline's; `distorted` is RD / UD, the
    same at `strength` (infinity where only the baseline is never right, NaN where neither ever is).
    """

    models: tuple[str, ...]
    baseline: str
    data: str
    attack: str
    strength: float
    minimum: float
    clean: Float[Tensor, " m"]
    distorted: Float[Tensor, " m"]

    @property
    def accepted(self) -> Bool[Tensor, " m"]:
        """Where R0 / U0 >= A0 and RD / UD > 1, A0 the `minimum`."""
        return (self.clean >= self.minimum) & (self.distorted > 1)
