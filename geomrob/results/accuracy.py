"""What becomes of several models under perturbations that were not fitted to them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import UsageError
from geomrob.results.attack import AttackResult
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class TransferMatrix(Result):
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


@dataclass(frozen=True, repr=False)
class StrengthCurve(Result):
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


@dataclass(frozen=True, repr=False)
class Acceptance(Result):
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


def score(repeats: Sequence[AttackResult], *, compat: bool = False) -> float:
    r"""Return S(M), the median over images of ||eta||^2 / d, averaged over repeats; the larger, the more robust.

    eta is the perturbation over all channels and d the number of its elements. An image whose attack failed counts as
    infinitely far, so a score is infinite where half the images or more resisted in some repeat.

    Args:
        repeats: What an attack found on the same model, once for each seed.
        compat: Score as the released code of the regularisers does: channel 0 alone, and failures dropped, which
            makes a model look weaker the more images resist (survivors only).

    Raises:
        UsageError: No repeat; with `compat`, a repeat without any success.

    References:
        Brendel et al., "Decision-based adversarial attacks", ICLR 2018, equation 2; Attias et al., regularising with
        pixel similarities, 2024, section 7.1: 1,000 images, 5 repeats.

    Example:
        >>> from geomrob.attacks.minimal.ddn import ddn
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> score([ddn(model, torch.rand(5, 1, 4, 4))]) > 0
        True
    """
    if not repeats:
        raise UsageError("repeats must hold at least one result; got none: run the attack first")
    return sum(_median(_released(one) if compat else mean_squares(one)) for one in repeats) / len(repeats)


def mean_squares(result: AttackResult) -> Distances:
    """Return ||eta||^2 / d of each image, infinity where the attack failed."""
    squares = result.perturbation.double().flatten(1).square().mean(1)
    return torch.where(result.success, squares, torch.inf)


def _released(result: AttackResult) -> Distances:
    if not bool(result.success.any()):
        raise UsageError("repeats must hold a success each for compat; got one without any: leave compat out")
    return result.perturbation[result.success, 0].double().flatten(1).square().mean(1)


def _median(values: Distances) -> float:
    """Return the middle value, or the mean of the two in the middle; infinite if one of those is."""
    ordered = values.sort().values
    return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)
