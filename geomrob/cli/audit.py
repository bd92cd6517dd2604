"""`geomrob audit`: can the robustness that attacks report of a model be trusted?"""

import csv
import io
import json as json_words
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli import console, load, write
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import Audit, Check

LEAST = 20
"""Fewest queries that the decision-based attack can begin with."""

HEADINGS = ("check", "verdict", "number", "what the number counts")


def audit(
    model: str = "fmnist-lenet",
    *,
    weights: Path | None = None,
    source: tuple[str, ...] = (),
    data: str = "fashion-mnist-1k",
    data_dir: Path | None = None,
    samples: int = 50,
    queries: int = 1000,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = Path("geomrob-audit"),
    figure: Path | None = None,
    json: bool = False,
) -> int:
    """Decide with evidence whether the robustness that attacks by gradient report of a model can be trusted.

    Writes audit.json with audit.npz (everything, for geomrob.load), audit.csv and audit.png. The exit status is 3 where
    a check failed.

    Args:
        model: Name of a model, or package.module:factory, which runs that code.
        weights: Weights of that model, .safetensors or .pt.
        source: A model whose perturbations are tried on it; repeat it for several. The default is every other model of
            the table for that data set.
        data: Name of a data set, or the path of an image folder (class/image.png) or of an .npz file (x, y).
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
        samples: How many images.
        queries: Queries of the decision-based attack per image; 0 leaves it out.
        seed: Of the drawn images and of everything random.
        device: auto, cpu or cuda.
        threads: CPU threads; the default is 1 for a small model, else all cores.
        out: Folder to write to.
        figure: Where to draw the picture instead, .png, .pdf or .svg.
        json: Print one JSON object and nothing else.
    """
    load.libraries()
    from geomrob.analysis.audit import audit as examine
    from geomrob.plot.audit import plot_audit
    from geomrob.results import save
    from geomrob.runs import writable

    console.check_resources(threads, None)
    _check_queries(queries)
    writable(out)
    picture = write.check_picture(figure or out / "audit.png")
    place = console.resolve_device(device)
    network = load.networks((model,), weights, place)[model]
    drawn = load.images(data, data_dir, samples, seed)
    load.check_fit({model: network}, drawn, place)
    around = source or tuple(name for name in load.trained_for(drawn) if name != model)
    others = load.networks(around, None, place)
    load.check_fit(others, drawn, place)
    console.set_threads(threads, network, drawn.images[:2].to(place))
    with console.progress(f"audit of {model}", quiet=json) as progress:
        found = examine(
            network,
            drawn.images.to(place),
            labels=drawn.labels,
            indices=drawn.indices,
            sources=others,
            queries=queries,
            name=model,
            data=drawn.name,
            seed=seed,
            progress=progress,
        )
    page = save(found, out / "audit.json")
    files = [page, page.with_suffix(".npz"), _table(found, out / "audit.csv")]
    files.append(write.write_picture(plot_audit(found), picture))
    console.say(_json(found, files)) if json else _show(found, files)
    return 3 if found.verdict == "failed" else 0


def _check_queries(queries: int) -> None:
    """Refuse a budget in which the decision-based attack cannot begin."""
    from geomrob.arrays import UsageError

    if queries != 0 and queries < LEAST:
        raise UsageError(f"queries must be 0 or at least {LEAST}; got {queries}: a start alone takes about ten")


def _show(found: "Audit", files: list[Path]) -> None:
    """Write verdict, causes and the table of checks to stdout, and for what did not pass what to do."""
    console.say(f"{found.model} on {found.data}: {found.verdict} ({len(found.predictions)} images)")
    console.say(*(f"cause: {cause}" for cause in found.causes))
    rows = [(check.name, check.verdict, _number(check), check.unit) for check in found.checks]
    console.show_table(HEADINGS, rows)
    for check in found.checks:
        if check.verdict in ("warned", "failed"):
            console.say(f"{check.name} ({check.verdict}): {check.meaning} {check.advice}{_which(check)}")
    spent = found.provenance
    console.say(
        f"seed {spent.seed}, {spent.seconds:.1f} s on {spent.device}; "
        f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations",
        f"written: {', '.join(map(str, files))}",
    )


def _which(check: "Check") -> str:
    """Return the first images that a check is about."""
    if not len(check.images):
        return ""
    first = ", ".join(map(str, check.images[:8].tolist()))
    more = f" and {len(check.images) - 8} more" if len(check.images) > 8 else ""
    return f" Images: {first}{more}."


def _number(check: "Check") -> str:
    if math.isnan(check.value):
        return "-"
    return f"{check.value:.1%}" if check.unit.startswith("of ") else f"{check.value:.2f}"


def _table(found: "Audit", path: Path) -> Path:
    """Return `path`, which now holds one line a check."""
    from geomrob.files import write_atomic

    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(["model", "check", "verdict", "value", "warn", "fail", "unit", "images", "meaning", "advice"])
    for check in found.checks:
        images = " ".join(map(str, check.images.tolist()))
        limits = [check.value, check.warn, check.fail]
        writer.writerow(
            [found.model, check.name, check.verdict, *limits, check.unit, images, check.meaning, check.advice]
        )
    write_atomic(path, page.getvalue().encode())
    return path


def _json(found: "Audit", files: list[Path]) -> str:
    """Return the answer of `--json`: strict JSON, null for what is infinite or unknown."""
    checks: list[dict[str, Any]] = [{**vars(check), "images": check.images.tolist()} for check in found.checks]
    answer = {
        "model": found.model,
        "data": found.data,
        "images": len(found.predictions),
        "accuracy": found.accuracy,
        "verdict": found.verdict,
        "causes": list(found.causes),
        "checks": checks,
        "provenance": vars(found.provenance),
        "files": [str(file) for file in files],
    }
    return json_words.dumps(strict(answer), allow_nan=False, indent=1)
