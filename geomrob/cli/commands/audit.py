"""`geomrob audit`: can the robustness that attacks report of a model be trusted?"""

from pathlib import Path

from geomrob.cli.answer import Answer, file_names
from geomrob.cli.loading import trained_for
from geomrob.cli.options import Settings
from geomrob.cli.session import Session


def audit(
    model: tuple[str, ...] = ("fmnist-lenet",),
    *,
    weights: tuple[Path, ...] = (),
    source: tuple[str, ...] = (),
    options: Settings = Settings(),
    queries: int = 1000,
) -> int:
    """Decide with evidence whether the robustness that gradient attacks report of a model can be trusted.

    Writes audit.json with audit.npz (everything, for geomrob.load), audit.csv and audit.png; of several models, one
    JSON, npz and picture each, audit-MODEL, and one table. The exit status is 3 where a check failed.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; name several to compare them.
        weights: File of weights of that model, or index or folder of its shards; repeat it for several trainings
            (seeds): standard errors are over them.
        source: A model whose perturbations are tried on it; repeat it for several. The default is two others of the
            table for that data set, its first.
        queries: Queries of the decision-based attack per image; 0 leaves it out.
    """
    session = Session.open("audit", options, models=model, weights=weights)
    from geomrob.analysis.audit import SOURCES, check_queries, default_sources
    from geomrob.analysis.audit import audit as examine
    from geomrob.plot.audit import plot_audit

    check_queries(queries)
    samples = session.samples
    others = session.load(source or trained_for(samples)[: SOURCES + 1])
    audits = session.measure(
        "audit",
        lambda name, network, progress: examine(
            network,
            session.images,
            labels=samples.labels,
            indices=samples.indices,
            sources=others if source else default_sources(others, name),
            queries=queries,
            name=name,
            data=samples.name,
            seed=options.seed,
            memory=session.memory,
            progress=progress,
            run=session.run,
        ),
    )
    answer = Answer("audit", session.out, audits, data_notes=samples.notes, trainings=session.trainings)
    answer.save()
    answer.csv()
    for result, end in zip(audits, file_names(audits), strict=True):
        answer.picture(plot_audit(result), session.figure.with_stem(session.figure.stem + end))
    return answer.finish(complete=all(result.verdict != "failed" for result in audits))
