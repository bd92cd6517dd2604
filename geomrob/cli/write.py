"""The files of a command: results, a csv for spreadsheets, pictures; each is written whole or not at all."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geomrob.results import Geometry, Layers, MarginCurve

PICTURES = (".png", ".pdf", ".svg")


def check_picture(path: Path, *, option: str = "figure") -> Path:
    """Return `path` if a picture can be written there, so that this is known before the work.

    Args:
        path: Where to.
        option: What the user calls it.

    Raises:
        UsageError: An ending that is no picture's, or a folder that cannot be written to.
    """
    from geomrob.errors import UsageError
    from geomrob.runs import writable

    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{option} must end in {', '.join(PICTURES)}; got {path}: rename it")
    writable(path.parent)
    return path


def slug(name: str, *, otherwise: str = "model") -> str:
    """Return `name` as a part of a file name; `otherwise` if nothing of it can be one.

    Example:
        >>> slug("my_models.nets:small")
        'my_models.nets-small'
    """
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or otherwise


def write_curves(curves: Sequence["MarginCurve"], folder: Path) -> list[Path]:
    """Return the files that now hold the curves: margin.json (+ npz), or one pair per model, and margin.csv."""
    from geomrob.cli.report import to_csv
    from geomrob.files import write_atomic
    from geomrob.results import save

    names = ["margin"] if len(curves) == 1 else [f"margin-{slug(curve.model)}" for curve in curves]
    files: list[Path] = []
    for name, curve in zip(names, curves, strict=True):
        page = save(curve, folder / f"{name}.json")
        files += [page, page.with_suffix(".npz")]
    table = folder / "margin.csv"
    write_atomic(table, to_csv(curves).encode())
    return [*files, table]


def write_each(results: "Sequence[Layers] | Sequence[Geometry]", folder: Path, name: str) -> list[Path]:
    """Return the files that now hold one result a model: name.json with .npz, or name-MODEL.json for several."""
    from geomrob.results import save

    files: list[Path] = []
    for result in results:
        page = save(result, folder / (f"{name}.json" if len(results) == 1 else f"{name}-{slug(result.model)}.json"))
        files += [page, page.with_suffix(".npz")]
    return files


def write_rows(rows: Sequence[Mapping[str, object]], path: Path) -> Path:
    """Return `path`, which now holds the rows as csv under their names: unknown numbers empty, infinite ones inf."""
    from geomrob.files import write_atomic

    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in row.values()])
    write_atomic(path, page.getvalue().encode())
    return path


def write_picture(figure: "Figure", path: Path) -> Path:
    """Return `path`, which now holds the figure in the format of its ending."""
    from geomrob.files import write_atomic

    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:].lower())
    write_atomic(path, buffer.getvalue())
    return path


def margin_figure(curves: Sequence["MarginCurve"]) -> "Figure":
    """Return the picture of the margins: a map for each model where the bands are a grid, else curves."""
    from geomrob.plot.margins import plot_margin_map, plot_margins
    from geomrob.plot.style import blank

    if curves[0].band_kind != "grid":
        figure = blank()
        plot_margins(curves, ax=figure.add_subplot())
        return figure
    figure = blank(6.2 * len(curves), 5.6)
    for curve, ax in zip(curves, figure.subplots(1, len(curves), squeeze=False)[0], strict=True):
        plot_margin_map(curve, ax=ax)
    return figure
