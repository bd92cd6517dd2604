"""The sections on accuracy: clean, under noise, under the strongest perturbations of each size, under corruptions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from geomrob.data.corruptions import CORRUPTIONS
from geomrob.plot.accuracy.corruptions import plot_corruptions
from geomrob.plot.accuracy.robust_accuracy import plot_robust_accuracy
from geomrob.plot.accuracy.strength_curve import plot_strength
from geomrob.reports.boundary import Failures
from geomrob.reports.content import Grid, Section, axes, drawn, grid, of
from geomrob.reports.pictures import Picture, picture
from geomrob.results import Audit, CorruptionTable, Layers, MarginCurve, RobustAccuracy, StrengthCurve
from geomrob.results.accuracy.robust_accuracy import NORM_NAMES, shown_epsilon
from geomrob.results.intervals import wilson
from geomrob.results.result import Result


def clean_accuracy(results: Sequence[Result]) -> dict[str, tuple[float, float, float, int]]:
    """Return for each model the share of clean images classified as labelled, its 95 % interval, and their number.

    It is that of the analysis with most images.
    """
    known: dict[str, Tensor] = {}
    for name, correct in _clean(results):
        if name not in known or len(correct) > len(known[name]):
            known[name] = correct
    found: dict[str, tuple[float, float, float, int]] = {}
    for name, correct in known.items():
        value = float(correct.double().mean())
        found[name] = value, *wilson(value, len(correct)), len(correct)
    return found


def _clean(results: Sequence[Result]) -> Iterator[tuple[str, Tensor]]:
    """Yield model by model which clean images are classified as labelled."""
    for result in results:
        if isinstance(result, StrengthCurve):
            yield from zip(result.models, result.correct[:, 0, 0, 0], strict=True)
        elif isinstance(result, CorruptionTable) and result.clean_correct is not None:
            yield from zip(result.models, result.clean_correct[:, 0], strict=True)
        elif isinstance(result, (Layers, MarginCurve, RobustAccuracy)):
            yield result.model, (result.predictions == result.labels) & (result.predictions >= 0)


def share(value: float) -> str:
    """Return a share in per cent."""
    return "\u2013" if math.isnan(value) else f"{value:.1%}"


def interval(low: float, high: float) -> str:
    """Return an interval of shares in per cent."""
    return f"{100 * low:.1f}\u2013{high:.1%}"


def accuracy(results: Sequence[Result], _failures: Failures) -> Section:
    """Return the section on the clean accuracy."""
    rows = tuple(
        (name, share(value), interval(low, high), f"{count}")
        for name, (value, low, high, count) in clean_accuracy(results).items()
    )
    head = ("model", "classified as labelled", "95 % interval", "images")
    table = Grid("Accuracy on the images as they are", head, rows, (True, False, False, False))
    return Section(
        "accuracy",
        "Clean accuracy",
        "The share of images, unchanged, whose predicted class is their label. The interval (Wilson) is over images: "
        "what others of the same kind may give.",
        grids=(table,) if rows else (),
    )


def strength(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on accuracy against strength."""
    curves = of(results, StrengthCurve)
    pictures = tuple(
        picture(plot_strength(curve, ax=axes()), f"strength-{at}", otherwise="Accuracy against strength")
        for at, curve in enumerate(curves)
    )
    grids = [joined for curve in curves for joined in grid(curve.tables(), folded="All numbers")]
    return Section(
        "strength",
        "Accuracy against strength",
        "Perturbations that nobody fits to the image or the model, from none to strong: how many images are still "
        "classified as labelled.",
        tuple(_half_lost(curve, at) for curve in curves for at in range(len(curve.models))),
        pictures,
        tuple(grids),
        failures=tuple(failures.get("curve", ())),
    )


def _half_lost(curve: StrengthCurve, model: int) -> str:
    """Return the strength at which a model has lost half of its clean accuracy."""
    mean, strengths = curve.mean[model], curve.strengths.tolist()
    below = (mean < mean[0] / 2).nonzero().flatten()
    kept = f"of its clean {share(float(mean[0]))}"
    if not len(below):
        return (
            f"{curve.models[model]} keeps {share(float(mean[-1]))} at the strongest ({curve.attack} "
            f"{strengths[-1]:g}) {kept}."
        )
    return f"{curve.models[model]} has lost half {kept} at {curve.attack} {strengths[int(below[0])]:g}."


def with_verdicts(results: Sequence[Result]) -> list[RobustAccuracy]:
    """Return the robust accuracies, each with what the audit says of its model."""
    audits: Mapping[str, Audit] = {audit.model: audit for audit in of(results, Audit)}
    return [
        replace(found, verdict=audits[found.model].verdict, causes=audits[found.model].causes)
        if found.model in audits and not found.verdict
        else found
        for found in of(results, RobustAccuracy)
    ]


def robust(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on robust accuracy, a picture for each norm."""
    found = with_verdicts(results)
    pictures: list[Picture] = []
    grids: list[Grid] = []
    failed = list(dict.fromkeys((*failures.get("robust-linf", ()), *failures.get("robust-l2", ()))))
    for norm in dict.fromkeys(one.norm for one in found):
        group = [one for one in found if one.norm == norm]
        made, why = drawn(_robust_picture, group, NORM_NAMES[norm])
        pictures += made
        failed += why
        grids.append(_at_epsilons(group))
    notes = [note for one in found for note in one.caveats()]
    return Section(
        "robust",
        "Robust accuracy",
        "The share of images that are classified as labelled, and that no search could change within the size "
        "epsilon: an upper bound of the true robust accuracy, which only a closer search can lower.",
        pictures=tuple(pictures),
        grids=tuple(grids),
        notes=tuple(notes),
        failures=tuple(failed),
    )


def _robust_picture(group: Sequence[RobustAccuracy], norm: str) -> Iterator[Picture]:
    yield picture(plot_robust_accuracy(group, ax=axes()), f"robust-{norm}", otherwise=norm, about=f"In {norm}")


def _at_epsilons(group: Sequence[RobustAccuracy]) -> Grid:
    """Return the robust accuracy of each model in one norm: a row an epsilon, a column a model."""
    first = group[0]
    rows = [
        ("0 (clean)", *(share(one.clean) for one in group)),
        *(
            (shown_epsilon(first.norm, epsilon), *(share(accuracy_at(one, epsilon)) for one in group))
            for epsilon in sorted({epsilon for one in group for epsilon in one.epsilons.tolist()})
        ),
    ]
    return Grid(
        f"Robust accuracy in {NORM_NAMES[first.norm]}, {len(first.labels)} images",
        ("epsilon", *(one.model for one in group)),
        tuple(rows),
        (True, *(False,) * len(group)),
    )


def accuracy_at(found: RobustAccuracy, epsilon: float) -> float:
    """Return the robust accuracy at one of the epsilons of the search, NaN at another one."""
    return dict(zip(found.epsilons.tolist(), found.accuracy.tolist(), strict=True)).get(epsilon, math.nan)


def corruptions(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on common corruptions."""
    tables = of(results, CorruptionTable)
    pictures: list[Picture] = []
    failed = [*failures.get("corruptions", ())]
    for at, table in enumerate(tables):
        made, why = drawn(_corruption_picture, table, at)
        pictures += made
        failed += why
    grids = [joined for table in tables for joined in grid(table.tables(), folded="Error of each corruption")]
    return Section(
        "corruptions",
        "Common corruptions",
        "Noise, blur, weather and digital corruptions of five severities, as cameras and files have them: which share "
        "of the images is classified wrongly.",
        tuple(_mean_error(table, at) for table in tables for at in range(len(table.models))),
        tuple(pictures),
        tuple(grids),
        failures=tuple(failed),
    )


def _corruption_picture(table: CorruptionTable, at: int) -> Iterator[Picture]:
    kinds = {name: CORRUPTIONS[name].category for name in table.corruptions if name in CORRUPTIONS}
    drawing = plot_corruptions(table, categories=kinds)
    yield picture(drawing, f"corruptions-{at}", otherwise="Errors under corruptions", turning=False)


def _mean_error(table: CorruptionTable, model: int) -> str:
    mean = float(table.mce(table.over)[model].mean())
    worst = int(table.corruption_errors[model].mean(0).argmax())
    value = float(table.corruption_errors[model].mean(0)[worst])
    return (
        f"{table.models[model]}: {share(mean)} wrong on average over {len(table.over)} corruptions "
        f"({share(float(table.clean[model].mean()))} on clean images), most under "
        f"{table.corruptions[worst].replace('_', ' ')} ({share(value)})."
    )
