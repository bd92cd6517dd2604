"""What is told about sparse perturbations: the rows of the table, the lines of the csv file, the JSON answer."""

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomrob.cli.console import say, show_table
from geomrob.cli.report import strict

if TYPE_CHECKING:
    from geomrob.results import Sparsity

# What the file of a changed image is called.
IMAGE = re.compile(r"\d{5,}-.+-to-.+\.png")
# Two tables, because one would be wider than a terminal.
COUNTS = ("model", "fooled", "fooled as\n8 bits", "by random\npixels", "pixels\nquartiles", "median %\nof pixels")
COSTS = ("model", "elements", "l1", "l2", "linf", "forward\nper image", "backward\nper image", "ms per\nimage")


def summary(found: "Sparsity") -> dict[str, Any]:
    """Return the plain numbers of one result; what failed counts as infinite in every quantile."""
    low, middle, high = found.quantiles(0.25, 0.5, 0.75).tolist()
    medians = {of: float(found.quantiles(0.5, of=of)) for of in ("percent", "elements", "l1", "l2", "linf")}
    attack = found.attack
    statuses = Counter(_status(value) for value in attack.status.tolist())
    return {
        "model": found.model,
        "data": found.data,
        "method": found.method,
        "options": found.options,
        "images": len(attack.labels),
        "accuracy": found.accuracy,
        "fooling_rate": found.fooling_rate,
        "pixels_25": low,
        "pixels_median": middle,
        "pixels_75": high,
        **{f"{name}_median": value for name, value in medians.items()},
        "survive_8_bits": float(found.survived.double().mean()),
        "random_pixels_fool": float(found.random.mean()),
        "forwards": float(attack.forwards.double().mean()),
        "backwards": float(attack.backwards.double().mean()),
        "seconds_per_image": found.provenance.seconds / len(attack.labels),
        "statuses": dict(statuses),
        "provenance": vars(found.provenance),
    }


def tell(found: "Sequence[Sparsity]", files: Sequence[Path], *, target: str | None, uint8: bool, as_json: bool) -> None:
    """Write the answer of the command to stdout: tables and the files written, or one JSON object.

    Args:
        found: One result a model.
        files: What was written.
        target: The class that was asked for.
        uint8: Whether the images are rounded to 8 bits.
        as_json: Write the JSON object and nothing else.
    """
    rows = [summary(one) for one in found]
    if as_json:
        answer = {"results": rows, "target": target, "uint8": uint8, "files": [str(file) for file in files]}
        say(json.dumps(strict(answer), allow_nan=False, indent=1))
        return
    for row in rows:
        say(f"{row['model']} on {row['data']}: clean accuracy {row['accuracy']:.1%} of {row['images']} images")
    aim = "any other class" if target is None else f"towards {target}"
    say(f"SparseFool, {aim}, {_settings(rows[0]['options'])}; {'rounded to 8 bits' if uint8 else 'exact images'}.")
    say("Share of all images that are fooled, also as 8-bit files, and by as many random pixels;")
    say("how many pixels that takes (a pixel counts if any of its channels is changed):")
    show_table(COUNTS, [_counts(row) for row in rows])
    say("Median size of the change: elements (one channel of a pixel), norms in [0, 1] units;")
    say("mean cost: evaluations of the attack, time with all checks:")
    show_table(COSTS, [_costs(row) for row in rows])
    for row in rows:
        lost = round(row["images"] * (row["fooling_rate"] - row["survive_8_bits"]))
        if lost:
            say(f"{row['model']}: {lost} of the fooled images do not change the decision as 8 bits; they have no PNG")
        failed = {name: count for name, count in row["statuses"].items() if name != "found"}
        if failed:
            told = ", ".join(f"{count} {name}" for name, count in failed.items())
            say(f"{row['model']}: not fooled, counted as infinite: {told}")
    spent = rows[0]["provenance"]
    shown = [str(file) for file in files if not IMAGE.fullmatch(file.name)]
    count = len(files) - len(shown)
    say(f"seed {spent['seed']}, {sum(row['provenance']['seconds'] for row in rows):.1f} s on {spent['device']}")
    say(f"written: {', '.join(shown)}" + (f" and {count} changed images as PNG" if count else ""))


def to_csv(found: "Sequence[Sparsity]") -> str:
    """Return one line per model and image; what failed has infinite pixels, elements and norms and no class after."""
    page = io.StringIO(newline="")
    measures = ("pixels", "elements", "percent", "l1", "l2", "linf")
    writer = csv.writer(page, lineterminator="\n")
    about = ["model", "index", "label", "class_before", "class_after", "status"]
    writer.writerow([*about, *measures, "steps", "forwards", "backwards", "survives_8_bits"])
    for one in found:
        attack = one.attack
        values = [one.values(of).tolist() for of in measures]
        columns = [
            one.indices.tolist(),
            [named(one, label) for label in one.labels.tolist()],
            [named(one, label) for label in attack.labels.tolist()],
            [named(one, label) for label in one.found.tolist()],
            [_status(value) for value in attack.status.tolist()],
            *values,
            *(part.tolist() for part in (attack.steps, attack.forwards, attack.backwards)),
            [int(kept) for kept in one.survived.tolist()],
        ]
        writer.writerows([one.model, *line] for line in zip(*columns, strict=True))
    return page.getvalue()


def named(found: "Sparsity", label: int) -> str:
    """Return what a class is called, nothing where there is none."""
    if label < 0:
        return ""
    return found.classes[label] if label < len(found.classes) else str(label)


def _status(value: int) -> str:
    """Return a status in words."""
    from geomrob.results import Status

    return Status(value).name.lower().replace("_", " ")


def _settings(options: dict[str, float]) -> str:
    """Return the options that say what was asked for."""
    radius = options["radius"]
    told = [f"lam {options['lam']:g}"]
    told.append("values in [0, 1]" if math.isinf(radius) else f"at most {255 * radius:g}/255 an element")
    told.append(f"pruned within {options['budget']:g} evaluations" if options["prune"] else "not pruned")
    return ", ".join(told)


def _counts(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of the first table."""
    return [
        row["model"],
        f"{row['fooling_rate']:.1%}",
        f"{row['survive_8_bits']:.1%}",
        "-" if math.isnan(row["random_pixels_fool"]) else f"{row['random_pixels_fool']:.1%}",
        ", ".join(f"{row[name]:.4g}" for name in ("pixels_25", "pixels_median", "pixels_75")),
        f"{row['percent_median']:.2f} %",
    ]


def _costs(row: dict[str, Any]) -> list[str]:
    """Return the cells of one row of the second table."""
    return [
        row["model"],
        f"{row['elements_median']:.4g}",
        *(f"{row[f'{name}_median']:.2f}" for name in ("l1", "l2", "linf")),
        *(f"{row[name]:.1f}" for name in ("forwards", "backwards")),
        f"{1000 * row['seconds_per_image']:.1f}",
    ]
