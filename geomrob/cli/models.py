"""`geomrob models`: what can be named as a model, what it is worth, and where it comes from."""

import json as json_words
from typing import TYPE_CHECKING, Any

from geomrob.cli import console

if TYPE_CHECKING:
    from geomrob.models import ModelEntry

HEADINGS = ("model", "what it is", "parameters", "test accuracy", "weights")


def models(
    *,
    data: str | None = None,
    json: bool = False,
) -> None:
    """List the models of the table with their accuracy and source.

    Args:
        data: Only those for images of that data set, fashion-mnist, say.
        json: Print one JSON object and nothing else: with the command that trains each, its reference and its digest.
    """
    from geomrob.models import MODELS

    rows = {name: entry for name, entry in MODELS.items() if data is None or data in _sets(entry)}
    _check_found(data, rows)
    facts = [_facts(name, entry) for name, entry in rows.items()]
    if json:
        console.say(json_words.dumps({"models": facts}, indent=1))
        return
    console.show_table(HEADINGS, [_row(fact) for fact in facts], words=2)
    shipped = sum(bool(entry.weights) for entry in rows.values())
    console.say(
        f"{len(rows)} models, {shipped} with weights. Accuracy on all test images of the data set named.",
        "Each is trained by `geomrob train MODEL --seed 0`; --json adds references and digests.",
    )


def _sets(entry: "ModelEntry") -> set[str]:
    """Return the data sets that a row is for: those of its claims, or that of its recipe."""
    from geomrob.training import read_recipe

    claimed = {claim.data for claim in entry.claims}
    return claimed or {read_recipe(entry.command.split()[2]).data}


def _check_found(data: str | None, rows: "dict[str, ModelEntry]") -> None:
    """Refuse a data set that no model is for."""
    from geomrob.errors import unknown
    from geomrob.models import MODELS

    if not rows:
        raise unknown("data", str(data), sorted(set().union(*(_sets(entry) for entry in MODELS.values()))))


def _facts(name: str, entry: "ModelEntry") -> dict[str, Any]:
    """Return everything that is told of one model; its parameters are counted."""
    from geomrob.models import count

    return {
        "model": name,
        "about": entry.about,
        "shape": list(entry.shape),
        "classes": entry.classes,
        "parameters": count(name),
        "data": sorted(_sets(entry)),
        "accuracy": {claim.data: claim.accuracy for claim in entry.claims},
        "weights": entry.weights or None,
        "sha256": entry.sha256 or None,
        "command": entry.command,
        "reference": entry.reference,
    }


def _row(fact: dict[str, Any]) -> tuple[str, ...]:
    """Return the line of one model."""
    told = ", ".join(f"{data} {share:.2%}" for data, share in fact["accuracy"].items() if not data.endswith("-1k"))
    shipped = "embedded" if fact["weights"] else "to be trained"
    return fact["model"], fact["about"], f"{fact['parameters']:,}", told or "-", shipped
