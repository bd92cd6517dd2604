"""The facts of the models that come with geomrob, for `geomrob models`."""

from geomrob.errors import unknown
from geomrob.models import MODELS, ModelEntry, count
from geomrob.results import ModelCard
from geomrob.training.recipe import read_recipe


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
            parameters=count(name),
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
    """Return the data sets that a row is for: those of its claims, or that of its recipe."""
    claimed = {claim.data for claim in entry.claims}
    return claimed or {read_recipe(entry.command.split()[2]).data}
