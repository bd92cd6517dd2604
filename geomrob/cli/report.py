"""What is told about margin curves: the rows of the table, the csv file and the JSON answer, all the same numbers."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table

if TYPE_CHECKING:
    from geomrob.results import MarginCurve

HEADINGS = (
    "band",
    "cycles/\nimage",
    "dimen-\nsion",
    "5 %",
    "median",
    "95 %",
    "interval of\nthe median",
    "found",
    "fwd + bwd\nper pair",
)


def rows(curve: "MarginCurve") -> list[dict[str, Any]]:
    """Return one row of plain numbers per band; infinite margins stay infinite, an unknown frequency is NaN."""
    lower, median, upper = curve.quantiles(0.05, 0.5, 0.95).T.tolist()
    return [
        {
            "band": name,
            "frequency": float(curve.frequency[band]),
            "dimension": int(curve.dimensions[band]),
            "margin_05": lower[band],
            "median": median[band],
            "margin_95": upper[band],
            "interval": [float(end) for end in curve.interval[band]],
            "reached": float(curve.reached[band]),
            "forwards": float(curve.forwards[band].double().mean()),
            "backwards": float(curve.backwards[band].double().mean()),
        }
        for band, name in enumerate(curve.bands)
    ]


def tell(curves: Sequence["MarginCurve"], files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object."""
    if as_json:
        say(to_json(curves, files))
        return
    for curve in curves:
        show(curve)
    say(f"written: {', '.join(map(str, files))}")


def show(curve: "MarginCurve") -> None:
    """Write the clean accuracy and the table of one curve to stdout."""
    images = curve.distances.shape[1]
    say(f"{curve.model} on {curve.data}: clean accuracy {curve.accuracy:.1%} of {images} images")
    norm = "inf" if math.isinf(curve.norm) else f"{curve.norm:g}"
    say(f"Margin: l{norm} distance to the decision boundary in each {curve.basis} band, [0, 1] pixel units")
    show_table(HEADINGS, [_cells(row) for row in rows(curve)])
    spent = curve.provenance
    say(
        f"method {curve.method}, seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; "
        f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations\n"
    )


def to_csv(curves: Sequence["MarginCurve"]) -> str:
    """Return one line per curve and band, infinities written as inf, unknown frequencies left empty."""
    page = io.StringIO(newline="")
    names = ["band", "frequency", "dimension", "margin_05", "median", "margin_95", "reached", "forwards", "backwards"]
    header = ["model", "data", "basis", "method", "norm", "accuracy", *names, "median_low", "median_high"]
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(header)
    for curve in curves:
        about = [curve.model, curve.data, curve.basis, curve.method, curve.norm, curve.accuracy]
        for row in rows(curve):
            values = ["" if _unknown(row[name]) else row[name] for name in names]
            writer.writerow([*about, *values, *row["interval"]])
    return page.getvalue()


def to_json(curves: Sequence["MarginCurve"], files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    answer = [
        {
            "model": curve.model,
            "data": curve.data,
            "basis": curve.basis,
            "band_kind": curve.band_kind,
            "method": curve.method,
            "norm": curve.norm,
            "images": curve.distances.shape[1],
            "accuracy": curve.accuracy,
            "bands": rows(curve),
            "provenance": vars(curve.provenance),
        }
        for curve in curves
    ]
    return json.dumps(strict({"curves": answer, "files": [str(file) for file in files]}), allow_nan=False, indent=1)


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of the table."""
    low, high = row["interval"]
    return [
        row["band"],
        "-" if _unknown(row["frequency"]) else f"{row['frequency']:.2f}",
        str(row["dimension"]),
        *(f"{row[name]:.3f}" for name in ("margin_05", "median", "margin_95")),
        f"{low:.3f}-{high:.3f}",
        f"{row['reached']:.0%}",
        f"{row['forwards']:.0f} + {row['backwards']:.0f}",
    ]


def _unknown(value: object) -> bool:
    """Return whether a number is NaN."""
    return isinstance(value, float) and math.isnan(value)


def strict(value: Any) -> Any:
    """Return `value` with null for every number that JSON cannot say."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
