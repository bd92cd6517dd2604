"""How small the smallest perturbations are, in several norms."""

from collections import Counter
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.results.intervals import median_interval
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table


@dataclass(frozen=True, repr=False)
class Norms(Result):
    """Smallest perturbations found of N images, in several norms, for several models (HaH, Fig. 5).

    `values[m, p, i]` is the smallest value of norm `norms[p]` among the perturbations of image i that any of the
    `attacks` found on model m, infinity where none did; `by[m, p, i]` says which attack found it (-1 where none).
    `pixels` are changed pixels, `elements` changed channels of pixels, `l1`, `l2`, `linf` are in [0, 1] pixel units.
    Perturbed images lie in [0, 1]. `left` is the class that was to be left: an image that is not classified as
    that has distance 0. `accuracy` is that of each model on the clean images.
    """

    models: tuple[str, ...]
    data: str
    norms: tuple[str, ...]
    attacks: tuple[str, ...]
    left: str
    values: Float[Tensor, "m p n"]
    by: Int64[Tensor, "m p n"]
    accuracy: Float[Tensor, " m"]
    indices: Labels
    provenance: Provenance

    COLUMNS = (
        Column("model", ("model",)),
        Column("norm", ("norm",)),
        Column("mean", ("mean",), "{:.4g}"),
        Column("median", ("median",), "{:.4g}"),
        Column("interval of\nthe median", ("median_low", "median_high"), "{:.4g}-{:.4g}"),
        Column("not found", ("failures",)),
        Column("smallest by", ("by",), words=True),
    )

    def facts(self) -> Record:
        """Return data, class that was left, number of images, attacks and norms."""
        lists = {"images": len(self.indices), "attacks": " ".join(self.attacks), "norms": " ".join(self.norms)}
        return {**super().facts(), "models": " ".join(self.models), **lists}

    def records(self) -> list[Record]:
        """Return one row a model and norm: mean where one was found, median over all, failures, which attacks won."""
        intervals = [median_interval(values) for values in self.values]
        return [
            {
                "model": model,
                "data": self.data,
                "norm": norm,
                "accuracy": float(self.accuracy[m]),
                "mean": float(self.mean[m, p]),
                "median": float(self.median[m, p]),
                **dict(zip(("median_low", "median_high"), intervals[m][p].tolist(), strict=True)),
                "failures": int(self.failures[m, p]),
                "by": ", ".join(
                    f"{self.attacks[attack]} {count}"
                    for attack, count in Counter(self.by[m, p].tolist()).most_common()
                    if attack >= 0
                ),
            }
            for m, model in enumerate(self.models)
            for p, norm in enumerate(self.norms)
        ]

    def headline(self) -> str:
        """Return of how many images, leaving which class."""
        return f"Smallest perturbations of {len(self.indices)} images of {self.data} that leave the {self.left} class"

    def tables(self) -> list[Table]:
        """Return the table of models and norms."""
        reading = (
            "mean over the images where one was found, median over all (failures are infinite); [0, 1] pixel units"
        )
        return [Table((self.headline(), reading), self.COLUMNS, self.records())]

    @property
    def mean(self) -> Float[Tensor, "m p"]:
        """Mean over the images where one was found, NaN where none was; `failures` counts the others."""
        found = torch.isfinite(self.values)
        return torch.where(found, self.values, 0).sum(2) / found.sum(2)

    @property
    def median(self) -> Float[Tensor, "m p"]:
        """Median over all images, failures counted as infinity."""
        return torch.stack([quantiles(model, (0.5,))[:, 0] for model in self.values])

    @property
    def failures(self) -> Int64[Tensor, "m p"]:
        """Number of images for which no perturbation was found."""
        return (~torch.isfinite(self.values)).sum(2)
