"""What is told about filters: a row a layer, a row a filter, the JSON answer."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli import write
from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import FilterBank

HEADINGS = ("model", "layer", "kind", "filters", "average", "mean", "standard\ndeviation", "negative", "min", "max")


def names(banks: "Sequence[FilterBank]") -> list[str]:
    """Return the names of the files of each bank: kernels, or with model and layer as far as they differ."""
    if len(banks) == 1:
        return ["kernels"]
    told: list[str] = []
    for bank in banks:
        several = sum(other.model == bank.model for other in banks) > 1
        told.append("-".join(["kernels", write.slug(bank.model), *([write.slug(bank.layer)] if several else [])]))
    return told


def layer_rows(banks: "Sequence[FilterBank]") -> list[dict[str, Any]]:
    """Return one row of plain numbers a layer: its facts and the distribution of its inhibition."""
    return [
        {
            "model": bank.model,
            "layer": bank.layer,
            "kind": bank.kind,
            "filters": len(bank.weights),
            "average": bank.average,
            "trained": bank.trained,
            **bank.summary(),
        }
        for bank in banks
    ]


def filter_rows(banks: "Sequence[FilterBank]") -> list[dict[str, Any]]:
    """Return one row a filter: its inhibition (NaN for none), l2 norm, sum, smallest and largest weight."""
    rows: list[dict[str, Any]] = []
    for bank in banks:
        strengths = bank.inhibition.tolist() or [math.nan] * len(bank.weights)
        for index, (weights, strength) in enumerate(zip(bank.weights, strengths, strict=True)):
            about = {"model": bank.model, "layer": bank.layer, "kind": bank.kind, "filter": index}
            size = {"norm": float(weights.norm()), "sum": float(weights.sum())}
            ends = {"least": float(weights.min()), "most": float(weights.max())}
            rows.append({**about, "inhibition": strength, **size, **ends})
    return rows


def tell(banks: "Sequence[FilterBank]", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: the table and the files written, or one JSON object."""
    if as_json:
        say(to_json(banks, files))
        return
    inhibited = [bank for bank in banks if len(bank.inhibition)]
    if inhibited:
        say("Inhibition of the push-pull filters (negative: the pull is added)")
        show_table(HEADINGS, [_cells(row) for row in layer_rows(inhibited)])
    for bank in banks:
        if not len(bank.inhibition):
            many = f"{len(bank.weights)} filters of {'x'.join(map(str, bank.weights.shape[1:]))}"
            say(f"{bank.model}: no inhibition; its first convolution {bank.layer} has {many}")
    one = banks[0].spectra[0]
    say(f"Spectra: mean {one.kind}, channels {one.channels}, {one.unit}", f"written: {', '.join(map(str, files))}")


def to_json(banks: "Sequence[FilterBank]", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is unknown."""
    layers = [
        {
            **row,
            "inhibition": bank.inhibition.tolist(),
            "spectra": [{"of": one.method, "unit": one.unit, "rings": one.radial.tolist()} for one in bank.spectra],
            "provenance": vars(bank.provenance),
        }
        for row, bank in zip(layer_rows(banks), banks, strict=True)
    ]
    return json.dumps(strict({"layers": layers, "files": [str(file) for file in files]}), allow_nan=False, indent=1)


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of the table."""
    numbers = [f"{row[name]:.3f}" for name in ("mean", "deviation")]
    ends = [f"{row[name]:.3f}" for name in ("least", "most")]
    average = f"{row['average']}x{row['average']}" if row["average"] else "none"
    kind = row["kind"] + (", trained" if row["trained"] else ", fixed")
    return [row["model"], row["layer"], kind, str(row["filters"]), average, *numbers, f"{row['negative']:.0%}", *ends]
