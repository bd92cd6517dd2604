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
    from torch import nn

    from geomrob.results import Audit, Check

LEAST = 20
"""Fewest queries that the decision-based attack can begin with."""

SOURCES = 2
"""How many other models of the table are the sources where none is named."""

HEADINGS = ("check", "verdict", "number", "what the number counts")


def audit(
    model: tuple[str, ...] = ("fmnist-lenet",),
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

    Writes audit.json with audit.npz (everything, for geomrob.load), audit.csv and audit.png; of several models, one
    JSON, npz and picture each, audit-MODEL, and one table. The exit status is 3 where a check failed.

    Args:
        model: Name of a model, or package.module:factory, which runs that code; name several to compare them.
        weights: Weights of that model, .safetensors or .pt.
        source: A model whose perturbations are tried on it; repeat it for several. The default is two others of the
            table for that data set, its first.
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
    from geomrob.runs import writable

    console.check_resources(threads, None)
    _check_queries(queries)
    writable(out)
    picture = write.check_picture(figure or out / "audit.png")
    place = console.resolve_device(device)
    networks = load.networks(model, weights, place)
    drawn = load.images(data, data_dir, samples, seed)
    load.check_fit(networks, drawn, place)
    around = source or load.trained_for(drawn)[: SOURCES + 1]
    others = load.networks(tuple(around), None, place)
    load.check_fit(others, drawn, place)
    about: dict[str, Any] = {"labels": drawn.labels, "indices": drawn.indices, "data": drawn.name, "seed": seed}
    audits: list[Audit] = []
    for name, network in networks.items():
        console.set_threads(threads, network, drawn.images[:2].to(place))
        sources = others if source else _besides(others, name)
        about |= {"name": name, "sources": sources, "queries": queries}
        with console.progress(f"audit of {name}", quiet=json) as progress:
            audits.append(examine(network, drawn.images.to(place), progress=progress, **about))
    files = _write(audits, out, picture)
    console.say(_json(audits, files)) if json else _show(audits, files)
    return 3 if any(found.verdict == "failed" for found in audits) else 0


def _besides(others: "dict[str, nn.Module]", name: str) -> "dict[str, nn.Module]":
    """Return the first models that are not this one."""
    return dict([pair for pair in others.items() if pair[0] != name][:SOURCES])


def _write(audits: "list[Audit]", out: Path, picture: Path) -> list[Path]:
    """Return the files that now hold the audits: one of each kind, or one for each model."""
    from geomrob.plot.audit import plot_audit
    from geomrob.results import save

    files: list[Path] = []
    for found in audits:
        tail = f"-{write.slug(found.model)}" if len(audits) > 1 else ""
        page = save(found, out / f"audit{tail}.json")
        drawn = picture.with_name(f"{picture.stem}{tail}{picture.suffix}")
        files += [page, page.with_suffix(".npz"), write.write_picture(plot_audit(found), drawn)]
    return [*files, _table(audits, out / "audit.csv")]


def _check_queries(queries: int) -> None:
    """Refuse a budget in which the decision-based attack cannot begin."""
    from geomrob.errors import UsageError

    if queries != 0 and queries < LEAST:
        raise UsageError(f"queries must be 0 or at least {LEAST}; got {queries}: a start alone takes about ten")


def _show(audits: "list[Audit]", files: list[Path]) -> None:
    """Write verdict, causes and the table of checks to stdout, and for what did not pass what to do."""
    for found in audits:
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
            f"{spent.forwards:,} forward + {spent.backwards:,} backward evaluations"
        )
    console.say(f"written: {', '.join(map(str, files))}")


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


def _table(audits: "list[Audit]", path: Path) -> Path:
    """Return `path`, which now holds one line a model and check."""
    from geomrob.files import write_atomic

    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(["model", "check", "verdict", "value", "warn", "fail", "unit", "images", "meaning", "advice"])
    for found in audits:
        for check in found.checks:
            images = " ".join(map(str, check.images.tolist()))
            limits = [check.value, check.warn, check.fail]
            writer.writerow(
                [found.model, check.name, check.verdict, *limits, check.unit, images, check.meaning, check.advice]
            )
    write_atomic(path, page.getvalue().encode())
    return path


def _json(audits: "list[Audit]", files: list[Path]) -> str:
    """Return the answer of `--json`, of several models under `audits`: null for what is infinite or unknown."""
    told = {"files": [str(file) for file in files]}
    facts = [_facts(found) for found in audits]
    answer = {**facts[0], **told} if len(facts) == 1 else {"audits": facts, **told}
    return json_words.dumps(strict(answer), allow_nan=False, indent=1)


def _facts(found: "Audit") -> dict[str, Any]:
    """Return what `--json` tells of one model."""
    checks: list[dict[str, Any]] = [{**vars(check), "images": check.images.tolist()} for check in found.checks]
    return {
        "model": found.model,
        "data": found.data,
        "images": len(found.predictions),
        "accuracy": found.accuracy,
        "verdict": found.verdict,
        "causes": list(found.causes),
        "checks": checks,
        "provenance": vars(found.provenance),
    }
