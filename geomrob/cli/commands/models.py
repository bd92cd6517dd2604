"""`geomrob models`: what can be named as a model, how accurate it is, and where it comes from."""

from geomrob.cli.answer import Answer
from geomrob.cli.options import Shown


def models(*, options: Shown = Shown(), data: str | None = None) -> int:
    """List the models of the table with their accuracy and source.

    Args:
        data: Only those for images of that data set, fashion-mnist, say.
    """
    from geomrob.models import model_cards

    cards = model_cards(data)
    answer = Answer("models", None, cards)
    shipped = sum(bool(card.weights) for card in cards)
    answer.remarks += [
        f"{len(cards)} models, {shipped} with weights. Accuracy on all test images of the data set named.",
        "Each is trained by `geomrob train MODEL --seed 0`; --json adds references and digests.",
    ]
    return answer.finish()
