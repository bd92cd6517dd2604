"""Models compared with statistics: paired differences on the same images, with intervals and corrected p-values."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.analysis.comparison.measured import KINDS, Measured
from geomrob.analysis.comparison.statistics import (
    LEVEL,
    Estimate,
    PairTest,
    compared_accuracies,
    compared_medians,
    holm,
    mcnemar_test,
    wilcoxon_test,
)
from geomrob.errors import UsageError
from geomrob.results.comparison import Comparison
from geomrob.results.provenance import quantiles
from geomrob.results.result import Result
from geomrob.runs import Clock


def compare(
    *results: Result, by_class: bool = False, classes: Sequence[str] = (), seed: int = 0, resamples: int = 1000
) -> Comparison:
    """Return how models differ from the first of them on the same images, with intervals and corrected p-values.

    For distances (`MarginCurve`, `Sparsity`, `DecisionDistances`, `Norms`): ratio and difference of the medians with
    the interval of a paired bootstrap over images (`compared_medians`), and Wilcoxon's signed-rank test of the images'
    ratios (`wilcoxon_test`). A distance that was not found is infinite and larger than any other. For accuracies
    (`CorruptionTable`, `StrengthCurve`): the difference with its interval (`compared_accuracies`) and McNemar's exact
    test (`mcnemar_test`). The p-values are corrected by Holm over all tests of the comparison: rows, models, classes.

    Args:
        results: All of one kind, of one model or several, on the same images; images are paired by `indices`.
        by_class: Compare the images of each class, too.
        classes: Names of the classes; their numbers by default.
        seed: Of the resamples.
        resamples: How many.

    Returns:
        Intervals are over images and cover 95 % each, with the models as they are: another training may differ more.

    Raises:
        UsageError: Fewer than two models, results of different kinds, images, bands, attacks or norms, results that
            have no value of every image, `by_class` without labels.

    Example:
        >>> from geomrob.analysis.margins import margin_curve
        >>> from geomrob.spectral.bases import basis
        >>> from geomrob.spectral.subspaces import blocks
        >>> bands, images = blocks(basis("dct", (8, 8)), size=4, step=4), torch.rand(20, 1, 8, 8)
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
        >>> weaker = lambda images: net(images) + torch.tensor([0.0, 0.0, 0.1])
        >>> curves = [margin_curve(model, images, subspaces=bands, attack="deepfool", name=name)
        ...           for name, model in (("net", net), ("biased", weaker))]
        >>> compare(*curves).ratio.shape  # other models, groups of images, bands: estimate and both ends
        torch.Size([1, 1, 2, 3])
    """
    clock = Clock(seed=seed)
    kind, measured = _measured(results)
    first = measured[0]
    values, labels = _paired(measured)
    groups, masks = _groups(labels, values.shape[2], by_class, classes)
    pairs = [(values[0][:, mask], other[:, mask]) for other in values[1:] for mask in masks]
    ratios, differences = list[Tensor](), list[Tensor]()
    tests = list[PairTest]()
    for before, after in pairs:
        if KINDS[kind].measure == "distance":
            found = compared_medians(before, after, seed=seed, resamples=resamples)
            tests += [wilcoxon_test(*row) for row in zip(before, after, strict=True)]
        else:
            rows = list(zip(before, after, first.trials, strict=True))
            found = [Estimate(*[torch.nan] * 3)] * len(rows), [compared_accuracies(*row) for row in rows]
            tests += [mcnemar_test(*row[:2]) for row in rows]
        for kept, estimates in zip((ratios, differences), found, strict=True):
            kept.append(torch.tensor(estimates, dtype=torch.float64))
    shape = (len(measured) - 1, len(masks), len(first.rows))
    p = [test.p for test in tests]
    spent = {id(one.provenance): one.provenance for one in measured}.values()
    made = clock.provenance(
        forwards=sum(one.forwards for one in spent),
        backwards=sum(one.backwards for one in spent),
        notes=[text for one in spent for text in one.notes],
    )
    return Comparison(
        models=_names([one.model for one in measured]),
        data=first.data,
        kind=kind,
        measure=KINDS[kind].measure,
        how=_how(kind, measured),
        quantity=KINDS[kind].quantity,
        unit=KINDS[kind].unit,
        row=KINDS[kind].row,
        rows=first.rows,
        pooled=first.pooled,
        frequency=first.frequency,
        groups=groups,
        images=torch.stack([mask.sum() for mask in masks]),
        values=torch.stack([_middle(one, masks, KINDS[kind].measure) for one in values]),
        ratio=torch.stack(ratios).reshape(*shape, 3),
        difference=torch.stack(differences).reshape(*shape, 3),
        p=torch.tensor(p, dtype=torch.float64).reshape(shape),
        corrected=torch.tensor(holm(p), dtype=torch.float64).reshape(shape),
        direction=torch.tensor([test.direction for test in tests]).reshape(shape),
        not_found=torch.stack([_not_found(*pair) for pair in pairs]).reshape(*shape, 3),
        level=LEVEL,
        provenance=replace(made, seconds=made.seconds + sum(one.seconds for one in spent)),
    )


def _measured(results: Sequence[Result]) -> tuple[str, list[Measured]]:
    """Return the kind of the results, and what each model has of every image.

    Raises:
        UsageError: Several kinds, one without values of images, fewer than two models, other settings.
    """
    kinds = list(dict.fromkeys(type(result).__name__ for result in results))
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(
                f"results must have a value of every image: {', '.join(KINDS)}; got {kind}: measure one of these"
            )
    if len(kinds) > 1:
        raise UsageError(f"results must be of one kind; got {' and '.join(kinds)}: compare them one kind at a time")
    measured = [one for result in results for one in KINDS[kinds[0]].read(result)]
    if len(measured) < 2:
        alone = f"{measured[0].model} alone" if measured else "none"
        raise UsageError(f"results must be of two models at least; got {alone}: measure another on the same images")
    first = measured[0]
    for other in measured[1:]:
        for word, value in {"data": first.data, **first.alike}.items():
            got = other.data if word == "data" else other.alike[word]
            if got != value:
                raise UsageError(
                    f"results must have the same {word}; got {_said(value)} of {first.model} and {_said(got)} of "
                    f"{other.model}: measure both alike"
                )
    return kinds[0], measured


def _said(value: object) -> str:
    """Return a setting as it is said, long ones cut."""
    text = (
        " ".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    return text if len(text) <= 60 else f"{text[:57]}..."


def _paired(measured: Sequence[Measured]) -> tuple[Float[Tensor, "m r n"], Int64[Tensor, " n"] | None]:
    """Return the values of all models in one order of the images, and their labels, None where no result has them.

    Raises:
        UsageError: Other images, or the same with other labels.
    """
    orders = [one.indices.argsort() for one in measured]
    first, known = (
        measured[0],
        [(one, one.labels[order]) for one, order in zip(measured, orders, strict=True) if one.labels is not None],
    )
    reference = first.indices[orders[0]]
    if len(reference.unique()) < len(reference):
        raise UsageError(
            f"results must have each image once; got one twice in {first.model}: pass indices when measuring"
        )
    for one, order in zip(measured, orders, strict=True):
        if not torch.equal(one.indices[order], reference):
            shared = int(torch.isin(one.indices, reference).sum())
            raise UsageError(
                f"results must be of the same images; got {len(reference)} of {first.model} and {len(one.indices)} of "
                f"{one.model}, {shared} in common: measure both with the same data, samples and seed"
            )
    for one, labels in known:
        if not torch.equal(labels, known[0][1]):
            count = int((labels != known[0][1]).sum())
            raise UsageError(
                f"results must have the same labels; got {count} that differ between {known[0][0].model} and "
                f"{one.model}: measure both with the same data"
            )
    values = torch.stack([one.values[:, order] for one, order in zip(measured, orders, strict=True)])
    return values, known[0][1] if known else None


def _groups(
    labels: Int64[Tensor, " n"] | None, count: int, by_class: bool, classes: Sequence[str]
) -> tuple[tuple[str, ...], list[Tensor]]:
    """Return the names of the groups of images, `all` first, and which images are in each."""
    everything = torch.ones(count, dtype=torch.bool)
    if not by_class:
        return ("all",), [everything]
    if labels is None:
        raise UsageError("by_class must go with results that have labels; got none: measure them with labels")
    present = labels.unique().tolist()
    names: list[str] = [str(classes[label]) if 0 <= label < len(classes) else str(label) for label in present]
    return ("all", *names), [everything, *(labels == label for label in present)]


def _names(models: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the models, those that come several times numbered."""
    return tuple(
        name if models.count(name) == 1 else f"{name} ({models[:index].count(name) + 1})"
        for index, name in enumerate(models)
    )


def _middle(values: Float[Tensor, "r n"], masks: Sequence[Tensor], measure: str) -> Float[Tensor, "k r"]:
    """Return the medians, or the means of accuracies, of each group of images."""
    if measure == "accuracy":
        return torch.stack([values[:, mask].mean(1) for mask in masks])
    return torch.stack([quantiles(values[:, mask], (0.5,))[:, 0] for mask in masks])


def _not_found(first: Float[Tensor, "r n"], second: Float[Tensor, "r n"]) -> Int64[Tensor, "r 3"]:
    """Return of how many images nothing was found of the first model alone, of the second alone, of both."""
    one, other = torch.isinf(first), torch.isinf(second)
    return torch.stack([(one & ~other).sum(1), (other & ~one).sum(1), (one & other).sum(1)], 1)


def _how(kind: str, measured: Sequence[Measured]) -> str:
    """Return how the values were measured, and the clean accuracies of distances, which say nothing of it."""
    words = [f"{word} {_said(measured[0].alike[word])}" for word in KINDS[kind].how]
    shares = [f"{one.accuracy:.1%}" for one in measured if not math.isnan(one.accuracy)]
    if len(shares) == len(measured):
        words.append(f"clean accuracy {' and '.join((', '.join(shares[:-1]), shares[-1]))}")
    return ", ".join(words)
