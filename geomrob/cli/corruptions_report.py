"""What is told about corruptions: errors in the columns of the papers, the scores, the JSON answer."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geomrob.cli.console import say, show_table
from geomrob.cli.corruptions_rows import is_mce, mean_name, over, rows, score_rows
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


def tell(
    found: "CorruptionTable",
    scores: "Mapping[str, Tensor]",
    baseline: str | None,
    files: Sequence[Path],
    *,
    as_json: bool,
    accuracy: bool = False,
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
    _errors(found, scores, accuracy=accuracy)
    _groups(found, scores, accuracy=accuracy)
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
    return told.get(
        found.source, "made by geomrob, but columns with * (and in part their means) from a distributed set"
    )


def _what(found: "CorruptionTable", *, accuracy: bool) -> str:
    """Return what is told, in words."""
    if found.measure == "error":
        return "accuracy" if accuracy else "error"
    return f"1 - ({found.measure})" if accuracy else found.measure


def _errors(found: "CorruptionTable", scores: "Mapping[str, Tensor]", *, accuracy: bool) -> None:
    """Write the table in per cent, a column a corruption, in the order of the papers."""
    mixed = found.source == "mixed"
    heads = [
        SHORT[name] + ("*" if mixed and source == "ready-made" else "")
        for name, source in zip(found.corruptions, found.sources, strict=True)
    ]
    names = over(found.corruptions)
    extra = len(found.corruptions) - len(names)
    whole = is_mce(names)
    mean = ("mCE" if whole and not accuracy else "mean") + ("*" if mixed else "")
    plural = "" if len(names) == 1 else "s"
    say(
        f"{_what(found, accuracy=accuracy)} in per cent, mean over severities {', '.join(map(str, found.severities))}; "
        f"{mean} over {len(names)} corruption{plural}{f', without the last {extra}' if extra else ''}"
        f"{'' if whole else ' (no mCE: that is over the 15 of the benchmark)'}"
    )
    table = [
        (
            model,
            *(_cell(scores[name][m], percent=True, accuracy=accuracy) for name in ("clean", "mCE")),
            *(_cell(one, percent=True, accuracy=accuracy, spread=False) for one in found.corruption_errors[m].T),
        )
        for m, model in enumerate(found.models)
    ]
    show_table(("model", "clean", mean, *heads), table)


def _groups(found: "CorruptionTable", scores: "Mapping[str, Tensor]", *, accuracy: bool) -> None:
    """Write the means by severity and by group, in per cent, a column a model."""
    names = [name for name in scores if name.startswith("severity") or _group(name)]
    table = [
        (_group(name) or name, *(_cell(one, percent=True, accuracy=accuracy) for one in scores[name])) for name in names
    ]
    show_table((f"mean {_what(found, accuracy=accuracy)} (%)", *found.models), table)


def _relative(found: "CorruptionTable", scores: "Mapping[str, Tensor]", baseline: str) -> None:
    """Write the scores that are relative to the baseline, a column a model."""
    mean = mean_name(found)
    say(f"relative to {baseline}: below 1 is better in {mean}, mrCE and relative {mean}, above 0 in R")
    table: list[tuple[str, ...]] = []
    for name, values in scores.items():
        group = _group(name.removeprefix("mrCE ")) if name.startswith("mrCE ") else ""
        if group or name.startswith(("mCE/", "relative", "R_")) or name == "mrCE":
            table.append((f"mrCE, {group}" if group else name.replace("mCE", mean), *(_cell(one) for one in values)))
    show_table(("", *found.models), table)


def _group(score: str) -> str:
    """Return what is told of the mean over a group, nothing of another score."""
    split, _, group = score.partition(":")
    papers = {"category": "", "push_pull": " frequencies (PushPull)", "pixel_similarity": " frequencies (pixel sim.)"}
    return f"{group}{papers[split]}" if split in papers else ""


def _cell(values: "Tensor", *, percent: bool = False, accuracy: bool = False, spread: bool = True) -> str:
    """Return mean and, of several networks, standard error of a score."""
    from geomrob.analysis.corruptions.scores import mean_and_error

    mean, error = (float(value) for value in mean_and_error(1 - values if accuracy else values))
    digits, unit = (1, 100) if percent else (3, 1)
    told = f"{unit * mean:.{digits}f}" if math.isfinite(mean) else "-"
    return f"{told} ± {unit * error:.{digits}f}" if spread and math.isfinite(error) else told
