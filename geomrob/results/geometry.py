"""How the decision boundary lies and bends where perturbations meet it."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import UsageError, unknown
from geomrob.results.attack import Status, failures
from geomrob.results.intervals import median_words, share_words
from geomrob.results.provenance import Provenance, share_correct
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

ALONG = {
    "mean": "mean over random tangents",
    "random": "random tangents",
    "others": "other images' perturbations",
    "own": "own perturbation",
    "largest": "largest found",
}
"""The kinds of directions, and how tables call them."""


@dataclass(frozen=True, repr=False)
class Geometry(Result):
    """How the decision boundary of a model lies and bends where N perturbations meet it.

    With c the class of an image and k the one behind the boundary, g = f_k - f_c is zero on the boundary, whose unit
    normal is n = grad g / ||grad g||, pointing away from the image's region. `distances` are l2, in [0, 1] pixel units,
    infinity where no boundary was found (`status` says why; INVARIANT too where grad g is zero there). `cosine[i]` is
    that of the angle between perturbation and n. Curvatures are v' H v / ||grad g|| along unit tangents v, in 1 / pixel
    unit, **positive where the boundary bends around the image's region** (the sphere around it has 1 / radius) and
    negative where it bends away: along random tangents (`random`), along the perturbation's own tangential part
    (`own`; NaN where it is straight along n), along those of other images' perturbations (`others`), and in the
    direction of largest size that a power iteration came to (`largest`; NaN without a power iteration). All are NaN
    where there is no boundary. `method` is difference, of the normals at +- `step` along v, or hessian (step NaN).
    `singular` are the singular values of the matrix of all unit normals, `singular_random` those of as many random
    directions.
    """

    model: str
    data: str
    attack: str
    method: str
    step: float
    distances: Distances
    status: Int64[Tensor, " n"]
    targets: Labels
    cosine: Float[Tensor, " n"]
    gradient_norm: Float[Tensor, " n"]
    random: Float[Tensor, "n r"]
    own: Float[Tensor, " n"]
    others: Float[Tensor, "n o"]
    largest: Float[Tensor, " n"]
    singular: Float[Tensor, " m"]
    singular_random: Float[Tensor, " m"]
    predictions: Labels
    labels: Labels
    indices: Labels
    provenance: Provenance

    COLUMNS = (
        Column("curvature along", ("kind",), words=True),
        Column("measured", ("count",)),
        *(
            Column(heading, (key,), "{:.3f}")
            for heading, key in (("5 %", "low"), ("median", "median"), ("95 %", "high"), ("mean", "mean"))
        ),
    )

    def facts(self) -> Record:
        """Return model, data, how curvature was measured, images, for how many a boundary was measured, accuracy."""
        measured = int(self.measured.sum())
        return {**super().facts(), "images": len(self.indices), "measured": measured, "accuracy": self.accuracy}

    def summary(self) -> Record:
        """Return the facts, three quantiles and the mean of distance, bend and angle, and the span of the normals."""
        spread = {
            f"{name}_{key}": value
            for name, values in (("distance", self.distances), ("bend", self.bend), ("angle", self.angle))
            for key, value in _spread(values).items()
        }
        return {
            **self.facts(),
            **spread,
            "effective_dimension": self.dimension(),
            "effective_dimension_random": self.dimension(random=True),
            "directions_90": self.directions(),
            "directions_90_random": self.directions(random=True),
        }

    def records(self) -> list[Record]:
        """Return one row a kind of direction, in 1 / pixel unit; NaN where nothing was measured."""
        about: Record = {"model": self.model, "data": self.data, "method": self.method, "step": self.step}
        return [
            {**about, "along": along, "kind": kind, **_spread(self.curvatures(along))} for along, kind in ALONG.items()
        ]

    def tables(self) -> list[Table]:
        """Return the table of the curvatures that were measured."""
        how = f"normals at +-{self.step:g}" if self.method == "difference" else "second derivatives"
        title = (
            (
                f"{self.headline()}: clean accuracy "
                f"{share_words(self.accuracy, len(self.indices))} of {len(self.indices)} images; "
                f"boundary found and measured for {int(self.measured.sum())}"
            ),
            f"Curvature of the boundary in 1 / pixel unit ({how}): positive bends around the image's region, 0 is flat",
        )
        return [Table(title, self.COLUMNS, [row for row in self.records() if row["count"]])]

    def caveats(self) -> list[str]:
        """Return distance, bend, angle and span of the normals in sentences, and how often the attack failed."""
        row, name = self.summary(), self.model
        failed = failures(self.status)
        return [
            (
                f"{name}: distance {row['distance_median']:.3f} (median of those found); mean curvature x distance "
                f"{row['bend_median']:.3f} ({row['bend_low']:.3f} to {row['bend_high']:.3f}; "
                "1 is the sphere around the image)"
            ),
            (
                f"{name}: angle between perturbation and normal {row['angle_median']:.1f} degrees "
                f"({row['angle_low']:.1f} to {row['angle_high']:.1f})"
            ),
            (
                f"{name}: normals: effective dimension {row['effective_dimension']:.1f} (random directions "
                f"{row['effective_dimension_random']:.1f}); {row['directions_90']} directions hold 90 % of their "
                f"energy (random {row['directions_90_random']})"
            ),
            *self._intervals(),
            *([f"{name}: no boundary, left out: {failed}"] if failed else []),
        ]

    def _intervals(self) -> list[str]:
        """Return what another draw of images may have given of the medians over images."""
        values = {"distance": self.distances, "mean curvature x distance": self.bend, "angle": self.angle}
        ends = {key: median_words(numbers[self.measured].double()) for key, numbers in values.items()}
        words = ", ".join(f"{key} {end}" for key, end in ends.items() if end)
        return [f"{self.model}: 95 % intervals of the medians over these images: {words}"] if words else []

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return share_correct(self.predictions, self.labels)

    @property
    def measured(self) -> Bool[Tensor, " n"]:
        """For which images a boundary with a normal was found."""
        return self.status == Status.FOUND

    @property
    def mean(self) -> Float[Tensor, " n"]:
        """Estimate of the mean curvature at each boundary point: the mean over random tangents."""
        return self.random.mean(1)

    @property
    def bend(self) -> Float[Tensor, " n"]:
        """Mean curvature times distance, which has no unit: 0 is flat, 1 the sphere around the image.

        Half of it is how far the boundary leaves its tangent plane over the length of the perturbation, as a share of
        that length.
        """
        return self.mean * self.distances

    @property
    def angle(self) -> Float[Tensor, " n"]:
        """Angle between each perturbation and the boundary's normal, in degrees."""
        return torch.rad2deg(self.cosine.clamp(-1, 1).arccos())

    def curvatures(self, along: str) -> Float[Tensor, " p"]:
        """Return all finite curvatures along `random`, `own`, `others` or `largest` directions, or the `mean` ones."""
        known = {name: getattr(self, name) for name in ("random", "mean", "own", "others", "largest")}
        if along not in known:
            raise unknown("along", along, known)
        values = known[along].flatten()
        return values[torch.isfinite(values)]

    def dimension(self, *, random: bool = False) -> float:
        """Return the effective dimension of the normals' span: (sum s^2)^2 / sum s^4 over the singular values s.

        It is the number of directions if the normals are spread over them evenly, at most the number of normals.

        Args:
            random: Of the random directions instead.
        """
        energy = (self.singular_random if random else self.singular).square()
        return float(energy.sum().square() / energy.square().sum()) if len(energy) else math.nan

    def directions(self, share: float = 0.9, *, random: bool = False) -> int:
        """Return how many singular directions hold that share of the energy of the normals.

        Args:
            share: Above 0, at most 1.
            random: Of the random directions instead.
        """
        if not 0 < share <= 1:
            raise UsageError(f"share must be above 0 and at most 1; got {share}: 0.9 is usual")
        energy = (self.singular_random if random else self.singular).square().cumsum(0)
        return int((energy < share * energy[-1:] * (1 - 1e-12)).sum()) + 1 if len(energy) else 0


def _spread(values: Tensor) -> Record:
    """Return how many finite values there are, three quantiles and the mean; NaN where there are none."""
    known = values[torch.isfinite(values)].double()
    low, middle, high = (
        known.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)).tolist() if len(known) else [math.nan] * 3
    )
    return {"count": len(known), "low": low, "median": middle, "high": high, "mean": float(known.mean())}


@dataclass(frozen=True, repr=False)
class CrossSection(Result):
    """Decision regions of a model on a plane, and images projected on it.

    Coordinates are l2 distances from the origin of the plane along two orthogonal directions, `axes`, in the units of
    the images. `regions[i, j]` is the class at (`horizontal[j]`, `vertical[i]`). `points` are the projections of N
    images, `labels` their true classes, `away` their l2 distances from the plane. `classes` names every class.
    """

    model: str
    data: str
    axes: tuple[str, str]
    classes: tuple[str, ...]
    horizontal: Float[Tensor, " w"]
    vertical: Float[Tensor, " h"]
    regions: Int64[Tensor, "h w"]
    points: Float[Tensor, "n 2"]
    labels: Labels
    away: Float[Tensor, " n"]
    provenance: Provenance

    COLUMNS = (
        Column("class", ("class",)),
        Column("share of\nthe plane", ("share",), "{:.1%}"),
        Column("images", ("images",)),
        Column("median distance\nfrom the plane", ("away_median",), "{:.3g}"),
    )

    def facts(self) -> Record:
        """Return model, data, axes, the range of both, the resolution and how many images are projected."""
        return {
            **super().facts(),
            "horizontal": self.axes[0],
            "vertical": self.axes[1],
            **dict(zip(("left", "right"), self.horizontal[[0, -1]].double().tolist(), strict=True)),
            **dict(zip(("low", "high"), self.vertical[[0, -1]].double().tolist(), strict=True)),
            "resolution": len(self.horizontal),
            "images": len(self.labels),
        }

    def records(self) -> list[Record]:
        """Return one row a class: its share of the plane, its images and how far those are from the plane.

        The distance is NaN without images.
        """
        return [
            {
                "model": self.model,
                "data": self.data,
                "class": name,
                "share": float((self.regions == number).double().mean()),
                "images": int((self.labels == number).sum()),
                "away_median": float(self.away[self.labels == number].double().quantile(0.5))
                if bool((self.labels == number).any())
                else torch.nan,
            }
            for number, name in enumerate(self.classes)
        ]

    def tables(self) -> list[Table]:
        """Return the table of the classes."""
        title = f"{self.headline()}: decision regions on the plane of {self.axes[0]} and {self.axes[1]}"
        return [Table((title,), self.COLUMNS, self.records())]
