"""The sections on the boundary: margins by band, examples, sparse perturbations, differences between models."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch

from geomrob.analysis.comparison.compare import compare
from geomrob.errors import UsageError
from geomrob.plot.band_examples import plot_band_examples
from geomrob.plot.comparison.forest import plot_comparison
from geomrob.plot.margins import plot_margin_map, plot_margins
from geomrob.plot.sparse_gallery import plot_gallery
from geomrob.reports.content import Grid, Section, axes, drawn, grid, listed, number, of, with_model
from geomrob.reports.pictures import Picture, picture
from geomrob.results import BandExamples, Comparison, CorruptionTable, MarginCurve, Sparsity
from geomrob.results.comparison.statement import statements
from geomrob.results.result import Result, model_of

FEW = 2
"""Curves up to which each image is a dot: of more they hide each other."""

SEARCHES = {"tight": "the tight search", "deepfool": "DeepFool"}
"""What searches are called in a heading."""

ROWS = 3
"""Images in a gallery of sparse perturbations."""

Failures = Mapping[str, Sequence[str]]


def curves_of(results: Sequence[Result], attack: str = "") -> list[MarginCurve]:
    """Return the margin curves by an attack; by the closest that there is by default, which is not DeepFool."""
    curves = of(results, MarginCurve)
    if attack:
        return [curve for curve in curves if curve.attack == attack]
    return [curve for curve in curves if curve.attack != "deepfool"] or curves


def band_name(curve: MarginCurve, band: int) -> str:
    """Return what a band is called in a sentence."""
    frequency = float(curve.frequency[band])
    return f"band {curve.bands[band]}" if math.isnan(frequency) else f"{frequency:.3g} cycles/image"


def margins(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on margins: the closest search, and DeepFool for comparison with the literature."""
    closest, deepfool = curves_of(results), curves_of(results, "deepfool")
    if closest == deepfool:
        deepfool = []
    pictures: list[Picture] = []
    failed = list(dict.fromkeys((*failures.get("margin", ()), *failures.get("margin-deepfool", ()))))
    for curves in filter(None, (closest, deepfool)):
        made, why = drawn(_margin_pictures, curves)
        pictures += made
        failed += why
    return Section(
        "margins",
        "Distance to the boundary by frequency",
        "Each image is moved only along the patterns of one frequency band until the model predicts another class. The "
        "length of the shortest such move ([0, 1] pixel units) is its margin in that band: small means that a small "
        "change of that kind is enough. Margins are upper bounds found by search; each end point is evaluated again.",
        (*(_nearest(curve) for curve in closest), *_against_deepfool(closest, deepfool)),
        tuple(pictures),
        (*_numbers(closest), *_numbers(deepfool)),
        tuple(note for curve in (*closest, *deepfool) for note in _missing(curve)),
        tuple(failed),
    )


def _numbers(curves: Sequence[MarginCurve]) -> list[Grid]:
    """Return the tables of the margins by one search, those of all models as one."""
    tables = [with_model(table, curve.model) for curve in curves for table in curve.tables()]
    if not tables:
        return []
    name = SEARCHES.get(curves[0].attack, curves[0].attack)
    return grid(tables, caption=f"Margins by {name} in each band", folded=f"All numbers by {name}")


def _margin_pictures(curves: Sequence[MarginCurve]) -> Iterator[Picture]:
    key = f"margins-{curves[0].attack}"
    about = f"Margins by {SEARCHES.get(curves[0].attack, curves[0].attack)}"
    flat = [curve for curve in curves if curve.band_kind != "grid"]
    if flat:
        ax = plot_margins(flat, ax=axes(), points=len(flat) <= FEW)
        yield picture(ax, key, otherwise=about, about=about)
    for number_of, curve in enumerate(curve for curve in curves if curve.band_kind == "grid"):
        ax = plot_margin_map(curve)
        yield picture(ax, f"{key}-{number_of}", otherwise=about, turning=False, about=f"{about}, {curve.model}")


def _nearest(curve: MarginCurve) -> str:
    """Return in which band the boundary of a model is nearest and farthest."""
    medians = curve.quantiles(0.5)[:, 0]
    least, most = int(medians.argmin()), int(medians.argmax())
    if math.isinf(float(medians[least])):
        return f"{curve.model}: in no band a boundary was found for half of the images."
    return (
        f"{curve.model}: nearest at {band_name(curve, least)} (median {float(medians[least]):.3g}), farthest at "
        f"{band_name(curve, most)} (median {number(float(medians[most]))})."
    )


def _against_deepfool(closest: Sequence[MarginCurve], deepfool: Sequence[MarginCurve]) -> Iterator[str]:
    """Yield how much larger the margins are that DeepFool reports on the same images and bands."""
    for curve in closest:
        for other in deepfool:
            if (other.model, other.bands) != (curve.model, curve.bands):
                continue
            if not torch.equal(other.indices, curve.indices):
                continue
            ratio = other.distances.double() / curve.distances.double()
            known = ratio[torch.isfinite(ratio)]
            if len(known):
                yield (
                    f"{curve.model}: DeepFool, which the literature uses, reports margins {float(known.median()):.2f} "
                    f"times as large (median over images and bands)."
                )


def _missing(curve: MarginCurve) -> list[str]:
    """Return for how many pairs of image and band no boundary was found."""
    missing = int((~torch.isfinite(curve.distances)).sum())
    if not missing:
        return []
    pairs = f"{missing} of {curve.distances.numel()} pairs of image and band"
    return [f"{curve.model}: {curve.attack} found no boundary in {pairs}; they count as infinite."]


def examples(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section with the smallest changes of a few images in a low, a middle and a high band."""
    known = [curve.examples for curve in curves_of(results) if curve.examples is not None]
    classes = next((sparse.classes for sparse in of(results, Sparsity)), ())
    pictures: list[Picture] = []
    failed: list[str] = []
    for at, shown in enumerate(known):
        made, why = drawn(_example_picture, shown, classes, at)
        pictures += made
        failed += why
    return Section(
        "examples",
        "Nearest examples by band",
        "What those smallest changes look like: a few images, each with the change in a low, a middle and a high band, "
        "and the changed image with the class that the model then predicts.",
        pictures=tuple(pictures),
        failures=tuple(failed),
    )


def _example_picture(shown: BandExamples, classes: Sequence[str], at: int) -> Iterator[Picture]:
    drawing, name = plot_band_examples(shown, classes=classes), shown.model
    yield picture(drawing, f"examples-{at}", otherwise="Smallest changes", about=name, folded=_fold(at, name))


def _fold(at: int, model: str) -> str:
    """Return nothing for the first of several pictures, which is shown at once, else what opens it."""
    return f"Pictures of {model}" if at else ""


def sparse(results: Sequence[Result], failures: Failures) -> Section:
    """Return the section on how few pixels change the prediction."""
    found = of(results, Sparsity)
    pictures: list[Picture] = []
    for at, result in enumerate(found):
        if bool(result.result.success.any()):
            gallery = plot_gallery(result, rows=ROWS)
            name = f"sparse-{at}"
            pictures.append(
                picture(gallery, name, otherwise="Gallery", about=result.model, folded=_fold(at, result.model))
            )
    counts = [table for result in found for table in result.tables()[:1]]
    costs = [table for result in found for table in result.tables()[1:]]
    grids = [
        *grid(counts, caption="How many images are fooled by how few pixels"),
        *grid(costs, caption="Median size of the change, mean cost of the search", folded="Sizes and costs"),
    ]
    return Section(
        "sparse",
        "Fewest pixels",
        "Instead of a small change everywhere, as few pixels as possible are changed, each by as much as it takes.",
        tuple(_pixels(result) for result in found),
        tuple(pictures),
        tuple(grids),
        tuple(note for result in found for note in result.caveats()),
        tuple(failures.get("sparsefool", ())),
    )


def _pixels(result: Sparsity) -> str:
    middle = float(result.quantiles(0.5)[0])
    share = float(result.quantiles(0.5, of="percent")[0])
    if math.isinf(middle):
        return f"{result.model}: half of the images or more were not fooled."
    plural = "" if middle == 1 else "s"
    return f"{result.model}: half of the images need {middle:.4g} pixel{plural} ({share:.2g} %) or fewer."


def compared(results: Sequence[Result]) -> tuple[list[Comparison], list[str]]:
    """Return how the models differ from the first, paired, in margins and under corruptions; or why it is unknown."""
    known = of(results, Comparison)
    if known:
        return known, []
    curves = curves_of(results)
    tables = [table for table in of(results, CorruptionTable) if len(table.models) > 1]
    margins, lost = _compared(curves if len(curves) > 1 else [])
    errors, missing = _compared(tables[:1])
    return [*margins, *errors], [*lost, *missing]


def _compared(results: Sequence[Result]) -> tuple[list[Comparison], list[str]]:
    """Return the comparison of some results, or why there is none."""
    try:
        return ([compare(*results)] if results else []), []
    except UsageError as error:
        return [], [f"not compared: {error}"]


def comparison(comparisons: Sequence[Comparison], failed: Sequence[str]) -> Section:
    """Return the section on the differences between models."""
    pictures: list[Picture] = []
    for at, found in enumerate(comparisons):
        ax = plot_comparison(found, ax=axes(5.6, 1.9 + 0.26 * len(found.rows)))
        what = "margins" if found.measure == "distance" else "accuracy under corruptions"
        pictures.append(picture(ax, f"compare-{at}", otherwise="Differences", about=f"Paired {what}"))
    words = [sentence for found in comparisons for sentence in statements(found)]
    notes = dict.fromkeys(note for found in comparisons for note in found.caveats())
    grids = [
        joined
        for found in comparisons
        for joined in grid(found.tables(), folded=f"All differences in {found.quantity}")
    ]
    first = comparisons[0].models[0] if comparisons else ""
    return Section(
        "compare",
        "Differences between the models",
        f"Every other model against {first}, on the same images, so that the difference of an image counts and not "
        "only that of the averages."
        if first
        else "",
        tuple(words),
        tuple(pictures),
        tuple(grids),
        tuple(notes),
        tuple(failed),
    )


def models_of(results: Sequence[Result]) -> list[str]:
    """Return the models of the results, in the order of those that are on several."""
    several = [name for result in results for name in getattr(result, "models", ()) if isinstance(result.models, tuple)]  # type: ignore[attr-defined]
    return list(dict.fromkeys((*several, *filter(None, map(model_of, results)))))


def named(models: Sequence[str]) -> str:
    """Return the models as they stand in a heading."""
    return listed(models) if len(models) <= 3 else f"{len(models)} models"
