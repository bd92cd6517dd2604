"""Errors of models on corrupted images, and the scores made of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.errors import UsageError
from geomrob.results.intervals import wilson
from geomrob.results.provenance import Provenance
from geomrob.results.result import Result
from geomrob.tables import Column, Record, Table

SHORT = {
    "gaussian_noise": "Ga",
    "shot_noise": "Sh",
    "impulse_noise": "Im",
    "defocus_blur": "De",
    "glass_blur": "Gl",
    "motion_blur": "Mo",
    "zoom_blur": "Zo",
    "snow": "Sn",
    "frost": "Fr",
    "fog": "Fo",
    "brightness": "Br",
    "contrast": "Co",
    "elastic_transform": "El",
    "pixelate": "Pi",
    "jpeg_compression": "Jp",
    "speckle_noise": "Sp",
    "gaussian_blur": "Gb",
    "spatter": "St",
    "saturate": "Sa",
}
"""How the papers head the columns, and the four that they have none for."""

BENCHMARK = tuple(SHORT)[:15]
"""What mCE is the mean over, in the column order of the papers."""

ORIGINS = {"made": "made by geomrob", "ready-made": "read from the distributed set"}


def mean_and_error(values: Float[Tensor, "*rest g"]) -> tuple[Float[Tensor, "*rest"], Float[Tensor, "*rest"]]:
    """Return mean and standard error over networks, std / sqrt(G) with G - 1 in the variance; NaN with one network.

    Example:
        >>> mean, error = mean_and_error(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
        >>> round(mean.item(), 3), round(error.item(), 4)
        (0.2, 0.0577)
    """
    count = values.shape[-1]
    mean = values.mean(-1)
    return mean, torch.full_like(mean, math.nan) if count == 1 else values.std(-1) / math.sqrt(count)


@dataclass(frozen=True, repr=False)
class CorruptionTable(Result):
    """Errors of M models, G networks of each (trainings with different seeds, or one), under corruptions.

    `errors[m, g, c, s]` is the `measure` of network g of model m on all `images` under corruption c at severity
    `severities[s]`; `clean[m, g]` the same on the images as they are. `error` is the share that is not classified as
    labelled. `sources[c]` says whether corruption c was made by geomrob (`made`) or read from a distributed set
    (`ready-made`); a column holds one kind only, and a mean over both is `mixed`. `adapt` is how statistics of batch
    normalisation were fitted to the images of each cell, the clean ones among them (`none`: not at all).
    `correct[m, g, c, s, i]` and `clean_correct[m, g, i]` say whether image i, at `indices[i]` of its source, is
    classified as labelled, for paired comparisons; None where another measure was taken.
    """

    models: tuple[str, ...]
    data: str
    measure: str
    images: int
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    sources: tuple[str, ...]
    adapt: str
    errors: Float[Tensor, "m g c s"]
    clean: Float[Tensor, "m g"]
    provenance: Provenance
    correct: Bool[Tensor, "m g c s n"] | None = None
    clean_correct: Bool[Tensor, "m g n"] | None = None
    labels: Labels | None = None
    indices: Labels | None = None

    @property
    def source(self) -> str:
        """`made` or `ready-made` where that is true of every corruption, else `mixed`."""
        return self.sources[0] if len(set(self.sources)) == 1 else "mixed"

    @property
    def corruption_errors(self) -> Float[Tensor, "m g c"]:
        """CE of each corruption: the mean of its errors over the severities."""
        return self.errors.mean(3)

    @property
    def over(self) -> tuple[str, ...]:
        """The corruptions that scores are means over: the 15 of the benchmark if all are there, else all."""
        return BENCHMARK if set(BENCHMARK) <= set(self.corruptions) else self.corruptions

    @property
    def mean_name(self) -> str:
        """How the mean over corruptions is called: mCE is over the 15 of the benchmark alone."""
        return "mCE" if set(self.over) == set(BENCHMARK) else "mean CE"

    def facts(self) -> Record:
        """Return data, measure, images, adaptation, source of the corrupted images, number of networks."""
        about: Record = {"source": self.source, "over": " ".join(self.over), "networks": self.errors.shape[1]}
        return {**super().facts(), **about}

    def summary(self) -> Record:
        """Return the facts, and clean error and mean error of each model."""
        means = {"clean": self.clean.mean(1).tolist(), self.mean_name: self.mce(self.over).mean(1).tolist()}
        pairs = (
            (name, model, value)
            for name, values in means.items()
            for model, value in zip(self.models, values, strict=True)
        )
        return {**self.facts(), **{f"{name} {model}": value for name, model, value in pairs}}

    def records(self) -> list[Record]:
        """Return one row a model, network, corruption and severity; severity 0 is the clean images."""
        rows: list[Record] = []
        for m, model in enumerate(self.models):
            for g in range(self.errors.shape[1]):
                about: Record = {"model": model, "network": g, "data": self.data, "adapt": self.adapt}
                clean: Record = {
                    "corruption": "none",
                    "severity": 0,
                    "source": "",
                    self.measure: float(self.clean[m, g]),
                }
                rows.append({**about, **clean})
                for name, source, values in zip(self.corruptions, self.sources, self.errors[m, g], strict=True):
                    for level, value in zip(self.severities, values.tolist(), strict=True):
                        cell: Record = {"corruption": name, "severity": level, "source": source, self.measure: value}
                        rows.append({**about, **cell})
        return rows

    def papers(self) -> list[Record]:
        """Return one row a model, as the papers have it: clean, mean, then a column a corruption, over networks."""
        about: Record = {"data": self.data, "measure": self.measure, "adapt": self.adapt, "source": self.source}
        means = self.mce(self.over).mean(1).tolist()
        return [
            {
                "model": model,
                **about,
                "clean": float(self.clean[m].mean()),
                "mean": means[m],
                **dict(zip(self.corruptions, self.corruption_errors[m].mean(0).tolist(), strict=True)),
            }
            for m, model in enumerate(self.models)
        ]

    def headline(self) -> str:
        """Return images, data, source of the corruptions and adaptation."""
        fitted = "" if self.adapt == "none" else f", batch-norm statistics fitted to the images ({self.adapt})"
        mixed = "made by geomrob, but columns with * (and in part their means) from a distributed set"
        return f"{self.images} images of {self.data}, corruptions {ORIGINS.get(self.source, mixed)}{fitted}"

    def caveats(self) -> list[str]:
        """Return how far the errors may be off for another draw of as many images."""
        if self.measure != "error":
            return []
        shares = torch.cat([self.clean.flatten(), self.corruption_errors.flatten()]).tolist()
        wide = max(high - low for low, high in (wilson(share, self.images) for share in shares))
        return [f"Over {self.images} images, the 95 % interval of an error is up to {100 * wide:.1f} points wide."]

    def errs(self, model: str) -> bool:
        """Return whether a model makes errors on clean and on corrupted images, so that others can be compared."""
        row = self.models.index(model)
        return bool(self.clean[row].any()) and bool(self.mce(self.over)[row].any())

    def what(self, *, accuracy: bool = False) -> str:
        """Return what a cell is: the measure, or one minus it."""
        if self.measure == "error":
            return "accuracy" if accuracy else "error"
        return f"1 - ({self.measure})" if accuracy else self.measure

    def tables(self, *, accuracy: bool = False) -> list[Table]:
        """Return the table in per cent, a column a corruption, in the order of the papers.

        Args:
            accuracy: One minus each error instead.
        """
        star = "*" if self.source == "mixed" else ""
        whole = self.mean_name == "mCE"
        mean = ("mCE" if whole and not accuracy else "mean") + star
        extra = len(self.corruptions) - len(self.over)
        title = (
            self.headline(),
            (
                f"{self.what(accuracy=accuracy)} in per cent, mean over severities "
                f"{', '.join(map(str, self.severities))}; "
                f"{mean} over {len(self.over)} corruption{'' if len(self.over) == 1 else 's'}"
                f"{f', without the last {extra}' if extra else ''}"
                f"{'' if whole else ' (no mCE: that is over the 15 of the benchmark)'}"
            ),
        )
        heads = [
            SHORT[name] + (star if source == "ready-made" else "")
            for name, source in zip(self.corruptions, self.sources, strict=True)
        ]
        columns = [
            Column("model", ("model",)),
            *(Column(head, (key,)) for head, key in (("clean", "clean"), (mean, "mean"))),
            *(Column(head, (name,)) for head, name in zip(heads, self.corruptions, strict=True)),
        ]
        mce = self.mce(self.over)
        rows: list[Record] = [
            {
                "model": model,
                "clean": score_cell(self.clean[m], percent=True, accuracy=accuracy),
                "mean": score_cell(mce[m], percent=True, accuracy=accuracy),
                **{
                    name: score_cell(values, percent=True, accuracy=accuracy, spread=False)
                    for name, values in zip(self.corruptions, self.corruption_errors[m].T, strict=True)
                },
            }
            for m, model in enumerate(self.models)
        ]
        return [Table(title, tuple(columns), rows)]

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return where the corruptions of these names stand.

        Raises:
            UsageError: Some are missing from the table: they are named.
        """
        missing = [name for name in names if name not in self.corruptions]
        if missing or not names:
            given = f"no {', '.join(missing)}" if missing else "no name"
            raise UsageError(f"corruptions must hold all that the score is a mean over; got {given}: measure them, too")
        return [self.corruptions.index(name) for name in names]

    def mce(self, names: Sequence[str]) -> Float[Tensor, "m g"]:
        """Return the mean corruption error (PushPull, eq. 9): the mean of CE over the corruptions of these names.

        Raises:
            UsageError: Some are missing from the table.
        """
        return self.corruption_errors[:, :, self.columns(names)].mean(2)


@dataclass(frozen=True, repr=False)
class CorruptionScores(Result):
    """Every score of M models, G networks of each, made of their errors under corruptions.

    `scores[name]` (M, G) is a score of each network, as `corruption_scores` names them; with a `baseline` (empty for
    none) also those relative to it. `mean_name` is mCE where the mean is over the 15 corruptions of the benchmark.
    """

    models: tuple[str, ...]
    data: str
    measure: str
    adapt: str
    source: str
    baseline: str
    mean_name: str
    scores: dict[str, Float[Tensor, "m g"]]
    provenance: Provenance

    def records(self) -> list[Record]:
        """Return one row a model and score: mean and standard error over its networks, source of the images."""
        rows: list[Record] = []
        for name, values in self.scores.items():
            means, errors = mean_and_error(values)
            for model, mean, error in zip(self.models, means.tolist(), errors.tolist(), strict=True):
                score: Record = {"model": model, "score": name.replace("mCE", self.mean_name), "mean": mean}
                rest: Record = {"networks": values.shape[1], "source": self.source, "adapt": self.adapt}
                rows.append({**score, "standard_error": error, **rest})
        return rows

    def tables(self, *, accuracy: bool = False) -> list[Table]:
        """Return the means by severity and group in per cent, and the scores relative to the baseline.

        Args:
            accuracy: One minus each error in the first.
        """
        what = ("accuracy" if accuracy else "error") if self.measure == "error" else self.measure
        what = f"1 - ({what})" if accuracy and self.measure != "error" else what
        groups: dict[str, Float[Tensor, "m g"]] = {
            _group(name) or name: values
            for name, values in self.scores.items()
            if name.startswith("severity") or _group(name)
        }
        tables = [self._table((), f"mean {what} (%)", groups, percent=True, accuracy=accuracy)]
        if self.baseline:
            mean = self.mean_name
            title = f"relative to {self.baseline}: below 1 is better in {mean}, mrCE and relative {mean}"
            tables.append(self._table((f"{title}, above 0 in R",), "", self._relative()))
        return tables

    def _relative(self) -> "dict[str, Float[Tensor, 'm g']]":
        """Return the scores that are relative to the baseline, by the words of the table."""
        chosen: dict[str, Float[Tensor, "m g"]] = {}
        for name, values in self.scores.items():
            group = _group(name.removeprefix("mrCE ")) if name.startswith("mrCE ") else ""
            if group or name.startswith(("mCE/", "relative", "R_")) or name == "mrCE":
                chosen[f"mrCE, {group}" if group else name.replace("mCE", self.mean_name)] = values
        return chosen

    def _table(
        self,
        title: tuple[str, ...],
        heading: str,
        scores: "dict[str, Float[Tensor, 'm g']]",
        *,
        percent: bool = False,
        accuracy: bool = False,
    ) -> Table:
        """Return a table with a row a score and a column a model."""
        columns = (Column(heading, ("score",)), *(Column(model, (f"of {model}",)) for model in self.models))
        rows: list[Record] = [
            {
                "score": name,
                **{
                    f"of {model}": score_cell(one, percent=percent, accuracy=accuracy)
                    for model, one in zip(self.models, values, strict=True)
                },
            }
            for name, values in scores.items()
        ]
        return Table(title, columns, rows, ("mean", "standard_error"))


@dataclass(frozen=True, repr=False)
class CorruptedSet(Result):
    """A data set on disk, under corruptions at all five severities.

    `layout` is npy (NAME.npy as in CIFAR-10-C), jpeg or png (NAME/SEVERITY/class/image as in ImageNet-C), `table` the
    constants that were chosen, `images` how many are under each corruption. `left_out` names the images that could
    not be read, with the reason; they are not among `images`.
    """

    data: str
    folder: str
    layout: str
    table: str
    seed: int
    images: int
    corruptions: tuple[str, ...]
    left_out: tuple[str, ...]

    def facts(self) -> Record:
        """Return data, folder, layout, constants, seed, images, corruptions, and what could not be read."""
        lists: Record = {"corruptions": " ".join(self.corruptions), "left_out": "; ".join(self.left_out)}
        return {**super().facts(), **lists}

    def records(self) -> list[Record]:
        """Return one row a corruption, with where it is in the folder."""
        end = ".npy" if self.layout == "npy" else ""
        return [
            {"data": self.data, "corruption": name, "path": f"{name}{end}", "images": self.images}
            for name in self.corruptions
        ]

    def headline(self) -> str:
        """Return which corruptions are where."""
        plural = "" if len(self.corruptions) == 1 else "s"
        names = ", ".join(self.corruptions)
        about = f"{len(self.corruptions)} corruption{plural} of {self.images} images"
        return f"{about} at 5 severities in {self.folder}: {names}"

    def tables(self) -> list[Table]:
        """Return the headline: there are no numbers."""
        return [Table((self.headline(),), (), [])]

    def caveats(self) -> list[str]:
        """Return how many images could not be read."""
        left = self.left_out
        return [f"left out {len(left)} unreadable images; the first: {left[0]}"] if left else []


def score_cell(
    values: Float[Tensor, " g"], *, percent: bool = False, accuracy: bool = False, spread: bool = True
) -> str | None:
    """Return mean and, of several networks, standard error of a score as they are printed; None for no number."""
    mean, error = (float(value) for value in mean_and_error(1 - values if accuracy else values))
    digits, unit = (1, 100) if percent else (3, 1)
    if not math.isfinite(mean):
        return None
    shown = f"{unit * mean:.{digits}f}"
    return f"{shown} ± {unit * error:.{digits}f}" if spread and math.isfinite(error) else shown


def _group(score: str) -> str:
    """Return what the mean over a group of corruptions is called, nothing for another score."""
    split, _, group = score.partition(":")
    papers = {"category": "", "push_pull": " frequencies (PushPull)", "pixel_similarity": " frequencies (pixel sim.)"}
    return f"{group}{papers[split]}" if split in papers else ""
