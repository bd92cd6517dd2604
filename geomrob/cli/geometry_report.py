"""What is told about geometry: a row for each model and kind of direction, the tables, the JSON answer."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from torch import Tensor

    from geomrob.results import Geometry

KINDS = {
    "mean": "mean over random tangents",
    "random": "random tangents",
    "others": "other images' perturbations",
    "own": "own perturbation",
    "largest": "largest found",
}
"""The kinds of directions, and how the table calls them."""

HEADINGS = ("curvature along", "measured", "5 %", "median", "95 %", "mean")


def rows(found: "Geometry") -> list[dict[str, Any]]:
    """Return one row of plain numbers for each kind of direction, in 1 / pixel unit; NaN where nothing was measured."""
    return [
        {
            "model": found.model,
            "data": found.data,
            "method": found.method,
            "step": found.step,
            "along": kind,
            **summary(found.curvatures(kind)),
        }
        for kind in KINDS
    ]


def summary(values: "Tensor") -> dict[str, Any]:
    """Return how many values there are, three quantiles and the mean; NaN where there are none."""
    import torch

    known = values[torch.isfinite(values)].double()
    low, middle, high = (
        known.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)).tolist() if len(known) else [math.nan] * 3
    )
    return {"count": len(known), "low": low, "median": middle, "high": high, "mean": float(known.mean())}


def about(found: "Geometry") -> dict[str, Any]:
    """Return what is known of a model beside the curvatures."""
    return {
        "model": found.model,
        "data": found.data,
        "attack": found.attack,
        "method": found.method,
        "step": found.step,
        "images": len(found.indices),
        "measured": int(found.measured.sum()),
        "accuracy": found.accuracy,
        "distance": summary(found.distances),
        "bend": summary(found.bend),
        "angle": summary(found.angle),
        "effective_dimension": found.dimension(),
        "effective_dimension_chance": found.dimension(chance=True),
        "directions_90": found.directions(),
        "directions_90_chance": found.directions(chance=True),
    }


def tell(models: "Sequence[Geometry]", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object."""
    if as_json:
        say(to_json(models, files))
        return
    for found in models:
        _show(found)
    say(f"written: {', '.join(map(str, files))}")


def to_json(models: "Sequence[Geometry]", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    told = [{**about(found), "curvature": rows(found), "provenance": vars(found.provenance)} for found in models]
    return json.dumps(strict({"models": told, "files": [str(file) for file in files]}), allow_nan=False, indent=1)


def _show(found: "Geometry") -> None:
    """Write what is known of one model to stdout."""
    facts = about(found)
    how = f"normals at +-{found.step:g}" if found.method == "difference" else "second derivatives"
    say(
        f"{found.model} on {found.data}: clean accuracy {found.accuracy:.1%} of {facts['images']} images; "
        f"boundary found and measured for {facts['measured']}",
        f"Curvature of the boundary in 1 / pixel unit ({how}): positive bends around the image's region, 0 is flat",
    )
    lines = [
        (KINDS[row["along"]], str(row["count"]), *(f"{row[name]:.3f}" for name in ("low", "median", "high", "mean")))
        for row in rows(found)
        if row["count"]
    ]
    show_table(HEADINGS, lines)
    bend, angle, distance = facts["bend"], facts["angle"], facts["distance"]
    say(
        f"distance {distance['median']:.3f} (median of those found); mean curvature x distance {bend['median']:.3f} "
        f"({bend['low']:.3f} to {bend['high']:.3f}; 1 is the sphere around the image)",
        f"angle between perturbation and normal {angle['median']:.1f} degrees ({angle['low']:.1f} to "
        f"{angle['high']:.1f})",
        f"normals: effective dimension {facts['effective_dimension']:.1f} (random directions "
        f"{facts['effective_dimension_chance']:.1f}); {facts['directions_90']} directions hold 90 % of their energy "
        f"(random {facts['directions_90_chance']})",
    )
    spent = found.provenance
    say(
        f"attack {found.attack}, seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; "
        f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations\n"
    )
