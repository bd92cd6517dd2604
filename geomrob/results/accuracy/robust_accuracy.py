"""The accuracy that a model keeps under the strongest perturbations of every size in one norm."""

import math
from collections import Counter
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.results.audit import Audit
from geomrob.results.intervals import wilson_each
from geomrob.results.provenance import Provenance, share_correct
from geomrob.results.result import Result
from geomrob.tables import KNOWN_DIGITS, Column, Record, Table

NORM_NAMES = {1.0: "l1", 2.0: "l2", math.inf: "linf"}
"""How commands and tables call the norms."""


@dataclass(frozen=True, repr=False)
class RobustAccuracy(Result):
    """The smallest perturbations found of N images in one norm, and the accuracy that is left at each epsilon.

    `distances[i]` is the norm of the smallest perturbation of image i, inside [0, 1], whose class is not its label: 0
    where the image itself is misclassified, infinite where no search found one of any size. `by[i]` is the search that
    found it (-1 where none did, or none was needed). `searched[i]` says whether a search for the smallest perturbation
    succeeded at any size. An image is robust at epsilon where `distances` is larger and the search succeeded: that is
    an upper bound of the true robust accuracy. An image whose searches all failed, while no point in the ball fools the
    model either, is undecided and not robust.

    `reference` names an attack that was run at each epsilon for comparison (AutoAttack, say), empty for none;
    `reference_fooled[e, i]` says where it succeeded and `reference_cost[e]` its mean forward and backward evaluations
    an image. `verdict` is that of an audit of the model, empty where none was made. `forwards` and `backwards` are the
    evaluations that the own searches took of each image. `perturbed` are the perturbed images, None if not kept.
    """

    model: str
    data: str
    norm: float
    epsilons: Float[Tensor, " e"]
    searches: tuple[str, ...]
    distances: Float[Tensor, " n"]
    by: Int64[Tensor, " n"]
    searched: Bool[Tensor, " n"]
    forwards: Int64[Tensor, " n"]
    backwards: Int64[Tensor, " n"]
    predictions: Labels
    labels: Labels
    indices: Labels
    reference: str
    reference_fooled: Bool[Tensor, "e n"]
    reference_cost: Float[Tensor, "e 2"]
    verdict: str
    causes: tuple[str, ...]
    perturbed: Images | None
    provenance: Provenance

    def facts(self) -> Record:
        """Return model, data, norm, images, clean accuracy, searches."""
        about: Record = {"model": self.model, "data": self.data, "norm": NORM_NAMES[self.norm]}
        return {**about, "images": len(self.labels), "clean": self.clean, "searches": " ".join(self.searches)}

    def summary(self) -> Record:
        """Return the facts, the robust accuracy at each epsilon, the undecided images, mean costs and the verdict."""
        pairs = zip(self.epsilons.tolist(), self.accuracy.tolist(), strict=True)
        return {
            **self.facts(),
            **{f"accuracy_at_{epsilon:.{KNOWN_DIGITS}g}": value for epsilon, value in pairs},
            "undecided": int(self.undecided.any(0).sum()),
            "forwards": float(self.forwards.double().mean()),
            "backwards": float(self.backwards.double().mean()),
            "verdict": self.verdict,
        }

    def records(self) -> list[Record]:
        """Return one row an epsilon, 0 (the clean images) first: accuracies with their interval."""
        sizes = [0.0, *self.epsilons.tolist()]
        share = torch.cat((torch.tensor([self.clean], dtype=torch.float64), self.accuracy))
        low, high = wilson_each(share, len(self.labels)).T.tolist()
        rows: list[Record] = []
        undecided = [0, *self.undecided.sum(1).tolist()]
        for at, (epsilon, value) in enumerate(zip(sizes, share.tolist(), strict=True)):
            row: Record = {"model": self.model, "data": self.data, "norm": NORM_NAMES[self.norm], "epsilon": epsilon}
            row |= {"accuracy": value, "low": low[at], "high": high[at], "undecided": undecided[at]}
            row |= {"images": len(self.labels), "reference": self.reference, **self._compared(at - 1)}
            rows.append({**row, "verdict": self.verdict})
        return rows

    def _compared(self, at: int) -> Record:
        """Return what the reference says at the epsilon of that number; NaN at 0, and without one."""
        keys = ("accuracy", "accuracy_of_both", "fooled_by_it_alone", "forwards", "backwards")
        values: list[float] = [math.nan] * len(keys)
        if self.reference and at >= 0:
            fooled, robust = self.reference_fooled[at], self.robust[at]
            shares = [float(kept.double().mean()) for kept in (~fooled, robust & ~fooled)]
            values = [*shares, int((robust & fooled).sum()), *self.reference_cost[at].tolist()]
        return {f"reference_{key}": value for key, value in zip(keys, values, strict=True)}

    def headline(self) -> str:
        """Return norm, data and number of images."""
        return f"robust accuracy in {NORM_NAMES[self.norm]} on {len(self.labels)} images of {self.data}"

    def tables(self) -> list[Table]:
        """Return the accuracy at each epsilon, next to the reference's where there is one."""
        sizes = ["clean", *(shown_epsilon(self.norm, epsilon) for epsilon in self.epsilons.tolist())]
        rows: list[Record] = [{**row, "shown": size} for row, size in zip(self.records(), sizes, strict=True)]
        columns = [
            Column("model", ("model",)),
            Column("epsilon", ("shown",)),
            Column("robust\naccuracy", ("accuracy",), "{:.1%}"),
            Column("95 % interval", ("low", "high"), "{:.1%}-{:.1%}"),
            Column("undecided\nimages", ("undecided",)),
        ]
        if self.reference:
            columns += [
                Column(self.reference, ("reference_accuracy",), "{:.1%}"),
                Column("under\nboth", ("reference_accuracy_of_both",), "{:.1%}"),
                Column(f"fooled by\n{self.reference}\nalone", ("reference_fooled_by_it_alone",)),
                Column("its fwd + bwd\nan image", ("reference_forwards", "reference_backwards"), "{:,.0f} + {:,.0f}"),
            ]
        if self.verdict:
            columns.append(Column("audit", ("verdict",), words=True))
        return [Table((self.headline(),), tuple(columns), rows, ("epsilon",))]

    def caveats(self) -> list[str]:
        """Return what the accuracy is a bound of, which images are undecided, and whether it can be believed."""
        mean = self.forwards.double().mean(), self.backwards.double().mean()
        of = Counter(self.searches[number] for number in self.by.tolist() if number >= 0)
        won = ", ".join(f"{name} {count}" for name, count in of.most_common())
        count = int(self.undecided.any(0).sum())
        what = "with the undecided images counted as not robust" if count else "an upper bound of the robust accuracy"
        bound = (
            f"{self.model}: {what}, by the closest of {', '.join(self.searches)}, "
            f"all epsilons at once (images by their closest search: {won or 'none found anything'}); "
            f"{mean[0]:,.0f} forward + {mean[1]:,.0f} backward evaluations an image"
        )
        notes = [bound]
        if count:
            notes.append(
                f"{self.model}: {count} of {len(self.labels)} images are undecided: no search changed their class at "
                f"any size, so they are counted as not robust, in the interval too; were all of them robust, the "
                f"accuracies would be up to {count / len(self.labels):.1%} higher; audit the model"
            )
        if self.verdict in ("failed", "warned"):
            reasons = f": {'; '.join(self.causes)}" if self.causes else ""
            trust = "do not believe these accuracies" if self.verdict == "failed" else "believe them with care"
            notes.append(f"{self.model}: the audit {self.verdict}, {trust}{reasons}")
        elif self.verdict:
            notes.append(f"{self.model}: the audit {self.verdict}: no sign that the gradients of the model are masked")
        else:
            notes.append(
                f"{self.model}: not audited: `geomrob audit`, or --audit here, says whether gradients can be trusted"
            )
        return notes

    def with_audit(self, audit: Audit) -> "RobustAccuracy":
        """Return the same with the verdict and the causes of an audit of the model."""
        return replace(self, verdict=audit.verdict, causes=audit.causes)

    @property
    def clean(self) -> float:
        """Share of the clean images that are classified as labelled."""
        return share_correct(self.predictions, self.labels)

    @property
    def undecided(self) -> Bool[Tensor, "e n"]:
        """Which images are not fooled at each epsilon while every search for a perturbation of any size failed."""
        return (self.distances > self.epsilons[:, None]) & ~self.searched

    @property
    def robust(self) -> Bool[Tensor, "e n"]:
        """Which images are robust at each epsilon: the smallest perturbation is known, and larger."""
        return (self.distances > self.epsilons[:, None]) & self.searched

    @property
    def accuracy(self) -> Float[Tensor, " e"]:
        """Robust accuracy at each epsilon."""
        return self.robust.double().mean(1)

    @property
    def interval(self) -> Float[Tensor, "e 2"]:
        """Wilson's 95 % interval over images of the accuracy at each epsilon."""
        return wilson_each(self.accuracy, len(self.labels))

    @property
    def reference_accuracy(self) -> Float[Tensor, " e"]:
        """Share of the images that the reference does not fool at each epsilon."""
        return (~self.reference_fooled).double().mean(1)


def shown_epsilon(norm: float, epsilon: float) -> str:
    """Return an epsilon as people write it: multiples of 1/255 as such in l-infinity.

    Example:
        >>> shown_epsilon(math.inf, 8 / 255), shown_epsilon(2, 0.5)
        ('8/255', '0.5')
    """
    levels = epsilon * 255
    whole = math.isinf(norm) and 0.5 < levels < 255.5 and abs(levels - round(levels)) < 1e-6
    return f"{levels:.0f}/255" if whole else f"{epsilon:.{KNOWN_DIGITS}g}"
