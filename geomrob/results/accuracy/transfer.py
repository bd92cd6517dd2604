"""How often perturbations made on one model fool another."""

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.results.intervals import share_words, wilson
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
                **dict(zip(("rate_low", "rate_high"), wilson(rates[s][t], self.found.shape[1]), strict=True)),
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
        return [
            Table(
                title, (*own, *(Column(key.replace(" ", "\n", 1), (key,), "{:.1%}") for key in keys)), rows, ("rate",)
            )
        ]

    def caveats(self) -> list[str]:
        """Return the clean accuracy of each model."""
        accuracy = zip(self.models, self.accuracy.tolist(), strict=True)
        images = self.found.shape[1]
        words = (f"{name} {'-' if math.isnan(share) else share_words(share, images)}" for name, share in accuracy)
        return [f"clean accuracy, with 95 % intervals over the {images} images: {', '.join(words)}"]

    @property
    def rates(self) -> Float[Tensor, "s s"]:
        """Fooling rate (thesis, eq. 3.7) of each target (column) on the images of each source (row)."""
        return self.fooled.double().mean(2)
