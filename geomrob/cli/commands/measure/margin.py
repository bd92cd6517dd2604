"""`geomrob margin`: how far the decision boundary is in each band of a basis."""

from typing import TYPE_CHECKING, Any, Literal

from geomrob.analysis.named_attacks import BandAttack
from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Gradients, Progress, Session
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.inference import Prepared
    from geomrob.results import MarginCurve

EXAMPLES = 3
"""Images in the picture of examples."""


def margin(
    *,
    options: Common = Common(),
    basis: str = "dct",
    bands: Literal["blocks", "diagonal", "grid", "rings"] = "blocks",
    size: int | None = None,
    step: int | None = None,
    count: int | None = None,
    attack: BandAttack = "tight",
    budget: int | None = None,
    norm: float = 2,
    per_class: bool = False,
    gradients: Gradients = "own",
) -> int:
    """Measure how far images are from the decision boundary in each band of a basis; show and write the margins.

    Writes margin.json with margin.npz (everything, for geomrob.load), margin.csv, margin.png and, for images that are
    not transformed, examples.png; of several models, one JSON, npz and picture of examples each, margin-MODEL.

    Args:
        basis: dct, pixel, haar, fourier, random, pca, or the path of a file with a basis of your own.
        bands: Which sets of basis vectors to measure: blocks along the diagonal, only their diagonal, all blocks (a
            map), or rings of equal frequency.
        size: Side of a block in coefficients; the default follows the image size.
        step: Distance between blocks in coefficients.
        count: Number of rings.
        attack: Search for the boundary; deepfool is the cheapest, tight the closest.
        budget: About how many backward evaluations tight spends on an image and band, at least 20; default 60, 200 is
            closer.
        norm: Norm of the distance, 1, 2 or inf (l1, l2, linf are the same).
        per_class: Show them of the images of each class, too, and write margin-classes.csv.
        gradients: Which gradients searches follow: the model's own, those of smooth surrogates of its HaH blocks, or
            means over noisy images; the predictions are the model's in any case.
    """
    if budget is not None and attack != "tight":
        raise UsageError(f"budget must go with --attack tight; got --attack {attack}: leave --budget out")
    if norm not in (1, 2, float("inf")):
        raise UsageError(f"norm must be 1, 2 or inf; got {norm:g}: choose one of these")
    session = Session.open("margin", options, others=("examples*.png",), edited=True).with_gradients(gradients)
    from geomrob.analysis.duration import expected_seconds
    from geomrob.analysis.margin_bands import margin_bands
    from geomrob.analysis.margins import margin_curve
    from geomrob.plot.band_examples import plot_band_examples
    from geomrob.plot.margins import margin_figure
    from geomrob.results.result import file_names

    samples, boxed = session.samples, session.boxed
    effort: dict[str, Any] = {} if budget is None else {"budget": budget}
    sizes = {"size": size, "step": step, "count": count}
    subspaces = margin_bands(samples, basis, bands, **sizes, data_dir=options.data_dir, seed=options.seed)

    def measure(name: str, model: "Prepared", progress: Progress) -> "MarginCurve":
        pairs = len(samples) * len(subspaces)
        session.announce(f"margins of {name}, {pairs:,} pairs", expected_seconds(model, pairs, attack, budget))
        return margin_curve(
            model,
            session.images,
            subspaces=subspaces,
            attack=attack,
            norm=norm,
            allowed=(0.0, 1.0) if boxed else None,
            labels=samples.labels,
            indices=samples.indices,
            name=name,
            data=samples.name,
            band_kind=bands,
            seed=options.seed,
            examples=EXAMPLES if boxed else 0,
            memory=session.memory,
            progress=progress,
            run=session.run,
            **effort,
        )

    curves = session.measure("margins", measure)
    answer = Answer("margin", session.out, curves, data_notes=samples.notes, trainings=session.trainings)
    answer.save()
    answer.csv()
    if per_class:
        answer.by_class(curves, samples.classes)
    found = any(bool(curve.reached.any()) for curve in curves)
    answer.picture(margin_figure(curves) if found else None, session.figure)
    answer.picture(None, session.out / "examples.png")
    for curve, end in zip(curves, file_names(curves), strict=True):
        drawing = None if curve.examples is None else plot_band_examples(curve.examples, classes=samples.classes)
        answer.picture(drawing, session.out / f"examples{end}.png")
    return answer.finish(complete=all(bool((curve.reached == 1).all()) for curve in curves))
