"""What is told about corruptions: errors in the columns of the papers, the scores, the csv rows, the JSON answer."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from torch import Tensor

    from geomrob.results import CorruptionTable

SHORT = {
    "gaussian_noise": "Ga",
    "shot_noise": "Sh",
    "impulse_noise": "Im",
    "defocus_blur": "De",
    "glass_blur": "Gl",
    "motion_blur": "Mo",
    "zoom_blur": "Zo",
    "snow": "Sn",
    "frost": "Fr",
    "fog": "Fo",
    "brightness": "Br",
    "contrast": "Co",
    "elastic_transform": "El",
    "pixelate": "Pi",
    "jpeg_compression": "Jp",
    "speckle_noise": "Sp",
    "gaussian_blur": "Gb",
    "spatter": "St",
    "saturate": "Sa",
}
"""How the papers head the columns, and the four that they have none for."""


def over(corruptions: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions that scores are means over: the 15 of the benchmark if all are there, else all."""
    from geomrob.analysis.corruption_groups import BENCHMARK

    return BENCHMARK if set(BENCHMARK) <= set(corruptions) else tuple(corruptions)


def scored(found: "CorruptionTable", baseline: str | None, beta: float | None) -> "dict[str, Tensor]":
    """Return every score of each network."""
    from geomrob.analysis.corruption_summary import corruption_scores

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


def score_rows(found: "CorruptionTable", scores: "Mapping[str, Tensor]") -> list[dict[str, Any]]:
    """Return one row a model and score: mean and standard error over its networks, and the source of the images."""
    from geomrob.analysis.corruption_scores import mean_and_error

    table: list[dict[str, Any]] = []
    for name, values in scores.items():
        means, errors = mean_and_error(values)
        for model, mean, error in zip(found.models, means.tolist(), errors.tolist(), strict=True):
            fixed = {"model": model, "score": name, "mean": mean, "standard_error": error}
            table.append({**fixed, "networks": values.shape[1], "source": found.source, "adapt": found.adapt})
    return table


def tell(
    found: "CorruptionTable",
    scores: "Mapping[str, Tensor]",
    baseline: str | None,
    files: Sequence[Path],
    *,
    as_json: bool,
) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object."""
    if as_json:
        answer = {
            "data": found.data,
            "images": found.images,
            "adapt": found.adapt,
            "source": found.source,
            "sources": dict(zip(found.corruptions, found.sources, strict=True)),
            "over": over(found.corruptions),
            "baseline": baseline,
            "errors": rows(found),
            "scores": score_rows(found, scores),
            "provenance": vars(found.provenance),
            "files": [str(file) for file in files],
        }
        say(json.dumps(strict(answer), allow_nan=False, indent=1))
        return
    fitted = "" if found.adapt == "none" else f", batch-norm statistics fitted to the images ({found.adapt})"
    say(f"{found.images} images of {found.data}, corruptions {_made(found)}{fitted}")
    _errors(found, scores)
    _groups(found, scores)
    if baseline is not None:
        _relative(found, scores, baseline)
    spent = found.provenance
    say(
        f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; {spent.forwards:,} forward evaluations",
        f"written: {', '.join(map(str, files))}",
    )


def _made(found: "CorruptionTable") -> str:
    """Return where the corrupted images are from, in words."""
    told = {"made": "made by geomrob", "ready-made": "read from the distributed set"}
    return told.get(found.source, "made by geomrob, in columns with * read from the distributed set")


def _errors(found: "CorruptionTable", scores: "Mapping[str, Tensor]") -> None:
    """Write the table of errors in per cent, a column a corruption."""
    mixed = found.source == "mixed"
    heads = [
        SHORT[name] + ("*" if mixed and source == "ready-made" else "")
        for name, source in zip(found.corruptions, found.sources, strict=True)
    ]
    names = over(found.corruptions)
    extra = len(found.corruptions) - len(names)
    mean = "mCE" if len(names) == 15 else "mean"
    what = "error" if found.measure == "error" else found.measure
    say(
        f"{what} in per cent, mean over severities {', '.join(map(str, found.severities))}; {mean} over {len(names)} "
        f"corruptions{f', without the last {extra}' if extra else ''}"
        f"{'' if len(names) == 15 else ' (no mCE: that is over the 15 of the benchmark)'}"
    )
    table = [
        (model, *(_cell(scores[name][m], percent=True) for name in ("clean", "mCE")), *cells)
        for m, (model, cells) in enumerate(zip(found.models, _cells(found), strict=True))
    ]
    show_table(("model", "clean", mean, *heads), table)


def _cells(found: "CorruptionTable") -> list[list[str]]:
    """Return the mean error of each model under each corruption, in per cent."""
    return [[f"{100 * value:.1f}" for value in row.mean(0).tolist()] for row in found.corruption_errors]


def _groups(found: "CorruptionTable", scores: "Mapping[str, Tensor]") -> None:
    """Write the means by severity and by group, in per cent."""
    names = [name for name in scores if name.startswith(("severity", "category:", "push_pull:", "pixel_similarity:"))]
    heads = [name.replace("severity ", "severity\n").replace(":", "\n").replace("pixel_similarity", "pixel-sim.")
             .replace("push_pull", "push-pull").replace("category\n", "\n") for name in names]  # fmt: skip
    table = [(model, *(_cell(scores[name][m], percent=True) for name in names)) for m, model in enumerate(found.models)]
    show_table(("mean error\n(%)", *heads), table)


def _relative(found: "CorruptionTable", scores: "Mapping[str, Tensor]", baseline: str) -> None:
    """Write the scores that are relative to the baseline."""
    names = [name for name in scores if name.startswith(("mCE/", "mrCE", "relative", "R_"))]
    heads = [name.replace("mrCE ", "mrCE\n").replace("push_pull:", "p-p ").replace("pixel_similarity:", "p-s ")
             .replace("category:", "").replace("relative mCE", "relative\nmCE")
             .replace("R_net (beta 1)", "R_net\nbeta 1")
             for name in names]  # fmt: skip
    say(
        f"relative to {baseline}: below 1 is better in mCE, mrCE and relative mCE, above 0 in R; p-p, p-s: low, mid "
        "and high frequencies as PushPull-Net and pixel similarity divide them"
    )
    table = [(model, *(_cell(scores[name][m]) for name in names)) for m, model in enumerate(found.models)]
    show_table(("", *heads), table)


def _cell(values: "Tensor", *, percent: bool = False) -> str:
    """Return mean and, of several networks, standard error of a score."""
    from geomrob.analysis.corruption_scores import mean_and_error

    mean, error = (100 * float(value) if percent else float(value) for value in mean_and_error(values))
    digits = 1 if percent else 3
    told = f"{mean:.{digits}f}" if math.isfinite(mean) else "-"
    return told if math.isnan(error) else f"{told}±{error:.{digits}f}"
