"""Errors under corruptions and their scores as rows of plain numbers, for the csv files and the JSON answer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from geomrob.results import CorruptionTable


def over(corruptions: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions that scores are means over: the 15 of the benchmark if all are there, else all."""
    from geomrob.analysis.corruptions.scores import BENCHMARK

    return BENCHMARK if set(BENCHMARK) <= set(corruptions) else tuple(corruptions)


def is_mce(names: Sequence[str]) -> bool:
    """Return whether these are the 15 of the benchmark, and not 15 or fewer others."""
    from geomrob.analysis.corruptions.scores import BENCHMARK

    return set(names) == set(BENCHMARK)


def mean_name(found: "CorruptionTable") -> str:
    """Return how the mean over corruptions is called: mCE is over the 15 of the benchmark alone."""
    return "mCE" if is_mce(over(found.corruptions)) else "mean CE"


def scored(found: "CorruptionTable", baseline: str | None, beta: float | None) -> "dict[str, Tensor]":
    """Return every score of each network."""
    from geomrob.analysis.corruptions.summary import corruption_scores

    return corruption_scores(found, baseline=baseline, beta=beta, names=over(found.corruptions))


def rows(found: "CorruptionTable") -> list[dict[str, Any]]:
    """Return one row a model, network, corruption and severity; severity 0 is the clean images."""

    def row(model: str, network: int, name: str, level: int, source: str, value: float) -> dict[str, Any]:
        return {
            "model": model,
            "network": network,
            "data": found.data,
            "adapt": found.adapt,
            "corruption": name,
            "severity": level,
            "source": source,
            found.measure: value,
        }

    table: list[dict[str, Any]] = []
    for m, model in enumerate(found.models):
        for g in range(found.errors.shape[1]):
            table.append(row(model, g, "none", 0, "", float(found.clean[m, g])))
            for name, source, values in zip(found.corruptions, found.sources, found.errors[m, g], strict=True):
                table += [
                    row(model, g, name, level, source, float(value))
                    for level, value in zip(found.severities, values, strict=True)
                ]
    return table


def table_rows(found: "CorruptionTable", scores: "Mapping[str, Tensor]") -> list[dict[str, Any]]:
    """Return one row a model, as the papers have it: clean, mean, then a column a corruption, means over networks."""
    fixed = {"data": found.data, "measure": found.measure, "adapt": found.adapt, "source": found.source}
    return [
        {
            "model": model,
            **fixed,
            "clean": float(scores["clean"][m].mean()),
            "mean": float(scores["mCE"][m].mean()),
            **dict(zip(found.corruptions, found.corruption_errors[m].mean(0).tolist(), strict=True)),
        }
        for m, model in enumerate(found.models)
    ]


def score_rows(found: "CorruptionTable", scores: "Mapping[str, Tensor]") -> list[dict[str, Any]]:
    """Return one row a model and score: mean and standard error over its networks, and the source of the images."""
    from geomrob.analysis.corruptions.scores import mean_and_error

    mean_of_all = mean_name(found)
    table: list[dict[str, Any]] = []
    for name, values in scores.items():
        means, errors = mean_and_error(values)
        for model, mean, error in zip(found.models, means.tolist(), errors.tolist(), strict=True):
            fixed = {"model": model, "score": name.replace("mCE", mean_of_all), "mean": mean, "standard_error": error}
            table.append({**fixed, "networks": values.shape[1], "source": found.source, "adapt": found.adapt})
    return table
