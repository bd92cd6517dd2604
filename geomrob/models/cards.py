"""The facts of the models that come with geomrob, for `geomrob models`; nothing is built and torch is not needed."""

from geomrob.errors import unknown
from geomrob.models.registry import MODELS
from geomrob.models.registry.entry import ModelEntry
from geomrob.results.models import ModelCard


def model_cards(data: str | None = None) -> list[ModelCard]:
    """Return the facts of each model of the table.

    Args:
        data: Only those for images of that data set.

    Raises:
        UsageError: A data set that no model is for.

    Example:
        >>> [card.model for card in model_cards("mnist")]
        ['mnist-lenet', ...]
    """
    chosen = {name: entry for name, entry in MODELS.items() if data is None or data in _sets(entry)}
    if not chosen:
        raise unknown("data", str(data), sorted(set().union(*(_sets(entry) for entry in MODELS.values()))))
    return [
        ModelCard(
            model=name,
            about=entry.about,
            shape="x".join(map(str, entry.shape)),
            classes=entry.classes,
            parameters=entry.parameters,
            data=" ".join(sorted(_sets(entry))),
            accuracies={claim.data: claim.accuracy for claim in entry.claims},
            weights=entry.weights,
            sha256=entry.sha256,
            command=entry.command,
            reference=entry.reference,
        )
        for name, entry in chosen.items()
    ]


def _sets(entry: ModelEntry) -> set[str]:
    """Return the data sets that a row is for: that of its recipe and those of its claims."""
    return {entry.data, *(claim.data for claim in entry.claims)}
