"""Whether the reported robustness of a model can be trusted."""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.results.provenance import Provenance, share_correct
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class Check(Result):
    """One check of an audit, its verdict, and what to do about it.

    `verdict` is passed, warned, failed or skipped. `value` is the number that decided (in the unit `unit`), a
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

    def records(self) -> list[Record]:
        """Return the check as one row, its images with spaces between."""
        return [
            {
                "check": self.name,
                "verdict": self.verdict,
                "value": self.value,
                "warn": self.warn,
                "fail": self.fail,
                "unit": self.unit,
                "images": " ".join(map(str, self.images.tolist())),
                "meaning": self.meaning,
                "advice": self.advice,
            }
        ]

    @property
    def number(self) -> str:
        """The number that decided, as it is shown: shares in per cent."""
        return check_number(self.value, self.unit)


@dataclass(frozen=True, repr=False)
class Audit(Result):
    """Whether the robustness that attacks on a model report can be trusted: the checks, and what they rest on.

    Distances are l2 in the box [0, 1], infinity where no boundary was found, NaN where the attack was not run: `white`
    with the model's own gradients, `transferred` along the perturbations of other models, `decision` from the class
    alone. `robust[e, s]` is the share of images that PGD leaves classified as before at `epsilons[e]` (l-infinity)
    after `steps[s]` steps. `profile[d, i, t]` is the gap (logit of the predicted class minus the best other) of image i
    at `t / (T - 1)` of twice the white-box distance along direction d: 0 adversarial, 1 random. `causes` name what
    masks the gradients.
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

    COLUMNS = (
        Column("check", ("check",)),
        Column("verdict", ("verdict",), words=True),
        Column("number", ("number",)),
        Column("what the number counts", ("unit",), words=True),
    )

    def facts(self) -> Record:
        """Return what was examined: model, data, images, clean accuracy."""
        return {**super().facts(), "images": len(self.predictions), "accuracy": self.accuracy}

    def summary(self) -> Record:
        """Return the facts, the verdict, its causes, and how many checks came to each verdict."""
        verdicts = [check.verdict for check in self.checks]
        counts = {verdict: verdicts.count(verdict) for verdict in ("passed", "warned", "failed", "skipped")}
        return {**self.facts(), "verdict": self.verdict, "causes": "; ".join(self.causes), **counts}

    def records(self) -> list[Record]:
        """Return one row a check."""
        about: Record = {"model": self.model, "data": self.data}
        return [{**about, **row} for check in self.checks for row in check.records()]

    def headline(self) -> str:
        """Return model, data, verdict and number of images in one line."""
        return f"{self.model} on {self.data}: {self.verdict} ({len(self.predictions)} images)"

    def tables(self) -> list[Table]:
        """Return the checks, below the verdict and its causes."""
        rows: list[Record] = [{**check.records()[0], "number": check.number} for check in self.checks]
        return [Table((self.headline(), *(f"cause: {cause}" for cause in self.causes)), self.COLUMNS, rows)]

    def caveats(self) -> list[str]:
        """Return what each check that warned or failed means and advises, with its first images."""
        return [
            f"{self.model}: {check.name} ({check.verdict}): {check.meaning} {check.advice}{_images(check)}"
            for check in self.checks
            if check.verdict in ("warned", "failed")
        ]

    @property
    def verdict(self) -> str:
        """The worst verdict of all checks."""
        order = ("failed", "warned", "passed")
        return next((v for v in order if any(check.verdict == v for check in self.checks)), "skipped")

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return share_correct(self.predictions, self.labels)


def check_number(value: float, unit: str) -> str:
    """Return the number of a check in its unit: shares in per cent, nothing known as -."""
    if math.isnan(value):
        return "-"
    return f"{value:.1%}" if unit.startswith("of ") else f"{value:.2f}"


def _images(check: Check) -> str:
    """Return the first images that a check is about."""
    if not len(check.images):
        return ""
    first = ", ".join(map(str, check.images[:8].tolist()))
    more = f" and {len(check.images) - 8} more" if len(check.images) > 8 else ""
    return f" Images: {first}{more}."
