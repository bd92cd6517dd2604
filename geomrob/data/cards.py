"""The facts of the data sets of the table, for `geomrob data`."""

import os
from pathlib import Path

from geomrob.data import DATASETS
from geomrob.files import user_path
from geomrob.results.models import DatasetCard


def data_cards(data_dir: str | Path | None = None) -> list[DatasetCard]:
    """Return the facts of each data set of the table, and whether its files are there.

    Args:
        data_dir: The folder of the full data sets, as of `load_data`; by default the environment variable GEOMROB_DATA.

    Example:
        >>> [card.data for card in data_cards() if not card.folder]
        ['fashion-mnist-1k', 't1', 't2']
    """
    given = data_dir or os.environ.get("GEOMROB_DATA")
    root = user_path(given, "data_dir") if given else None
    return [
        DatasetCard(
            data=name,
            shape="x".join(map(str, entry.shape)),
            classes=len(entry.classes),
            train=entry.splits.get("train", 0),
            test=entry.splits.get("test", 0),
            folder=entry.folder or "",
            present=entry.folder is None or (root is not None and (root / entry.folder).is_dir()),
            licence=entry.licence,
            reference=entry.reference,
        )
        for name, entry in DATASETS.items()
    ]
