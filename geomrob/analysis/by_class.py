"""Tables of results for the images of each class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geomrob.arrays import Labels
from geomrob.errors import UsageError
from geomrob.results.accuracy.by_class import ByClass
from geomrob.results.accuracy.corruptions import CorruptionTable
from geomrob.results.accuracy.strength_curve import StrengthCurve
from geomrob.results.intervals import median_interval, wilson_each
from geomrob.results.margins import MarginCurve
from geomrob.results.provenance import quantiles


def by_class(result: MarginCurve | CorruptionTable | StrengthCurve, classes: Sequence[str] = ()) -> list[ByClass]:
    """Return what was measured of the images of each class, one result a model.

    Args:
        result: Of which the images' labels are known.
        classes: Their names; numbers by default.

    Raises:
        UsageError: Errors under corruptions that were not kept image by image.

    Example:
        >>> from geomrob import load_data, load_model, strength_curve
        >>> clothes = load_data("fashion-mnist-1k", samples=20)
        >>> model = {"lenet": load_model("fmnist-lenet")}
        >>> curve = strength_curve(model, clothes.images, clothes.labels, attack="gaussian", strengths=[0.1], repeats=1)
        >>> by_class(curve, clothes.classes)[0].rows
        ('0', '0.1')
    """
    if isinstance(result, MarginCurve):
        grouped = _grouped(result.labels, classes)
        values = [_medians(result.distances[:, rows]) for _, rows in grouped]
        return [_result(result.model, result.data, "median distance", "band", result.bands, grouped, values)]
    if isinstance(result, StrengthCurve):
        rows = tuple(f"{strength:g}" for strength in result.strengths.tolist())
        what, row, labels = "accuracy", "strength", result.labels
        shares = result.correct.double().mean((1, 2))
    elif result.correct is None or result.clean_correct is None or result.labels is None:
        raise UsageError("result must hold whether each image is right; got errors alone: measure them again")
    else:
        rows, what, row, labels = ("none", *result.corruptions), "error", "corruption", result.labels
        under = result.correct.double().mean((1, 3))
        shares = 1 - torch.cat([result.clean_correct.double().mean(1)[:, None], under], dim=1)
    grouped = _grouped(labels, classes)
    return [
        _result(model, result.data, what, row, rows, grouped, [_shares(each[:, chosen]) for _, chosen in grouped])
        for model, each in zip(result.models, shares, strict=True)
    ]


def _grouped(labels: Labels, classes: Sequence[str]) -> list[tuple[str, Tensor]]:
    """Return the classes that have images, by name, with the positions of these."""
    names = dict(enumerate(classes))
    return [(names.get(label, str(label)), (labels == label).nonzero()[:, 0]) for label in labels.unique().tolist()]


def _medians(distances: Tensor) -> Tensor:
    """Return the median of each row with its interval (R, 3)."""
    return torch.cat([quantiles(distances, (0.5,)), median_interval(distances)], dim=1)


def _shares(values: Tensor) -> Tensor:
    """Return the mean share of each row with its interval over images (R, 3)."""
    means = values.double().mean(1)
    return torch.cat((means[:, None], wilson_each(means, values.shape[1])), 1)


def _result(
    model: str,
    data: str,
    measure: str,
    row: str,
    rows: tuple[str, ...],
    grouped: list[tuple[str, Tensor]],
    values: list[Tensor],
) -> ByClass:
    return ByClass(
        model=model,
        data=data,
        measure=measure,
        row=row,
        rows=rows,
        classes=tuple(name for name, _ in grouped),
        images=torch.tensor([len(chosen) for _, chosen in grouped]),
        values=torch.stack(values),
    )
