"""`geomrob corruptions`: errors of models under noise, blur, weather and digital corruptions, and their scores."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from geomrob.cli.answer import Answer
from geomrob.cli.options import Common
from geomrob.cli.session import Session, libraries

if TYPE_CHECKING:
    from geomrob.results import CorruptionTable


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """The defaults of this command.

    Attributes:
        data_dir: Folder of the full data sets as torchvision lays them out, and of CIFAR-10-C, CIFAR-100-C,
            ImageNet-C; default GEOMROB_DATA.
        samples: How many images; default 200, or all of a smaller set.
    """

    default_samples: ClassVar[int] = 200
    samples: int | None = None


def corruptions(
    *,
    options: Options = Options(),
    corruptions: tuple[str, ...] = ("benchmark",),
    severities: tuple[int, ...] = (1, 2, 3, 4, 5),
    baseline: str | None = None,
    beta: float | None = None,
    adapt: Literal["none", "single", "partial", "full"] = "none",
    table: Literal["auto", "cifar", "imagenet"] = "auto",
    accuracy: bool = False,
    per_class: bool = False,
) -> int:
    """Measure the errors of models under common corruptions; show, draw and write them with every score.

    Writes corruptions.json with corruptions.npz (everything, for geomrob.load), corruptions.csv (each error),
    corruption-table.csv (a row a model, the columns of the papers), corruption-scores.json, .npz and .csv,
    corruptions.png (corruption by severity) and, with a baseline that errs, corruptions-trade-off.png. A distributed
    set of corrupted images on disk is read where there is one; the tables say so.

    Args:
        corruptions: benchmark (the 15 that mCE is the mean over), all (19), or a name; repeat it for several.
        severities: 1 to 5; repeat it for several, by default all.
        baseline: What the relative scores are relative to: one of the models, or alexnet for its published errors on
            ImageNet-C; the default is the first of several models.
        beta: Weight of mCE in R_net; default mCE / clean error of the baseline.
        adapt: Fit batch-norm statistics to each image alone (single), to 8 (partial) or 400 (full) at a time.
        table: Constants of corruptions made here, for 32 x 32 (cifar) or 224 x 224 images (imagenet); auto is by size.
        accuracy: Show accuracies instead of errors, as the tables of PRIME do.
        per_class: Show them of the images of each class, too, and write corruptions-classes.csv.
    """
    libraries()
    from geomrob.analysis.corruptions.errors import chosen_corruptions, corrupted_source, corruption_errors
    from geomrob.analysis.corruptions.summary import chosen_baseline, score_table

    names, levels = chosen_corruptions(corruptions), tuple(sorted(set(severities)))
    against = chosen_baseline(baseline, beta, options.model, names, levels)
    session = Session.open("corruptions", options)
    samples, seed = session.samples, options.seed
    source = corrupted_source(
        options.data, samples, data_dir=options.data_dir, classes=options.classes, seed=seed, baseline=against
    )
    session.set_threads()
    with session.progress("corruptions") as progress:
        errors = corruption_errors(
            session.networks,
            session.images,
            samples.labels,
            corruptions=names,
            severities=levels,
            adapt=adapt,
            table=table,
            ready_made=source,
            data=samples.name,
            indices=samples.indices,
            seed=seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        )
    scores = score_table(errors, baseline=against, beta=beta)
    answer = Answer("corruptions", session.out, [errors, scores], data_notes=session.samples.notes)
    answer.shown = [*errors.tables(accuracy=accuracy), *scores.tables(accuracy=accuracy)]
    if against == "alexnet" and len(samples.classes) != 1000:
        answer.remarks.append(f"AlexNet's errors are of 1000 classes, those of {samples.name} {len(samples.classes)}")
    answer.save([errors])
    answer.csv(errors.records())
    answer.csv(errors.papers(), "corruption-table")
    answer.save([scores], "corruption-scores")
    answer.csv(scores.records(), "corruption-scores")
    if per_class:
        answer.by_class([errors], samples.classes)
    _draw(answer, session, errors, against, beta)
    return answer.finish()


def _draw(answer: Answer, session: Session, errors: "CorruptionTable", baseline: str, beta: float | None) -> None:
    """Write the map of the errors and, with a baseline that errs, the trade-off with clean errors."""
    from geomrob.data.corruptions import CORRUPTIONS
    from geomrob.plot.accuracy.corruptions import plot_corruptions, plot_trade_off

    kinds = {name: CORRUPTIONS[name].category for name in errors.corruptions}
    answer.picture(plot_corruptions(errors, categories=kinds), session.figure)
    errs = baseline in errors.models and errors.errs(baseline)
    answer.picture(
        plot_trade_off(errors, baseline, names=errors.over, beta=beta) if errs else None,
        session.figure.with_stem(f"{session.figure.stem}-trade-off"),
    )
