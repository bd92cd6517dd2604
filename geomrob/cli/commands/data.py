"""`geomrob data`: what can be named as data, where it comes from, and whether it is here."""

from pathlib import Path

from geomrob.cli.answer import Answer
from geomrob.cli.options import Shown
from geomrob.cli.session import libraries


def data(*, options: Shown = Shown(), data_dir: Path | None = None) -> int:
    """List the data sets of the table: shape, classes, images, where each comes from, whether it is here.

    Args:
        data_dir: Folder of the full data sets as torchvision lays them out; default GEOMROB_DATA.
    """
    libraries()
    from geomrob.data.cards import data_cards

    cards = data_cards(data_dir)
    answer = Answer("data", None, cards)
    answer.remarks.append(
        "Nothing is downloaded: --data-dir or GEOMROB_DATA names the folder. --data takes these names, an image "
        "folder (class/image.png), or a file of arrays (.npz ...)."
    )
    return answer.finish()
