"""Whether the reported robustness of a model can be trusted."""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


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

    @property
    def number(self) -> str | None:
        """The value as it is printed: a share in per cent."""
        if math.isnan(self.value):
            return None
        return f"{self.value:.1%}" if self.unit.startswith("of ") else f"{self.value:.2f}"

    @property
    def first_images(self) -> str:
        """The first images that the check concerns, in words; empty for none."""
        if not len(self.images):
            return ""
        first = ", ".join(map(str, self.images[:8].tolist()))
        more = f" and {len(self.images) - 8} more" if len(self.images) > 8 else ""
        return f" Images: {first}{more}."


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

    COLUMNS = (
        Column("check", ("check",)),
        Column("verdict", ("verdict",), words=True),
        Column("number", ("number",)),
        Column("what the number counts", ("unit",), words=True),
    )

    def summary(self) -> Record:
        """Return model, data, images, clean accuracy, the verdict and the causes."""
        return {
            **self.facts(),
            "images": len(self.predictions),
            "accuracy": self.accuracy,
            "verdict": self.verdict,
            "causes": "; ".join(self.causes),
        }

    def records(self) -> list[Record]:
        """Return one row a check, the positions of its images joined by spaces."""
        return [
            {
                "model": self.model,
                "check": check.name,
                **{name: value for name, value in check.facts().items() if name not in ("name", "meaning", "advice")},
                "images": " ".join(map(str, check.images.tolist())),
                "meaning": check.meaning,
                "advice": check.advice,
            }
            for check in self.checks
        ]

    def tables(self) -> list[Table]:
        """Return verdict, causes and checks."""
        title = (
            f"{self.headline()}: {self.verdict} ({len(self.predictions)} images)",
            *(f"cause: {cause}" for cause in self.causes),
        )
        rows: list[Record] = [
            {"check": check.name, "verdict": check.verdict, "number": check.number, "unit": check.unit}
            for check in self.checks
        ]
        return [Table(title, self.COLUMNS, rows)]

    def notes(self) -> list[str]:
        """Return for each check that did not pass what it means and what to do."""
        return [
            f"{check.name} ({check.verdict}): {check.meaning} {check.advice}{check.first_images}"
            for check in self.checks
            if check.verdict in ("warned", "failed")
        ]
