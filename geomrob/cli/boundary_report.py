"""What is told about distances from decisions alone: a row a model, a line an image, the JSON answer."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    import torch

    from geomrob.data.entry import Samples
    from geomrob.results import AttackResult, Provenance

HEADINGS = (
    "model",
    "found",
    "l2\n5 %",
    "l2\n25 %",
    "l2\nmedian",
    "l2\n75 %",
    "l2\n95 %",
    "score\nS(M)",
    "queries\nper image",
    "con-\nverged",
)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Walks:
    """What was found, for each model and repeat, of which images, how, and what all of it cost."""

    found: "dict[str, list[AttackResult]]"
    drawn: "Samples"
    method: str
    budget: int
    seed: int
    provenance: "Provenance"

    @property
    def repeats(self) -> int:
        """How often each model was attacked."""
        return len(next(iter(self.found.values())))

    @property
    def told(self) -> str:
        """The attack in words."""
        names = {"boundary": "boundary attack", "foolbox-boundary": "foolbox BoundaryAttack"}
        return f"{names.get(self.method, 'foolbox HopSkipJump')}, {self.budget:,} queries"


def rows(walks: Walks) -> list[dict[str, Any]]:
    """Return one row of plain numbers per model, over all its repeats; what failed is infinitely far."""
    return [_row(walks, name, group) for name, group in walks.found.items()]


def image_rows(walks: Walks) -> list[dict[str, Any]]:
    """Return one line per model, repeat and image; unknown numbers are NaN."""
    return [
        line
        for name, group in walks.found.items()
        for repeat, one in enumerate(group)
        for line in _lines(walks, name, walks.seed + repeat, one)
    ]


def tell(walks: Walks, files: Sequence[Path], *, as_json: bool) -> None:
    """Write the answer of the command to stdout: a table and the files written, or one JSON object."""
    if as_json:
        say(to_json(walks, files))
        return
    found = rows(walks)
    count = len(walks.drawn.images)
    repeats = f" x {walks.repeats} repeats" if walks.repeats > 1 else ""
    say(f"{walks.told}: l2 distance of {count} images of {walks.drawn.name}{repeats}, [0, 1] pixel units")
    say("S(M): median over images of the squared distance per element, mean over repeats; failures are infinite.")
    show_table(HEADINGS, [_cells(row) for row in found])
    for row in found:
        _warn(row)
    spent = walks.provenance
    say(
        f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; {spent.forwards:,} queries",
        f"written: {', '.join(map(str, files))}",
    )


def to_json(walks: Walks, files: Sequence[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    answer = {
        "method": walks.method,
        "budget": walks.budget,
        "repeats": walks.repeats,
        "data": walks.drawn.name,
        "images": len(walks.drawn.images),
        "results": rows(walks),
        "provenance": vars(walks.provenance),
        "files": [str(file) for file in files],
    }
    return json.dumps(strict(answer), allow_nan=False, indent=1)


def _row(walks: Walks, name: str, group: "Sequence[AttackResult]") -> dict[str, Any]:
    """Return the numbers of one model."""
    import torch

    from geomrob.results import BoundaryResult, Status
    from geomrob.results.accuracy import score

    distances = torch.cat([one.distances().double().cpu() for one in group])
    spent = torch.cat([one.forwards for one in group]).double()
    told = [one for one in group if isinstance(one, BoundaryResult)]
    statuses = Counter(_status(value) for one in group for value in one.status.tolist())
    unstarted = torch.stack([one.status.cpu() == Status.NO_START for one in group]).any(0)
    return {
        "model": name,
        "found": sum(one.success_rate for one in group) / len(group),
        **{f"l2_{round(100 * q):02d}": value for q, value in zip(QUANTILES, quantiles(distances), strict=True)},
        "score": score(group),
        "queries": float(spent.mean()),
        "converged": float(torch.cat([one.converged for one in told]).double().mean()) if told else math.nan,
        "step_sizes_stuck": sum(int((~one.adapted & (one.steps > 0)).sum()) for one in told),
        "statuses": dict(statuses),
        "unstarted": walks.drawn.indices[unstarted].tolist(),
    }


def quantiles(values: "torch.Tensor") -> list[float]:
    """Return `QUANTILES` of the values, linearly interpolated; infinite where one lies beside an infinite value."""
    ordered, found = values.sort().values.tolist(), list[float]()
    for q in QUANTILES:
        rank = q * (len(ordered) - 1)
        below, above = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        found.append(above if below == above else below + (rank - math.floor(rank)) * (above - below))
    return found


def _lines(walks: Walks, name: str, seed: int, one: "AttackResult") -> list[dict[str, Any]]:
    """Return one line an image of one result."""
    import torch

    from geomrob.results import BoundaryResult

    count = len(one.labels)
    told = isinstance(one, BoundaryResult)
    unknown = torch.full((count,), math.nan)
    columns = {
        "index": walks.drawn.indices.tolist(),
        "label": walks.drawn.labels.tolist(),
        "class_before": one.labels.tolist(),
        "status": [_status(value) for value in one.status.tolist()],
        "l2": one.distances().tolist(),
        "start": (one.start if told else unknown).tolist(),
        "queries": one.forwards.tolist(),
        "steps": one.steps.tolist(),
        "converged": one.converged.tolist() if told else [""] * count,
        "adapted": one.adapted.tolist() if told else [""] * count,
    }
    lines = zip(*columns.values(), strict=True)
    return [{"model": name, "seed": seed, **dict(zip(columns, line, strict=True))} for line in lines]


def _warn(row: dict[str, Any]) -> None:
    """Write what a reader of these distances has to know."""
    failed = {name: count for name, count in row["statuses"].items() if name not in ("found", "no start")}
    if row["unstarted"]:
        told = ", ".join(map(str, row["unstarted"]))
        say(f"{row['model']}: no start for {len(row['unstarted'])} images, counted as infinite: {told}")
    if failed:
        told = ", ".join(f"{count} {name}" for name, count in failed.items())
        say(f"{row['model']}: not fooled, counted as infinite: {told}")
    if row["step_sizes_stuck"]:
        say(
            f"{row['model']}: the step sizes of {row['step_sizes_stuck']} walks never adapted: their distances are "
            "little more than those of the starts; raise --budget"
        )


def _status(value: int) -> str:
    """Return a status in words."""
    from geomrob.results import Status

    return Status(value).name.lower().replace("_", " ")


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of the table."""
    return [
        row["model"],
        f"{row['found']:.1%}",
        *(f"{row[f'l2_{round(100 * q):02d}']:.3f}" for q in QUANTILES),
        f"{row['score']:.2e}",
        f"{row['queries']:,.0f}",
        "-" if math.isnan(row["converged"]) else f"{row['converged']:.0%}",
    ]
