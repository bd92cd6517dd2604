"""`geomrob report`: one page on a model, or on several side by side."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from cyclopts import Parameter

from geomrob.cli.answer import Answer
from geomrob.cli.loading import trained_for
from geomrob.cli.options import Settings
from geomrob.cli.session import Session, places
from geomrob.errors import UsageError
from geomrob.seeds import check_seed

if TYPE_CHECKING:
    from geomrob.reports import Report
    from geomrob.reports.analyses import Budget

PAGE = "report.html"

INPUTS = ("data_dir", "classes", "transform", "mean", "std", "image_size", "outputs")
"""The options that say how models and images are read."""


@dataclass(frozen=True, kw_only=True)
class Options(Settings):
    """The defaults of this command.

    Attributes:
        out: The page, FILE.html; default geomrob-report/report.html. What is measured is kept in the folder FILE next
            to it, a sub-folder for each analysis, as its own command has it.
        samples: Most images of each analysis; the default follows the budget.
    """

    default_samples: ClassVar[int] = 1000
    out: Path | None = None
    samples: int | None = None


def report(
    model: tuple[str, ...] = ("fmnist-lenet",),
    *,
    weights: tuple[Path, ...] = (),
    options: Options = Options(),
    budget: Literal["quick", "standard", "thorough"] = "standard",
    only: tuple[str, ...] = (),
    saved: Annotated[tuple[Path, ...], Parameter(name="--from")] = (),
) -> int:
    """Write one page on a model, or on several side by side: every analysis, what was found, how it was measured.

    The page is one HTML file that needs nothing else, in no network. The exit status is 3 where an analysis could not
    be made of a model: the page says why.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; name several to compare them with the
            first.
        weights: File of weights of that model, or index or folder of its shards; repeat it for several trainings
            (seeds), which the page shows side by side.
        budget: On how many images: quick is for a first look, standard is what each command does by default.
        only: Analyses to make: margin, margin-deepfool, sparsefool, curve, robust-linf, robust-l2, spectrum,
            corruptions, layers, audit; repeat it for several. The default is all.
        saved: Folder of a command or a report: the page is made of what is saved there, and nothing is measured;
            repeat it for several.
    """
    check_seed(options.seed)
    if options.figure is not None:
        raise UsageError(f"figure must be left out of a report; got {options.figure}: the pictures are in the page")
    if options.shard is not None:
        raise UsageError(f"shard must be left out of a report; got {options.shard}: run the single commands in shards")
    from geomrob.reports.measure import most_images
    from geomrob.reports.page import check_installed
    from geomrob.runs import writable

    check_installed()
    most_images(budget, only)
    page, folder = _places(options.out)
    if page.is_dir():
        raise UsageError(f"out must be a page, FILE.html; got the folder {page}: name a file in it")
    if page.parent != folder:
        writable(page.parent)
    options = replace(options, out=folder)
    if saved:
        from geomrob.reports import report_from

        places("report", options)
        return _finish(report_from(saved), page, folder)
    session = Session.open("report", options, models=model, weights=weights)
    return _finish(_measured(session, options, budget, only, model, weights), page, folder)


def _places(out: Path | None) -> tuple[Path, Path]:
    """Return the page and the folder of what is measured."""
    from geomrob.files import user_path

    path = user_path(out or "geomrob-report", "out")
    if path.suffix.lower() in (".html", ".htm"):
        return path, path.with_suffix("")
    return path / PAGE, path


def _measured(
    session: Session,
    options: Options,
    budget: "Budget",
    only: tuple[str, ...],
    model: tuple[str, ...],
    weights: tuple[Path, ...],
) -> "Report":
    """Return the report of the models and images of a session."""
    from geomrob.analysis.audit import SOURCES
    from geomrob.models import MODELS
    from geomrob.reports.analyses import ANALYSES
    from geomrob.reports.build import made
    from geomrob.reports.measure import Plan, expected_seconds
    from geomrob.runs.folder import in_process

    run = session.run
    plan = Plan(
        models=session.models,
        samples=session.samples,
        device=session.device,
        budget=budget,
        only=only or tuple(ANALYSES),
        most=options.samples,
        seed=options.seed,
        memory=session.memory,
        threads=session.threads,
        sources=session.load(trained_for(session.samples, alike=False)[: SOURCES + 1]),
        listed=frozenset() if weights else frozenset(session.models) & frozenset(MODELS),
        named=model,
        inputs=_inputs(options, weights),
        folder=session.out,
        overwrite=options.overwrite,
        engine=in_process if run is None else run.engine,
        report=None if run is None else run.report,
        watch=session.progress,
    )
    session.announce(f"report on {len(session.models)} models, {budget} budget", expected_seconds(plan))
    return made(plan)


def _inputs(options: Options, weights: tuple[Path, ...]) -> list[str]:
    """Return the words with which commands read the same models and images."""
    given = {name: str(value) for name in INPUTS if (value := getattr(options, name)) != getattr(Options(), name)}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    return [*words, *(word for file in weights for word in ("--weights", str(file)))]


def _finish(found: "Report", page: Path, folder: Path) -> int:
    """Write the page and show its summary."""
    answer = Answer("report", folder, [found])
    answer.contents[page] = found.html.encode()
    answer.files.append(page)
    return answer.finish(complete=not found.missing)
