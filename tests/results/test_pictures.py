"""In a notebook a result shows its tables and its picture."""

import importlib
import re

import pytest

from geomrob.errors import UsageError
from geomrob.results import RESULTS
from geomrob.results.result import PICTURES
from tests.results.examples import EVERY

WITHOUT = {
    "Provenance": "no numbers of images",
    "AttackResult": "a table of single images",
    "BoundaryResult": "the same",
    "Overlap": "a few numbers",
    "Trainings": "a table of means",
    "Check": "a part of an audit",
    "ModelCard": "facts",
    "TrainingReport": "a few numbers",
    "CorruptedSet": "files",
    "CorruptionScores": "a few numbers of the table of errors, which has a picture",
}
"""Results that are tables alone, and why."""


def test_every_result_has_a_picture_or_a_reason():
    assert set(RESULTS) == set(PICTURES) | set(WITHOUT)
    for home in PICTURES.values():
        module, _, name = home.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("result", EVERY, ids=lambda result: type(result).__name__)
def test_tables_come_first_and_then_the_picture(result):
    page = result._repr_html_()
    pictures = re.findall(r'<img alt="[^"]+"[^>]*src="data:image/png;base64,iVBOR[^"]+">', page)
    if type(result).__name__ in WITHOUT:
        assert "<img" not in page
        with pytest.raises(UsageError, match="result must be one with a picture"):
            result.plot()
    else:
        assert len(pictures) == 1 or "no picture: " in page
        assert page.index("<table") < page.index("<img" if pictures else "no picture")
