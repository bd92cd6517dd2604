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
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class TransferMatrix(Result):
    """Fooling rates between models: images crafted on one (row, source), shown to another (column, target).

    `fooled[s, t, i]` says whether model t predicts another class for image i as perturbed on model s than for the clean
    image. `attack` is what perturbed it.
    An image whose attack failed on the source is not fooled on any target: `found[s, i]` counts them. `accuracy` is
    that of each model on the clean images.
    """

    models: tuple[str, ...]
    data: str
    attack: str
    fooled: Bool[Tensor, "s s n"]
    found: Bool[Tensor, "s n"]
    accuracy: Float[Tensor, " s"]
    provenance: Provenance

    def facts(self) -> Record:
        """Return what was measured: models, data, attack, images."""
        return {"models": " ".join(self.models), **super().facts(), "images": self.found.shape[1]}

    def summary(self) -> Record:
        """Return the facts and the mean fooling rates, on the source itself and on the other models."""
        own = self.rates.diagonal()
        others = (self.rates.sum() - own.sum()) / max(1, self.rates.numel() - len(own))
        return {**self.facts(), "rate_own": float(own.mean()), "rate_others": float(others)}

    def records(self) -> list[Record]:
        """Return one row for each source and target; the accuracy is NaN where there were no labels."""
        rates, accuracy = self.rates.tolist(), self.accuracy.tolist()
        return [
            {
                "source": source,
                "target": target,
                "data": self.data,
                "attack": self.attack,
                "images": self.found.shape[1],
                "fooled_source": int(self.found[s].sum()),
                "fooled_target": int(self.fooled[s, t].sum()),
                "rate": rates[s][t],
                "target_accuracy": accuracy[t],
            }
            for s, source in enumerate(self.models)
            for t, target in enumerate(self.models)
        ]

    def tables(self) -> list[Table]:
        """Return the matrix: a row a source, a column a target."""
        images = self.found.shape[1]
        title = (
            f"{self.attack} on {images} images of {self.data}: share of the images for which the model of the column",
            "(target) predicts another class after they were perturbed to fool the model of the row (source)",
        )
        keys = [f"on {name}" for name in self.models]
        rows: list[Record] = [
            {"source": source, "fooled": int(found.sum()), "images": images, **dict(zip(keys, rates, strict=True))}
            for source, found, rates in zip(self.models, self.found, self.rates.tolist(), strict=True)
        ]
        own = (Column("source", ("source",)), Column("fooled", ("fooled", "images"), "{} of {}"))
        return [Table(title, (*own, *(Column(key.replace(" ", "\n", 1), (key,), "{:.1%}") for key in keys)), rows)]

    def notes(self) -> list[str]:
        """Return the clean accuracy of each model."""
        accuracy = zip(self.models, self.accuracy.tolist(), strict=True)
        words = (f"{name} {'-' if math.isnan(share) else f'{share:.1%}'}" for name, share in accuracy)
        return [f"clean accuracy: {', '.join(words)}"]

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
                "images": len(self.labels),
                "repeats": self.correct.shape[2],
            }
            for model, name in enumerate(self.models)
            for at, strength in enumerate(self.strengths.tolist())
        ]

    def tables(self) -> list[Table]:
        """Return the accuracies: a row a strength, a column a model."""
        _, _, repeats, _, images = self.correct.shape
        crafted = f" made on {self.source}" if self.source else ""
        error = f"mean +- standard error of {repeats} repeats" if repeats > 1 else "one run, no standard error"
        title = f"accuracy on {images} images of {self.data} against the strength of {self.attack}{crafted}; {error}"
        rows: list[Record] = [{"strength": strength} for strength in self.strengths.tolist()]
        columns = [Column("strength", ("strength",), "{:g}")]
        for name, means, errors in zip(self.models, self.mean.tolist(), self.error.tolist(), strict=True):
            keys = (f"accuracy of {name}", f"error of {name}")
            columns.append(Column(name, keys, "{:.1%} +- {:.1%}", "{:.1%}"))
            for row, *both in zip(rows, means, errors, strict=True):
                row.update(zip(keys, both, strict=True))
        return [Table((title,), tuple(columns), rows)]

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
