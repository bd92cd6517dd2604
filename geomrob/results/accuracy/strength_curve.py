"""The accuracy of models against the strength of perturbations that were not fitted to them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.intervals import wilson
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


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

    def facts(self) -> Record:
        """Return what was measured: models, data, attack, source, networks and repeats of each model, images."""
        _, networks, repeats, _, images = self.correct.shape
        about: Record = {"networks": networks, "repeats": repeats, "images": images}
        return {"models": " ".join(self.models), **super().facts(), **about}

    def summary(self) -> Record:
        """Return the facts and the mean accuracy of all models on clean images and at the largest strength."""
        clean, strongest = self.mean[:, 0], self.mean[:, -1]
        last = float(self.strengths[-1])
        ends: Record = {"accuracy": float(clean.mean()), "strength": last, "accuracy_there": float(strongest.mean())}
        return {**self.facts(), **ends}

    def records(self) -> list[Record]:
        """Return one row a model and strength; the error of a single run is NaN."""
        means, errors = self.mean.tolist(), self.error.tolist()
        return [
            {
                "model": name,
                "data": self.data,
                "attack": self.attack,
                "source": self.source,
                "strength": strength,
                "accuracy": means[model][at],
                "standard_error": errors[model][at],
                **dict(zip(("low", "high"), wilson(means[model][at], len(self.labels)), strict=True)),
                "images": len(self.labels),
                "networks": self.correct.shape[1],
                "repeats": self.correct.shape[2],
            }
            for model, name in enumerate(self.models)
            for at, strength in enumerate(self.strengths.tolist())
        ]

    def tables(self) -> list[Table]:
        """Return the accuracies: a row a strength, a column a model."""
        images = len(self.labels)
        crafted = f" made on {self.source}" if self.source else ""
        over = self.error_over
        error = f"mean +- standard error of {over}" if over else "one run, no standard error"
        wide = max(high - low for means in self.mean.tolist() for low, high in (wilson(mean, images) for mean in means))
        title = f"accuracy on {images} images of {self.data} against the strength of {self.attack}{crafted}; {error}"
        sampling = f"95 % intervals of the accuracies over images (low, high) are up to {wide:.1%} wide."
        rows: list[Record] = [{"strength": strength} for strength in self.strengths.tolist()]
        columns = [Column("strength", ("strength",), "{:g}")]
        for name, means, errors in zip(self.models, self.mean.tolist(), self.error.tolist(), strict=True):
            keys = (f"accuracy of {name}", f"error of {name}")
            columns.append(Column(name, keys, "{:.1%} +- {:.1%}", "{:.1%}"))
            for row, *both in zip(rows, means, errors, strict=True):
                row.update(zip(keys, both, strict=True))
        return [Table((title, sampling), tuple(columns), rows, ("accuracy", "standard_error"))]

    @property
    def accuracy(self) -> Float[Tensor, "m g r e"]:
        """Share of the images that are classified as labelled, for each network and repeat."""
        return self.correct.double().mean(4)

    @property
    def mean(self) -> Float[Tensor, "m e"]:
        """Mean accuracy of each model over its networks and repeats."""
        return self.accuracy.mean((1, 2))

    @property
    def error_over(self) -> str:
        """What the standard error is over: the trainings, the repeats of a single one, empty with one of both."""
        networks, repeats = self.correct.shape[1:3]
        counted = f"{networks} trainings" if networks > 1 else f"{repeats} repeats"
        return counted if max(networks, repeats) > 1 else ""

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

    COLUMNS = (
        Column("model", ("model",)),
        Column("R0 / U0", ("clean_ratio",), "{:.3f}"),
        Column("RD / UD", ("perturbed_ratio",), "{:.3f}"),
        Column("accepted", ("accepted",)),
    )

    def summary(self) -> Record:
        """Return the facts and how many models are accepted."""
        return {**self.facts(), "models": len(self.models), "accepted": int(self.accepted.sum())}

    def records(self) -> list[Record]:
        """Return one row for each model that is compared with the baseline."""
        columns = (self.models, self.clean.tolist(), self.distorted.tolist(), self.accepted.tolist())
        return [
            {
                "model": name,
                "baseline": self.baseline,
                "attack": self.attack,
                "strength": self.strength,
                "minimum": self.minimum,
                "clean_ratio": clean,
                "perturbed_ratio": distorted,
                "accepted": accepted,
            }
            for name, clean, distorted, accepted in zip(*columns, strict=True)
        ]

    def headline(self) -> str:
        """Return the baseline and the rule."""
        return (
            f"against {self.baseline}, at strength {self.strength:g}: accepted where R0 / U0 >= {self.minimum:g} "
            "(clean accuracy kept) and RD / UD > 1 (more perturbed images classified correctly)"
        )

    @property
    def accepted(self) -> Bool[Tensor, " m"]:
        """Where R0 / U0 >= A0 and RD / UD > 1, A0 the `minimum`."""
        return (self.clean >= self.minimum) & (self.distorted > 1)
