"""The accuracy that a model keeps under the strongest perturbations of every size in one norm."""

import math
from collections import Counter
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Images, Labels
from geomrob.results.provenance import Provenance, share_correct
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

NORMAL = 1.959964
"""Standard errors on either side that a 95 % interval has."""

NORM_NAMES = {1.0: "l1", 2.0: "l2", math.inf: "linf"}
"""How commands and tables call the norms."""


@dataclass(frozen=True, repr=False)
class RobustAccuracy(Result):
    """The smallest perturbations found of N images in one norm, and the accuracy that is left at each epsilon.

    `distances[i]` is the norm of the smallest perturbation of image i, inside [0, 1], whose class is not its label: 0
    where the image itself is misclassified, infinite where no search found one of any size. `by[i]` is the search that
    found it (-1 where none did, or none was needed). An image is robust at epsilon where `distances` is finite and
    larger: that is an upper bound of the true robust accuracy. An image whose searches all failed counts as undecided
    and not as robust.

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
            **{f"accuracy_at_{epsilon:.4g}": value for epsilon, value in pairs},
            "undecided": int(self.undecided.sum()),
            "forwards": float(self.forwards.double().mean()),
            "backwards": float(self.backwards.double().mean()),
            "verdict": self.verdict,
        }

    def records(self) -> list[Record]:
        """Return one row an epsilon: accuracy with its interval, undecided images, the reference's accuracy."""
        found = self.reference_accuracy.tolist() if self.reference else [math.nan] * len(self.epsilons)
        both, alone = self._together()
        low, high = self.interval.T.tolist()
        return [
            {
                "model": self.model,
                "data": self.data,
                "norm": NORM_NAMES[self.norm],
                "epsilon": epsilon,
                "accuracy": self.accuracy.tolist()[at],
                "low": low[at],
                "high": high[at],
                "undecided": int(self.undecided.sum()),
                "images": len(self.labels),
                "clean": self.clean,
                "reference": self.reference,
                "reference_accuracy": found[at],
                "accuracy_of_both": both[at],
                "fooled_by_reference_alone": alone[at],
                "reference_forwards": self.reference_cost.tolist()[at][0] if self.reference else math.nan,
                "reference_backwards": self.reference_cost.tolist()[at][1] if self.reference else math.nan,
                "verdict": self.verdict,
            }
            for at, epsilon in enumerate(self.epsilons.tolist())
        ]

    def headline(self) -> str:
        """Return model, norm, clean accuracy and number of images."""
        return (
            f"{self.model} on {self.data}: robust accuracy in {NORM_NAMES[self.norm]}, {self.clean:.1%} clean "
            f"({len(self.labels)} images)"
        )

    def tables(self) -> list[Table]:
        """Return the accuracy at each epsilon, next to the reference's where there is one."""
        every = zip(self.records(), self.epsilons.tolist(), strict=True)
        rows: list[Record] = [{**row, "shown": shown_epsilon(self.norm, epsilon)} for row, epsilon in every]
        columns = [
            Column("epsilon", ("shown",)),
            Column("robust\naccuracy", ("accuracy",), "{:.1%}"),
            Column("95 % interval", ("low", "high"), "{:.1%}-{:.1%}"),
        ]
        if bool(self.undecided.any()):
            columns.append(Column("undecided\nimages", ("undecided",)))
        if self.reference:
            columns += [
                Column(self.reference, ("reference_accuracy",), "{:.1%}"),
                Column("under\nboth", ("accuracy_of_both",), "{:.1%}"),
                Column(f"fooled by\n{self.reference}\nalone", ("fooled_by_reference_alone",)),
                Column("its fwd + bwd\nan image", ("reference_forwards", "reference_backwards"), "{:,.0f} + {:,.0f}"),
            ]
        verdict = f"; the audit {self.verdict}" if self.verdict else ""
        return [Table((f"{self.headline()}{verdict}",), tuple(columns), rows)]

    def caveats(self) -> list[str]:
        """Return what the accuracy is a bound of, which images are undecided, and whether it can be believed."""
        mean = self.forwards.double().mean(), self.backwards.double().mean()
        of = Counter(self.searches[number] for number in self.by.tolist() if number >= 0)
        won = ", ".join(f"{name} {count}" for name, count in of.most_common())
        bound = (
            f"{self.model}: an upper bound of the robust accuracy, by the closest of {', '.join(self.searches)} "
            f"({won or 'none found anything'}), all epsilons at once; {mean[0]:,.0f} forward + {mean[1]:,.0f} backward "
            "evaluations an image"
        )
        notes = [bound]
        if count := int(self.undecided.sum()):
            notes.append(
                f"{self.model}: {count} of {len(self.labels)} images are undecided: no search changed their class at "
                "any size, so they are counted as not robust; audit the model"
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

    @property
    def clean(self) -> float:
        """Share of the clean images that are classified as labelled."""
        return share_correct(self.predictions, self.labels)

    @property
    def undecided(self) -> Bool[Tensor, " n"]:
        """Which images are classified as labelled while no search found a perturbation of any size."""
        return torch.isinf(self.distances)

    @property
    def robust(self) -> Bool[Tensor, "e n"]:
        """Which images are robust at each epsilon: the smallest perturbation is known, and larger."""
        return (self.distances > self.epsilons[:, None]) & ~self.undecided

    @property
    def accuracy(self) -> Float[Tensor, " e"]:
        """Robust accuracy at each epsilon."""
        return self.robust.double().mean(1)

    def accuracy_at(self, epsilons: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        """Return the robust accuracy at any sizes; between the epsilons of the search it is a looser bound.

        Args:
            epsilons: In [0, 1] pixel units.
        """
        return ((self.distances > epsilons[:, None]) & ~self.undecided).double().mean(1)

    @property
    def interval(self) -> Float[Tensor, "e 2"]:
        """Wilson's 95 % interval over images of the accuracy at each epsilon."""
        return wilson(self.accuracy, len(self.labels))

    @property
    def reference_accuracy(self) -> Float[Tensor, " e"]:
        """Share of the images that the reference does not fool at each epsilon."""
        return (~self.reference_fooled).double().mean(1)

    def _together(self) -> tuple[list[float], list[float]]:
        """Return the accuracy under both attacks, and how many robust images the reference fools; NaN without one."""
        if not self.reference:
            return [math.nan] * len(self.epsilons), [math.nan] * len(self.epsilons)
        both = self.robust & ~self.reference_fooled
        return both.double().mean(1).tolist(), (self.robust & self.reference_fooled).sum(1).tolist()


def wilson(share: Float[Tensor, " k"], count: int) -> Float[Tensor, "k 2"]:
    """Return Wilson's 95 % interval of shares of a number of images.

    Example:
        >>> [[round(end, 3) for end in ends] for ends in wilson(torch.tensor([0.5, 1.0]).double(), 10).tolist()]
        [[0.237, 0.763], [0.722, 1.0]]
    """
    square = NORMAL**2 / count
    middle = (share + square / 2) / (1 + square)
    half = (share * (1 - share) * square + square**2 / 4).sqrt() / (1 + square)
    return torch.stack((middle - half, middle + half), 1).clamp(0, 1)


def shown_epsilon(norm: float, epsilon: float) -> str:
    """Return an epsilon as people write it: multiples of 1/255 as such in l-infinity.

    Example:
        >>> shown_epsilon(math.inf, 8 / 255), shown_epsilon(2, 0.5)
        ('8/255', '0.5')
    """
    levels = epsilon * 255
    return f"{levels:.0f}/255" if math.isinf(norm) and abs(levels - round(levels)) < 1e-6 else f"{epsilon:.4g}"
