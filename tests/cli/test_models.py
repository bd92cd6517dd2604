"""`geomrob models`: every row of the table is told, with what it is worth."""

import json

from geomrob.cli import main
from geomrob.models import MODELS


def test_every_model_is_listed_with_accuracy_and_source(capsys):
    assert main(["models", "--json"]) == 0
    listed = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert list(listed) == list(MODELS)
    for name, entry in MODELS.items():
        row = listed[name]
        assert row["reference"] == entry.reference
        assert row["command"] == entry.command
        assert (row["sha256"] or "") == entry.sha256
        assert row["accuracy"] == {claim.data: claim.accuracy for claim in entry.claims}
    assert listed["fmnist-lenet"]["parameters"] == 61_706


def test_the_table_can_be_narrowed_to_a_data_set(capsys):
    assert main(["models", "--data", "mnist"]) == 0
    out = capsys.readouterr().out
    assert "mnist-lenet" in out
    assert "99.32%" in out
    assert "fmnist-lenet" not in out


def test_an_unknown_data_set_is_one_sentence(capsys):
    assert main(["models", "--data", "mnits"]) == 2
    assert "did you mean mnist" in capsys.readouterr().err
