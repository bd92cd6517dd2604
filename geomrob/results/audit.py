"""Whether the reported robustness of a model can be trusted."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result


@dataclass(frozen=True, repr=False)
class Check(Result):
    """One question of an audit, its answer, and what to do about it.

    `verdict` is passed, warned, failed or skipped. `value` is the number that decided (in the words of `unit`), a
    warning starts above `warn` and a failure above `fail`. `images` are the positions of the images concerned.
    """

    name: str
    verdict: str
    value: float
    warn: float
    fail: float
    unit: str
    images: Labels
    meaning: str
    advice: str


@dataclass(frozen=True, repr=False)
class Audit(Result):
    """Whether the robustness that attacks on a model report can be trusted: the checks, and what they rest on.

    Distances are l2 in the box [0, 1], infinity where no boundary was found, NaN where the attack was not run: `white`
    with the model's own gradients, `transferred` along the perturbations of other models, `decision` from the class
    alone. `robust[e, s]` is the share of images that PGD leaves unchanged at `epsilons[e]` (l-infinity) after
    `steps[s]` steps. `profile[d, i, t]` is the gap (logit of the seen class minus the best other) of image i at `t /
    (T - 1)` of twice the white-box distance along direction d: 0 adversarial, 1 random. `causes` name what is wrong.
    """

    model: str
    data: str
    checks: tuple[Check, ...]
    causes: tuple[str, ...]
    predictions: Labels
    labels: Labels
    indices: Labels
    white: Distances
    transferred: Distances
    decision: Distances
    epsilons: Float[Tensor, " e"]
    steps: Int64[Tensor, " s"]
    robust: Float[Tensor, "e s"]
    profile: Float[Tensor, "2 n t"]
    provenance: Provenance

    @property
    def verdict(self) -> str:
        """The worst verdict of all checks."""
        order = ("failed", "warned", "passed")
        return next((v for v in order if any(check.verdict == v for check in self.checks)), "skipped")

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.predictions == self.labels).double().mean())
