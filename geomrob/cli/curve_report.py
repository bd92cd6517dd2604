"""What is told about accuracy against strength: the rows of table and csv file, the plane, the JSON answer."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import Acceptance, StrengthCurve

PLANE_HEADINGS = ("model", "R0 / U0", "RD / UD", "accepted")


def rows(curve: "StrengthCurve") -> list[dict[str, Any]]:
    """Return one row of plain numbers per model and strength; the error of a single run is NaN."""
    means, errors = curve.mean.tolist(), curve.error.tolist()
    return [
        {
            "model": name,
            "data": curve.data,
            "attack": curve.attack,
            "source": curve.source,
            "strength": strength,
            "accuracy": means[model][at],
            "standard_error": errors[model][at],
            "images": len(curve.labels),
            "repeats": curve.correct.shape[2],
        }
        for model, name in enumerate(curve.models)
        for at, strength in enumerate(curve.strengths.tolist())
    ]


def plane_rows(plane: "Acceptance") -> list[dict[str, Any]]:
    """Return one row of plain numbers per model that is held against the baseline."""
    columns = (plane.models, plane.clean.tolist(), plane.distorted.tolist(), plane.accepted.tolist())
    return [
        {
            "model": name,
            "baseline": plane.baseline,
            "attack": plane.attack,
            "strength": plane.strength,
            "minimum": plane.minimum,
            "clean_ratio": clean,
            "perturbed_ratio": distorted,
            "accepted": accepted,
        }
        for name, clean, distorted, accepted in zip(*columns, strict=True)
    ]


def tell(curve: "StrengthCurve", plane: "Acceptance | None", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object."""
    if as_json:
        say(to_json(curve, plane, files))
        return
    _, _, repeats, _, images = curve.correct.shape
    crafted = f" made on {curve.source}" if curve.source else ""
    error = f"mean +- standard error of {repeats} repeats" if repeats > 1 else "one run, no standard error"
    say(f"accuracy on {images} images of {curve.data} against the strength of {curve.attack}{crafted}; {error}")
    table = rows(curve)
    each = len(curve.strengths)
    lines = [
        [f"{table[at]['strength']:g}", *(_share(table[model * each + at]) for model in range(len(curve.models)))]
        for at in range(each)
    ]
    show_table(("strength", *curve.models), lines)
    if plane is not None:
        _show_plane(plane)
    spent = curve.provenance
    say(
        f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; "
        f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations",
        f"written: {', '.join(map(str, files))}",
    )


def to_json(curve: "StrengthCurve", plane: "Acceptance | None", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    answer = {
        "curve": rows(curve),
        "plane": None if plane is None else plane_rows(plane),
        "provenance": vars(curve.provenance),
        "files": [str(file) for file in files],
    }
    return json.dumps(strict(answer), allow_nan=False, indent=1)


def _show_plane(plane: "Acceptance") -> None:
    """Write where the models stand against the baseline, and the rule."""
    say(
        f"against {plane.baseline}, at strength {plane.strength:g}: accepted where R0 / U0 >= {plane.minimum:g} "
        "(clean accuracy kept) and RD / UD > 1 (more images right under the perturbation)"
    )
    show_table(
        PLANE_HEADINGS,
        [
            (row["model"], f"{row['clean_ratio']:.3f}", _ratio(row["perturbed_ratio"]), _yes(row["accepted"]))
            for row in plane_rows(plane)
        ],
    )


def _share(row: dict[str, Any]) -> str:
    """Return an accuracy in per cent, with its error where one is known."""
    error = row["standard_error"]
    return f"{row['accuracy']:.1%}" if math.isnan(error) else f"{row['accuracy']:.1%} +- {error:.1%}"


def _ratio(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
