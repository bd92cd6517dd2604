"""`geomrob audit`: whether the robustness that attacks report of a model can be trusted."""

from pathlib import Path

from geomrob.cli.answer import Answer, file_names
from geomrob.cli.options import Settings
from geomrob.cli.session import Session, load_source, trained_for
from geomrob.errors import UsageError

LEAST = 20
"""Fewest queries that the decision-based attack can begin with."""

SOURCES = 2
"""How many other models of the table are the sources where none is named."""


def audit(
    model: tuple[str, ...] = ("fmnist-lenet",),
    *,
    weights: tuple[Path, ...] = (),
    options: Settings = Settings(),
    source: tuple[str, ...] = (),
    queries: int = 1000,
) -> int:
    """Decide with evidence whether the robustness that attacks by gradient report of a model can be trusted.

    Writes audit.json with audit.npz (everything, for geomrob.load), audit.csv and audit.png; of several models, one
    JSON, npz and picture each, audit-MODEL, and one table. The exit status is 3 where a check failed.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; name several to compare them.
        weights: Weights of that model, .safetensors or .pt.
        source: A model whose perturbations are tried on it; repeat it for several. The default is two others of the
            table for that data set, its first.
        queries: Queries of the decision-based attack per image; 0 leaves it out.
    """
    if queries != 0 and queries < LEAST:
        raise UsageError(f"queries must be 0 or at least {LEAST}; got {queries}: a start alone takes about ten")
    session = Session.open("audit", options, models=model, weights=weights)
    from geomrob.analysis.audit import audit as examine
    from geomrob.plot.audit import plot_audit

    samples = session.samples
    names = source or trained_for(samples)[: SOURCES + 1]
    others = {name: load_source(session, name) for name in names}
    results = [
        examine(
            network,
            session.images,
            labels=samples.labels,
            indices=samples.indices,
            sources=others if source else dict([pair for pair in others.items() if pair[0] != name][:SOURCES]),
            queries=queries,
            name=name,
            data=samples.name,
            seed=options.seed,
            progress=progress,
        )
        for name, network, progress in session.each("audit")
    ]
    answer = Answer("audit", session.out, results, as_json=session.json)
    answer.save()
    answer.csv()
    for result, part in zip(results, file_names(results), strict=True):
        answer.picture(plot_audit(result), session.figure.with_stem(f"{session.figure.stem}{part}"))
    return answer.finish(complete=all(result.verdict != "failed" for result in results))
