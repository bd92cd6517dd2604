"""Every score of a table of corruption errors at once, against a baseline where there is one."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.analysis.corruptions.scores import (
    BENCHMARK,
    SPLITS,
    alexnet_errors,
    check_imagenet,
    checked_beta,
    grouped,
    net_reduction,
    normalised_mce,
    reduction,
    relative_mce,
)
from geomrob.errors import UsageError, unknown
from geomrob.results import CorruptionScores, CorruptionTable

ALEXNET = "alexnet"
"""The baseline of which only the CE are published."""

ALIKE = ("models", "data", "measure", "images", "corruptions", "severities", "sources", "adapt")
"""What tables have in common whose networks belong together."""


def over_networks(tables: Sequence[CorruptionTable]) -> CorruptionTable:
    """Return one table with the networks of all: trainings of the same models with different seeds, one after another.

    Scores of the whole then have a standard error (`mean_and_error`).

    Args:
        tables: Of the same models on the same images, corruptions and severities.

    Returns:
        Seconds and evaluations are sums; all else of the provenance is that of the first table.

    Raises:
        UsageError: No table, or tables of different things: which is named. The seed of the provenance is that of the
            corruptions and, usually, of the drawn images: it must be the same, too.

    Example:
        >>> import torch
        >>> from geomrob.analysis.corruptions.errors import corruption_errors
        >>> def measured(seed):
        ...     net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 2))
        ...     how = {"corruptions": ["fog"], "severities": [1]}
        ...     return corruption_errors({"net": net}, torch.zeros(4, 1, 16, 16), torch.tensor([0, 1, 0, 1]), **how)
        >>> over_networks([measured(seed) for seed in range(3)]).clean.shape
        torch.Size([1, 3])
    """
    if not tables:
        raise UsageError("tables must be at least one; got none: measure one for each seed")
    first = tables[0]
    for word in (*ALIKE, "seed"):
        got = [_fact(one, word) for one in tables]
        other = next((value for value in got if value != got[0]), None)
        if other is not None:
            raise UsageError(f"tables must have the same {word}; got {got[0]} and {other}: measure all networks alike")
    spent = {
        word: sum(getattr(one.provenance, word) for one in tables) for word in ("seconds", "forwards", "backwards")
    }
    return replace(
        first,
        errors=torch.cat([one.errors for one in tables], 1),
        clean=torch.cat([one.clean for one in tables], 1),
        correct=_joined([one.correct for one in tables]),
        clean_correct=_joined([one.clean_correct for one in tables]),
        provenance=replace(first.provenance, **spent),
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the networks of all tables, None where one does not say what is correct."""
    known = [part for part in parts if part is not None]
    return torch.cat(known, 1) if len(known) == len(parts) else None


def _fact(table: CorruptionTable, word: str) -> object:
    """Return what a table says of itself."""
    return table.provenance.seed if word == "seed" else getattr(table, word)


def corruption_scores(
    table: CorruptionTable,
    *,
    baseline: str | CorruptionTable | None = None,
    beta: float | None = None,
    names: Sequence[str] = BENCHMARK,
) -> dict[str, Float[Tensor, "m g"]]:
    """Return every score of each network (M, G) by its name: with a baseline also the ratios to it.

    Always `clean` (clean error), `mCE`, and `severity 1`, ... (mean error at each). With all 15, the means over the
    groups of each of `SPLITS`, `category:noise`, `push_pull:low`, `pixel_similarity:low`, ... With the baseline
    `alexnet`: `mCE/alexnet`. With any other: `mrCE`, `relative mCE`, `R_E`, `R_mCE`, `R_net`, `R_net (beta 1)`, and
    mrCE over the groups, `mrCE push_pull:low`, ...

    Each network is set against the means of the baseline over its networks, so that a standard error (`mean_and_error`)
    is that of the model alone.

    Args:
        table: Of `corruption_errors`.
        baseline: A model of the table, another table with one model, or `alexnet` for its published CE on ImageNet-C.
        beta: As in `net_reduction`, for `R_net`.
        names: The corruptions that the scores are means over; by default the 15 of the benchmark.

    Raises:
        UsageError: Corruptions that are missing, by name; no such baseline; `alexnet` for anything but the errors on
            ImageNet-C; a baseline table of other severities, images or seed, or of another source (made against
            ready-made).

    Example:
        >>> import torch
        >>> from geomrob.analysis.corruptions.errors import corruption_errors
        >>> _ = torch.manual_seed(0)
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 2))
        >>> found = corruption_errors({"net": net}, torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 0, 1]),
        ...                           corruptions=("fog", "snow"), severities=(1, 3))
        >>> scores = corruption_scores(found, baseline="net", names=("fog", "snow"))
        >>> scores["mrCE"].item(), scores["R_net"].item()
        (1.0, 0.0)
    """
    chosen = table.columns(names)
    errors, clean = table.corruption_errors[:, :, chosen], table.clean
    scores = {"clean": clean, "mCE": errors.mean(2)}
    by_severity = table.errors[:, :, chosen].mean(2).unbind(2)
    scores |= {f"severity {level}": values for level, values in zip(table.severities, by_severity, strict=True)}
    scores |= _groups(errors, names, "")
    if baseline is None:
        return scores
    if baseline == ALEXNET and baseline not in table.models:
        check_imagenet(table.data, table.source)
        if table.measure != "error":
            raise UsageError(f"measure must be error for AlexNet; got {table.measure}: name another baseline")
        return scores | {"mCE/alexnet": normalised_mce(errors, alexnet_errors(names, table.severities))}
    base, base_clean = _baseline(table, baseline, names)
    base_mce = base.mean()
    return (
        scores
        | {
            "mrCE": normalised_mce(errors, base),
            "relative mCE": relative_mce(errors, clean, base, base_clean),
            "R_E": reduction(clean, base_clean),
            "R_mCE": reduction(scores["mCE"], base_mce),
            "R_net": net_reduction(clean, scores["mCE"], base_clean, base_mce, beta),
            "R_net (beta 1)": net_reduction(clean, scores["mCE"], base_clean, base_mce, 1.0),
        }
        | _groups(errors / base, names, "mrCE ")
    )


def _groups(values: Tensor, names: Sequence[str], word: str) -> dict[str, Tensor]:
    """Return the means over the groups of every split, nothing where some of the 15 are not there."""
    if not set(BENCHMARK) <= set(names):
        return {}
    return {f"{word}{split}:{group}": mean for split in SPLITS for group, mean in grouped(values, names, split).items()}


def _baseline(table: CorruptionTable, baseline: str | CorruptionTable, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return CE (C,) and clean error of the baseline, means over its networks."""
    other = table if isinstance(baseline, str) else baseline
    if isinstance(baseline, str) and baseline not in table.models:
        raise unknown("baseline", baseline, (*table.models, ALEXNET))
    if isinstance(baseline, CorruptionTable):
        _check_alike(table, baseline, names)
    row = table.models.index(baseline) if isinstance(baseline, str) else 0
    errors = other.corruption_errors[row][:, other.columns(names)].mean(0)
    return errors, other.clean[row].mean()


def _check_alike(table: CorruptionTable, other: CorruptionTable, names: Sequence[str]) -> None:
    """Refuse a baseline that was measured on something else."""
    if len(other.models) != 1:
        raise UsageError(f"baseline must hold one model; got {', '.join(other.models)}: measure it alone")
    one, two = ([found.sources[place] for place in found.columns(names)] for found in (table, other))
    if one != two:
        raise UsageError(
            f"baseline must be on images of the same source; got {other.source} images for {table.source} ones: "
            "results of made and of distributed sets differ by their draws, measure both alike"
        )
    for word in ("data", "measure", "severities", "images", "seed"):
        got, wanted = _fact(other, word), _fact(table, word)
        if got != wanted:
            raise UsageError(f"baseline must have the same {word}; got {got} for {wanted}: measure both alike")


def score_table(table: CorruptionTable, *, baseline: str = "", beta: float | None = None) -> CorruptionScores:
    """Return every score of a table as a result that can be shown and saved.

    The means are over the 15 corruptions of the benchmark where all are there, else over all.

    Args:
        table: Of `corruption_errors`.
        baseline: A model of the table, `alexnet`, or nothing for no relative scores.
        beta: As in `corruption_scores`.

    Raises:
        UsageError: As `corruption_scores`.
    """
    return CorruptionScores(
        models=table.models,
        data=table.data,
        measure=table.measure,
        adapt=table.adapt,
        source=table.source,
        baseline=baseline,
        mean_name=table.mean_name,
        scores=corruption_scores(table, baseline=baseline or None, beta=beta, names=table.over),
        provenance=table.provenance,
    )


def chosen_baseline(
    named: str | None,
    beta: float | None,
    models: Sequence[str],
    corruptions: Sequence[str],
    severities: Sequence[int],
) -> str:
    """Return the baseline of relative scores, empty for none: the first of several models by default.

    Raises:
        UsageError: One that is neither a model nor `alexnet`, `alexnet` for corruptions or severities of which its
            errors are not published, `beta` without a model as the baseline.
    """
    if beta is not None:
        checked_beta(beta)
    if named == ALEXNET:
        whole = set(BENCHMARK) <= set(corruptions)
        alexnet_errors(BENCHMARK if whole else tuple(corruptions), tuple(severities))
    elif named is not None and named not in models:
        raise unknown("baseline", named, (*models, ALEXNET))
    chosen = models[0] if named is None and len(set(models)) > 1 else named
    if beta is not None and chosen in (None, ALEXNET):
        raise UsageError(f"beta must go with a model as the baseline; got {chosen or 'none'}: name one with --baseline")
    return chosen or ""
