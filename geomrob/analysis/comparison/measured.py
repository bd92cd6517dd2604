"""What results of each kind have of every image: the values that a comparison pairs, and what must be alike for it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.errors import UsageError
from geomrob.results import (
    CorruptionTable,
    DecisionDistances,
    MarginCurve,
    Norms,
    Provenance,
    RobustAccuracy,
    Sparsity,
    StrengthCurve,
    load,
)
from geomrob.results.accuracy.robust_accuracy import shown_epsilon
from geomrob.results.result import Result

SEVERAL = 4
"""Bands from which on low and high frequencies are compared as a whole, too."""


@dataclass(frozen=True)
class Measured:
    """What one model has of every image: a row of values for each band, norm, corruption or strength.

    Attributes:
        model, data: Their names.
        rows: Names of the rows; the first `pooled` are over several of the others.
        values: Distances (infinite where none was found), or the share of `trials` that are classified correctly.
        trials: Of each row.
        accuracy: On the clean images; NaN where the values say it, or the result does not.
        frequency: Of each row in cycles per image, NaN where there is none.
        labels, indices: Of the images; None where the result does not say.
        alike: What must be the same of all models, by the words of the error.
        provenance: That of the result.
    """

    model: str
    data: str
    rows: tuple[str, ...]
    values: Float[Tensor, "r n"]
    frequency: Float[Tensor, " r"]
    labels: Labels | None
    indices: Labels
    alike: Mapping[str, object]
    provenance: Provenance
    pooled: int = 0
    trials: tuple[int, ...] = field(default=())
    accuracy: float = math.nan


@dataclass(frozen=True)
class Kind:
    """How results of one kind are compared.

    Attributes:
        read: From a result to what each of its models has.
        measure: Whether the values are distances or accuracies.
        row: What a row is.
        quantity: What a distance is of, in the words of a sentence.
        unit: Of the values.
        how: Which of what is alike says how the values were measured.
    """

    read: Callable[[Any], list[Measured]]
    measure: Literal["distance", "accuracy"]
    row: str
    quantity: str
    unit: str
    how: tuple[str, ...]


def _margins(result: MarginCurve) -> list[Measured]:
    """Return the margins of each band; of many bands also the middle one of each image in each half.

    The middle one is infinite only where more than half of the bands are: no single band decides.
    """
    known = not bool(torch.isnan(result.frequency).any())
    pooled: list[tuple[str, Tensor]] = []
    if len(result.bands) > SEVERAL:
        low, high = float(result.frequency.min()), float(result.frequency.max())
        below = result.frequency <= (low + high) / 2
        halves = {"low": below, "high": ~below} if known and low < high else {"all": torch.ones_like(below)}
        pooled = [(_half(word, result.frequency[half]), half) for word, half in halves.items()]
    middles = [result.distances[half].double().median(0).values for _, half in pooled]
    centres = [result.frequency[half].mean() for _, half in pooled]
    # Without labels a curve has the predicted classes in their place, which differ from model to model.
    given = not torch.equal(result.labels, result.predictions)
    return [
        Measured(
            model=result.model,
            data=result.data,
            rows=(*(name for name, _ in pooled), *result.bands),
            values=torch.cat((*(middle[None] for middle in middles), result.distances.double())),
            frequency=torch.cat((torch.tensor(centres, dtype=torch.float64), result.frequency.double())),
            labels=result.labels if given else None,
            indices=result.indices,
            alike={
                "basis": result.basis,
                "bands": (result.band_kind, result.bands, tuple(result.dimensions.tolist())),
                "attack": result.attack,
                "norm": result.norm,
            },
            provenance=result.provenance,
            pooled=len(pooled),
            accuracy=result.accuracy,
        )
    ]


def _half(word: str, frequency: Float[Tensor, " b"]) -> str:
    """Return what a part of the bands is called."""
    if word == "all":
        return "all bands"
    return f"{word} frequencies ({float(frequency.min()):.3g}-{float(frequency.max()):.3g} cycles/image)"


def _sparsity(result: Sparsity) -> list[Measured]:
    rows = ("pixels", "l2", "linf")
    return [
        Measured(
            model=result.model,
            data=result.data,
            rows=rows,
            values=torch.stack([result.values(of).double() for of in rows]),
            frequency=_none(len(rows)),
            labels=result.labels,
            indices=result.indices,
            alike={
                "attack": result.attack,
                "options": tuple(sorted(result.options.items())),
                "target": result.target,
                "rounding to 8 bits": result.eight_bit,
            },
            provenance=result.provenance,
            accuracy=result.accuracy,
        )
    ]


def _decisions(result: DecisionDistances) -> list[Measured]:
    """Return the middle distance of each image over the repeats."""
    repeats = torch.stack([one.distances().double() for one in result.repeats])
    return [
        Measured(
            model=result.model,
            data=result.data,
            rows=("l2",),
            values=repeats.median(0).values[None],
            frequency=_none(1),
            labels=result.labels,
            indices=result.indices,
            alike={"attack": result.attack, "budget": result.budget, "repeats": len(result.repeats)},
            provenance=result.provenance,
        )
    ]


def _norms(result: Norms) -> list[Measured]:
    return [
        Measured(
            model=model,
            data=result.data,
            rows=result.norms,
            values=values.double(),
            frequency=_none(len(result.norms)),
            labels=None,
            indices=result.indices,
            alike={"norms": result.norms, "attacks": result.attacks, "class that is left": result.left},
            provenance=result.provenance,
            accuracy=accuracy,
        )
        for model, values, accuracy in zip(result.models, result.values, result.accuracy.tolist(), strict=True)
    ]


def _corruptions(result: CorruptionTable) -> list[Measured]:
    """Return the share of severities and networks in which each image is classified correctly under each corruption."""
    if result.correct is None or result.clean_correct is None or result.indices is None:
        raise UsageError(
            "results must say which images are classified correctly; got corruption errors that were measured with "
            f"another measure than the error, or by an older geomrob ({result.measure}): measure them again"
        )
    count, networks, levels = len(result.corruptions), result.errors.shape[1], len(result.severities)
    several = count > 1
    names = ("clean images", "all corruptions") if several else ("clean images",)
    trials = (networks, networks * levels * count) if several else (networks,)
    measured: list[Measured] = []
    for model, correct, clean in zip(result.models, result.correct, result.clean_correct, strict=True):
        each = correct.double().mean((0, 2))
        means = [clean.double().mean(0), each.mean(0)] if several else [clean.double().mean(0)]
        values = torch.cat((torch.stack(means), each))
        measured.append(
            Measured(
                model=model,
                data=result.data,
                rows=(*names, *result.corruptions),
                values=values,
                frequency=_none(len(values)),
                labels=result.labels,
                indices=result.indices,
                alike={
                    "corruptions": result.corruptions,
                    "severities": result.severities,
                    "source of the corruptions": result.sources,
                    "adaptation": result.adapt,
                    "number of networks": networks,
                    "seed": result.provenance.seed,
                },
                provenance=result.provenance,
                pooled=len(names) if several else 0,
                trials=(*trials, *([networks * levels] * count)),
            )
        )
    return measured


def _strengths(result: StrengthCurve) -> list[Measured]:
    networks, repeats = result.correct.shape[1:3]
    return [
        Measured(
            model=model,
            data=result.data,
            rows=tuple(f"{strength:.4g}" for strength in result.strengths.tolist()),
            values=correct.double().mean((0, 1)),
            frequency=_none(len(result.strengths)),
            labels=result.labels,
            indices=result.indices,
            alike={
                "attack": result.attack,
                "source": result.source,
                "strengths": tuple(result.strengths.tolist()),
                "number of networks and repeats": (networks, repeats),
            },
            provenance=result.provenance,
            trials=(networks * repeats,) * len(result.strengths),
        )
        for model, correct in zip(result.models, result.correct, strict=True)
    ]


def _robust(result: RobustAccuracy) -> list[Measured]:
    """Return which images are robust at each epsilon, those at 0 being classified as labelled."""
    values = torch.cat(((result.predictions == result.labels)[None], result.robust)).double()
    sizes = ["clean images", *(shown_epsilon(result.norm, epsilon) for epsilon in result.epsilons.tolist())]
    return [
        Measured(
            model=result.model,
            data=result.data,
            rows=tuple(sizes),
            values=values,
            frequency=_none(len(values)),
            labels=result.labels,
            indices=result.indices,
            alike={
                "norm": result.norm,
                "epsilons": tuple(result.epsilons.tolist()),
                "attack": " ".join(result.searches),
            },
            provenance=result.provenance,
            trials=(1,) * len(values),
        )
    ]


def _none(count: int) -> Float[Tensor, " r"]:
    return torch.full((count,), math.nan, dtype=torch.float64)


PIXELS = "[0, 1] pixel units"

KINDS: dict[str, Kind] = {
    "MarginCurve": Kind(_margins, "distance", "band", "boundary", PIXELS, ("basis", "attack", "norm")),
    "Sparsity": Kind(_sparsity, "distance", "size", "sparse perturbation", f"pixels; norms in {PIXELS}", ("attack",)),
    "DecisionDistances": Kind(_decisions, "distance", "norm", "boundary", PIXELS, ("attack", "budget")),
    "Norms": Kind(
        _norms, "distance", "norm", "smallest perturbation", f"pixels, elements; norms in {PIXELS}", ("attacks",)
    ),
    "CorruptionTable": Kind(_corruptions, "accuracy", "corruption", "accuracy", "share of the images", ("severities",)),
    "RobustAccuracy": Kind(_robust, "accuracy", "epsilon", "accuracy", "share of the images", ("norm", "attack")),
    "StrengthCurve": Kind(_strengths, "accuracy", "strength", "accuracy", "share of the images", ("attack",)),
}
"""The results that have a value of every image, by the name of their class."""


def saved_results(words: Sequence[str], kind: str = "") -> list[Result]:
    """Return the results that are saved under the paths among some words: of a folder all that can be compared.

    Args:
        words: Paths and other words.
        kind: Class of the results that are meant, any of `KINDS` by default.

    Raises:
        UsageError: A file that is no saved result, or other words besides paths.
    """
    kinds = {kind} if kind else set(KINDS)
    found: list[list[Result]] = [_saved(Path(word), kinds) for word in words]
    others = [word for word, results in zip(words, found, strict=True) if not results]
    if others and len(others) < len(words):
        raise UsageError(
            f"model must be names alone or saved results alone; got {others[0]} among results: measure it, too, or "
            "name the models of all"
        )
    return [result for results in found for result in results]


def _saved(path: Path, kinds: set[str]) -> list[Result]:
    """Return the results of a file, or those of these kinds in a folder; none where there is no such path."""
    if path.is_dir():
        pages = [page for page in sorted(path.glob("*.json")) if page.with_suffix(".npz").is_file()]
        loaded = [load(page) for page in pages]
        return [one for one in loaded if isinstance(one, Result) and type(one).__name__ in kinds]
    if path.suffix in (".json", ".npz") and path.exists():
        result = load(path, Result)
        if type(result).__name__ not in kinds:
            raise UsageError(
                f"model must be results with a value of every image, {', '.join(sorted(kinds))}; got "
                f"{type(result).__name__} in {path}: name another file"
            )
        return [result]
    return []
