"""`geomrob audit`: can the robustness that attacks report of a model be trusted?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli.answer import Answer
from geomrob.cli.loading import trained_for
from geomrob.cli.options import Settings
from geomrob.cli.session import Session

if TYPE_CHECKING:
    from geomrob.results import Audit


def audit(
    model: tuple[str, ...] = ("fmnist-lenet",),
    *,
    weights: tuple[Path, ...] = (),
    source: tuple[str, ...] = (),
    options: Settings = Settings(),
    budget: int = 1000,
    smoothness: float = 1.0,
) -> int:
    """Decide with evidence whether the robustness that gradient attacks report of a model can be trusted.

    Writes audit.json with audit.npz (everything, for geomrob.load), audit.csv and audit.png; of several models, one
    JSON, npz and picture each, audit-MODEL, and one table. The exit status is 3 where a check failed.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; name several to compare them.
        weights: File of weights of that model, or index or folder of its shards; repeat it for several trainings
            (seeds): standard errors are over them.
        source: A model whose perturbations are tried on it; repeat it for several. The default is two others of the
            table that are trained for that data set, none for a data set of your own: name yours.
        budget: Most queries of the decision-based attack per image; 0 leaves it out.
        smoothness: Of its proposals: the default, 1, prefers low frequencies; 0 is white noise.
    """
    session = Session.open("audit", options, models=model, weights=weights)
    from geomrob.analysis.audit import check_budget
    from geomrob.plot.audit import plot_audit
    from geomrob.results.result import file_names

    check_budget(budget)
    audits = audited(session, options.seed, source, budget=budget, smoothness=smoothness)
    answer = Answer("audit", session.out, audits, data_notes=session.samples.notes, trainings=session.trainings)
    answer.save()
    answer.csv()
    for result, end in zip(audits, file_names(audits), strict=True):
        answer.picture(plot_audit(result), session.figure.with_stem(session.figure.stem + end))
    return answer.finish(complete=all(result.verdict != "failed" for result in audits))


def audited(
    session: Session, seed: int, source: Sequence[str] = (), budget: int = 1000, smoothness: float = 1.0
) -> "list[Audit]":
    """Return the audit of each model of a session, by default with two others of the table as sources."""
    from geomrob.analysis.audit import SOURCES, audit, default_sources

    samples = session.samples
    others = session.load(source or trained_for(samples, alike=False)[: SOURCES + 1])
    return session.measure(
        "audit",
        lambda name, model, progress: audit(
            model,
            session.images,
            labels=samples.labels,
            indices=samples.indices,
            sources=others if source else default_sources(others, name),
            name=name,
            data=samples.name,
            seed=seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
            budget=budget,
            smoothness=smoothness,
        ),
    )
