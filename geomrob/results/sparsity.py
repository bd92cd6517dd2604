"""How few pixels change a prediction, where they lie, and how far two models share them."""

import math
from dataclasses import dataclass, replace

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels
from geomrob.errors import unknown
from geomrob.results.attack import AttackResult, Status, failures
from geomrob.results.intervals import median_words, share_words
from geomrob.results.provenance import Provenance, quantiles
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

MEASURES = ("pixels", "elements", "percent", "l1", "l2", "linf")


@dataclass(frozen=True, repr=False)
class Sparsity(Result):
    """How few pixels of N images had to change for another prediction, and what finding them cost.

    `attack` names the search, `result` is what it returned (its `labels` are the predictions left), `found` the class
    predicted for each perturbed image (-1 where the attack failed). `options` are the attack's own (`lam`, `radius` in
    [0, 1] units with infinity for none, `prune`, ...). `stored` and `stored_found` are the same after rounding to 8
    bits, re-verified. `random` is, for each of some repeats, the fooling rate of as many random pixels. `target` is the
    class that was to be reached, if one, and `left_out` how many further images were classified as it already.
    `eight_bit` says that `result` is the rounded one.
    """

    model: str
    data: str
    attack: str
    options: dict[str, float | str]
    result: AttackResult
    found: Labels
    stored: AttackResult
    stored_found: Labels
    labels: Labels
    indices: Labels
    classes: tuple[str, ...]
    random: Float[Tensor, " r"]
    provenance: Provenance
    target: str = ""
    left_out: int = 0
    eight_bit: bool = False

    # Two tables, because one would be wider than a terminal.
    COUNTS = (
        Column("model", ("model",)),
        Column("clean\naccuracy", ("accuracy",), "{:.1%}"),
        Column("fooled", ("fooling_rate",), "{:.1%}"),
        Column("fooled as\n8 bits", ("survive_8_bits",), "{:.1%}"),
        Column("by random\npixels", ("random_pixels_fool",), "{:.1%}"),
        Column("pixels\nquartiles", ("pixels_25", "pixels_median", "pixels_75"), "{:.4g}, {:.4g}, {:.4g}"),
    )
    COSTS = (
        Column("model", ("model",)),
        Column("pixels", ("percent_median",), "{:.2f} %"),
        Column("elements", ("elements_median",), "{:.4g}"),
        *(Column(norm, (f"{norm}_median",), "{:.2f}") for norm in ("l1", "l2", "linf")),
        Column("fwd + bwd\nper image", ("forwards", "backwards"), "{:.1f} + {:.1f}"),
        Column("ms per\nimage", ("milliseconds_per_image",), "{:.1f}"),
    )

    def exported(self) -> "Sparsity":
        """Return the result of the images as 8 bits a channel hold them in place of the exact ones."""
        return replace(self, result=self.stored, found=self.stored_found, eight_bit=True)

    def facts(self) -> Record:
        """Return what was measured: model, data, attack and its options, target, images, clean accuracy."""
        return {**super().facts(), **self.options, "images": len(self.labels), "accuracy": self.accuracy}

    def summary(self) -> Record:
        """Return the facts, fooling rates, pixels, median sizes and mean costs; failures count as infinite."""
        low, middle, high = self.quantiles(0.25, 0.5, 0.75).tolist()
        return {
            **self.facts(),
            "fooling_rate": self.fooling_rate,
            "pixels_25": low,
            "pixels_median": middle,
            "pixels_75": high,
            **{f"{of}_median": float(self.quantiles(0.5, of=of)) for of in MEASURES[1:]},
            "survive_8_bits": float(self.survived.double().mean()),
            "random_pixels_fool": float(self.random.mean()),
            "forwards": float(self.result.forwards.double().mean()),
            "backwards": float(self.result.backwards.double().mean()),
            "milliseconds_per_image": 1000 * self.provenance.seconds / len(self.labels),
            "failures": failures(self.result.status),
        }

    def records(self) -> list[Record]:
        """Return one row an image; what failed has infinite pixels, elements and norms and no class after."""
        result = self.result
        columns = {
            "index": self.indices.tolist(),
            "label": self.names(self.labels),
            "class_before": self.names(result.labels),
            "class_after": self.names(self.found),
            "status": [Status(value).words for value in result.status.tolist()],
            **{of: self.values(of).tolist() for of in MEASURES},
            "steps": result.steps.tolist(),
            "forwards": result.forwards.tolist(),
            "backwards": result.backwards.tolist(),
            "survives_8_bits": self.survived.int().tolist(),
        }
        about: Record = {"model": self.model, "data": self.data}
        return [{**about, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]

    def tables(self) -> list[Table]:
        """Return two tables of one row: how many are fooled by how many pixels; size and cost of the change."""
        rows = [self.summary()]
        counts = (
            f"{self.attack} on {len(self.labels)} images of {self.data}, {_settings(self)}",
            "Share of the images that are fooled, also as 8-bit files, and by as many random pixels;",
            "how many pixels that takes (a pixel counts if any of its channels is changed):",
        )
        costs = (
            "Median size of the change: pixels, elements (one channel of a pixel), norms in [0, 1] units;",
            "mean cost: evaluations of the attack, time with all checks:",
        )
        return [Table(counts, self.COUNTS, rows), Table(costs, self.COSTS, rows)]

    def caveats(self) -> list[str]:
        """Return how many images were left out, how many rounding saves, and why attacks failed."""
        lost = int((self.result.success & ~self.survived).sum())
        fooled, count = share_words(self.fooling_rate, len(self.labels)), len(self.labels)
        spread = median_words(self.values("pixels"), "{:g}")
        over = f"95 % intervals over the {count} images: fooled {fooled}"
        kinds = [f"{over}{f', median of the pixels {spread}' if spread else ''}"]
        kinds += [f"not fooled, counted as infinite: {note}" for note in self.result.caveats()]
        if lost:
            kinds.insert(1, f"{lost} of the fooled images are not adversarial any more as 8 bits; they have no PNG")
        if self.left_out:
            kinds.insert(1, f"left out {self.left_out} images that the model classifies as {self.target} already")
        return [f"{self.model}: {words}" for words in kinds]

    def names(self, labels: Labels) -> list[str]:
        """Return what classes are called: their numbers where they have no names, nothing for -1."""
        known = dict(enumerate(self.classes))
        return ["" if label < 0 else known.get(label, str(label)) for label in labels.tolist()]

    @property
    def fooling_rate(self) -> float:
        """Share of the images whose prediction was changed (thesis, eq. 3.7)."""
        return self.result.success_rate

    @property
    def accuracy(self) -> float:
        """Share of the clean images that the model classifies as labelled."""
        return float((self.result.labels == self.labels).double().mean())

    @property
    def survived(self) -> Bool[Tensor, " n"]:
        """Which perturbed images are still adversarial after rounding to 8 bits."""
        return self.stored.success

    @property
    def percent(self) -> Distances:
        """Per cent of the pixels that are changed, in any channel; infinity where the attack failed."""
        height, width = self.result.inputs.shape[-2:]
        return 100 * self.result.pixels / (height * width)

    def quantiles(self, *q: float, of: str = "pixels") -> Float[Tensor, " q"]:
        """Return quantiles over all images of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`.

        Failures count as infinity: a quantile that falls between a finite and an infinite value is infinite.
        """
        return quantiles(self.values(of)[None], q)[0]

    def values(self, of: str) -> Distances:
        """Return one value an image of `pixels`, `elements`, `percent`, `l1`, `l2` or `linf`."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        if of in orders:
            return self.result.distances(orders[of])
        known = {"pixels": self.result.pixels, "elements": self.result.elements, "percent": self.percent}
        if of not in known:
            raise unknown("of", of, [*known, *orders])
        return known[of]


@dataclass(frozen=True, repr=False)
class Locations(Result):
    """Where in the image an attack changes pixels, for each class of images.

    `maps[c, y, x]` is the share of the fooled images of class c in which pixel (y, x) is changed (NaN where a class has
    no fooled image), `counts[c]` how many those are. `by` says which class: `label` (the true one), `left` (the one
    predicted before) or `found` (the one predicted now).
    """

    model: str
    data: str
    attack: str
    by: str
    classes: tuple[str, ...]
    maps: Float[Tensor, "k h w"]
    counts: Int64[Tensor, " k"]
    provenance: Provenance

    def records(self) -> list[Record]:
        """Return one row a class: its fooled images, and how many pixels of them are changed on average."""
        columns = (self.classes, self.counts.tolist(), self.maps.sum((1, 2)).tolist())
        return [
            {**self.facts(), "class": name, "fooled": count, "mean_pixels": pixels}
            for name, count, pixels in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, repr=False)
class Overlap(Result):
    """How far two models' perturbations of the same images change the same pixels.

    `union` is, for each image, shared pixels over all changed pixels (Jaccard index), `smaller` shared pixels over the
    pixels of the smaller of the two. `expected` is what `smaller` would be if the pixels of one lay anywhere, and
    `elsewhere` what it is on average against the other model's perturbations of *other* images: the part that comes
    from where objects are, not from this image. All are NaN where one of the attacks failed.
    """

    models: tuple[str, str]
    data: str
    attack: str
    union: Distances
    smaller: Distances
    expected: Distances
    elsewhere: Distances

    def summary(self) -> Record:
        """Return the facts and the means over the images for which both attacks succeeded."""
        means = {name: float(values.nanmean()) for name, values in self._values().items()}
        return {**self.facts(), "images": len(self.union), **means}

    def records(self) -> list[Record]:
        """Return one row an image."""
        columns = [values.tolist() for values in self._values().values()]
        return [{**self.facts(), **dict(zip(self._values(), row, strict=True))} for row in zip(*columns, strict=True)]

    def facts(self) -> Record:
        """Return of what: the two models, the data, the attack."""
        return {"first": self.models[0], "second": self.models[1], **super().facts()}

    def _values(self) -> dict[str, Distances]:
        return {"union": self.union, "smaller": self.smaller, "expected": self.expected, "elsewhere": self.elsewhere}


def _settings(result: Sparsity) -> str:
    """Return the options in one line."""
    options = result.options
    settings = [f"towards {result.target}" if result.target else "any other class"]
    settings += [f"lam {options['lam']:g}"] if "lam" in options else []
    if "radius" in options:
        limit = float(options["radius"])
        settings.append("values in [0, 1]" if math.isinf(limit) else f"at most {255 * limit:g}/255 an element")
    if "prune" in options:
        few = options.get("count", "pixels")
        pruned = f"pruned to few {few} within {options.get('budget', math.inf):g} evaluations"
        settings.append(pruned if options["prune"] else "not pruned")
    return f"{', '.join(settings)}; {'rounded to 8 bits' if result.eight_bit else 'exact images'}."
