"""What is told about layers: a row for each layer of each model, the table, the JSON answer."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import Layers

HEADINGS = (
    "layer",
    "kind",
    "channels",
    "places",
    "Hoyer ratio",
    "active",
    "SNR (dB)",
    "median\n(dB)",
    "silent\nplaces",
)


def rows(found: "Layers") -> list[dict[str, Any]]:
    """Return one row of plain numbers a layer."""
    columns = {
        "channels": found.channels,
        "places": found.locations,
        "sparsity": found.hoyer,
        "active": found.active_share,
        "snr_db": found.snr_db(),
        "snr_db_median": found.snr_db("median"),
        "snr_db_ratio": found.snr_db("ratio"),
        "silent_places": found.silent.sum(1),
        "untouched": found.untouched,
    }
    return [
        {
            "model": found.model,
            "data": found.data,
            "layer": name,
            "kind": kind,
            **{column: values[number].item() for column, values in columns.items()},
        }
        for number, (name, kind) in enumerate(zip(found.names, found.kinds, strict=True))
    ]


def tell(models: "Sequence[Layers]", files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: a table a model and the files written, or one JSON object."""
    if as_json:
        say(to_json(models, files))
        return
    for found in models:
        _show(found)
    say(f"written: {', '.join(map(str, files))}")


def to_json(models: "Sequence[Layers]", files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    answer = {
        "models": [
            {
                "model": found.model,
                "data": found.data,
                "images": len(found.indices),
                "accuracy": found.accuracy,
                "at": found.at,
                "sigma": found.sigma,
                "clamped": found.clamped,
                "layers": rows(found),
                "provenance": vars(found.provenance),
            }
            for found in models
        ],
        "files": [str(file) for file in files],
    }
    return json.dumps(strict(answer), allow_nan=False, indent=1)


def _show(found: "Layers") -> None:
    """Write the table of one model to stdout."""
    cut = "cut to [0, 1]" if found.clamped else "not cut"
    say(
        f"{found.model} on {found.data}: clean accuracy {found.accuracy:.1%} of {len(found.indices)} images",
        f"{found.at} of each layer. Hoyer ratio over channels: 0 one speaks, 1 all alike (lower is sparser). SNR: "
        f"clean activations against their change by noise of {found.sigma:g} in the image ({cut})",
    )
    show_table(HEADINGS, [_cells(row) for row in rows(found)])
    untouched = int(found.untouched.sum())
    if untouched:
        say(f"note: the noise changes nothing in {untouched} cases (image, draw, layer): read the median SNR")
    spent = found.provenance
    say(f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; {spent.forwards:,} forward evaluations\n")


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one layer."""
    return [
        row["layer"],
        row["kind"],
        str(row["channels"]),
        str(row["places"]),
        "-" if math.isnan(row["sparsity"]) else f"{row['sparsity']:.3f}",
        f"{row['active']:.1%}",
        f"{row['snr_db']:.2f}",
        f"{row['snr_db_median']:.2f}",
        str(row["silent_places"]),
    ]
