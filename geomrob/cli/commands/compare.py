"""`geomrob compare`: is one model's boundary farther than another's, or its accuracy higher, beyond chance?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.loading import trained_for
from geomrob.cli.options import Settings
from geomrob.cli.session import Progress, Session, places
from geomrob.errors import UsageError
from geomrob.seeds import check_seed

if TYPE_CHECKING:
    from geomrob.inference import Prepared
    from geomrob.results.result import Result

KINDS = {"margin": "MarginCurve", "sparsefool": "Sparsity", "norms": "Norms", "corruptions": "CorruptionTable"}


@dataclass(frozen=True, kw_only=True)
class Options(Settings):
    """The defaults of this command.

    Attributes:
        samples: How many images; default 200, or all of a smaller set.
    """

    default_samples: ClassVar[int] = 200
    samples: int | None = None


def compare(
    model: tuple[str, ...] = (),
    *,
    weights: tuple[Path, ...] = (),
    options: Options = Options(),
    of: Literal["margin", "corruptions", "sparsefool", "norms"] | None = None,
    per_class: bool = False,
) -> int:
    """Compare models with the first one on the same images: differences with intervals and corrected p-values.

    The models are measured as the single commands measure them by default, or saved results are compared: a word that
    is the path of a result, or of a folder of results, is that result, any other the name of a model.

    Writes compare.json with compare.npz (everything, for geomrob.load), compare.csv (each estimate), compare.png and,
    where models were measured, compare-measured-MODEL.json with .npz: what was compared.

    Args:
        model: Names of models, the first of which the others are compared with, or paths of saved results. The default
            is the first two of the table that were trained for the data set.
        weights: Files of weights of one model, at least two: its trainings are compared with each other.
        of: What is measured, by default margin; of folders of results, which are compared, by default all.
        per_class: Compare the images of each class, too.
    """
    check_seed(options.seed)
    from geomrob.analysis.comparison.compare import compare as compared
    from geomrob.analysis.comparison.measured import saved_results
    from geomrob.plot.comparison.forest import plot_comparison

    results = saved_results(model, KINDS.get(of or "", ""))
    if not results:
        check_several(model, weights)
    measured: list[Result] = []
    classes: tuple[str, ...] = ()
    if results:
        out, figure = places("compare", options)
        notes: tuple[str, ...] = ()
    else:
        session = Session.open(
            "compare", options, models=model, weights=weights, default_models=lambda samples: trained_for(samples, 2)
        )
        out, figure, classes, notes = session.out, session.figure, session.samples.classes, session.samples.notes
        results = measured = measure(session, of or "margin", options.seed)
    found = compared(*results, by_class=per_class, classes=classes, seed=options.seed)
    answer = Answer("compare", out, [found], data_notes=notes)
    answer.save()
    answer.save(measured, "compare-measured")
    answer.csv()
    answer.picture(plot_comparison(found), figure)
    return answer.finish()


def check_several(model: tuple[str, ...], weights: tuple[Path, ...]) -> None:
    """Refuse one model alone, and weights of none, before anything is loaded.

    Raises:
        UsageError: That.
    """
    if weights and not model:
        raise UsageError(f"weights must go with a model; got {weights[0]} alone: name the model")
    if model and len(set(model)) * max(1, len(weights)) < 2:
        raise UsageError(f"model must be given for two models at least; got {model[0]} alone: name another")


def measure(session: Session, of: str, seed: int) -> "list[Result]":
    """Return what the single command measures of each model by default."""
    from geomrob.analysis.corruptions.errors import corruption_errors
    from geomrob.analysis.duration import expected_seconds
    from geomrob.analysis.margin_bands import margin_bands
    from geomrob.analysis.margins import margin_curve
    from geomrob.analysis.minimum_norms import minimum_norms
    from geomrob.analysis.sparsity import sparsity

    samples = session.samples
    shared: dict[str, Any] = {
        "data": samples.name, "indices": samples.indices, "seed": seed, "memory": session.memory, "run": session.run
    }  # fmt: skip
    if of in ("norms", "corruptions"):
        session.set_threads()
        with session.progress(of) as progress:
            work = minimum_norms if of == "norms" else corruption_errors
            return [work(session.models, session.images, session.labels, progress=progress, **shared)]
    if of == "margin":
        shared |= {"subspaces": margin_bands(samples, seed=seed), "allowed": (0.0, 1.0) if session.boxed else None}
    work = margin_curve if of == "margin" else sparsity

    def one(name: str, model: "Prepared", progress: Progress) -> "Result":
        if of == "margin":
            pairs = len(samples) * len(shared["subspaces"])
            session.announce(f"margins of {name}, {pairs:,} pairs", expected_seconds(model, pairs, "tight"))
        return work(model, session.images, labels=session.labels, name=name, progress=progress, **shared)

    return session.measure(of, one)
