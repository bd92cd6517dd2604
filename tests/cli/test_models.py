"""`geomrob models`: every row of the table is listed with its accuracy."""

import json
import subprocess
import sys

from geomrob.cli import main
from geomrob.models import MODELS


def test_every_model_is_listed_with_accuracy_and_source(capsys):
    assert main(["models", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)["results"]
    listed = {card["facts"]["model"]: card["facts"] for card in cards}
    accuracies = {row["model"]: {} for card in cards for row in card["rows"]}
    for card in cards:
        accuracies[card["facts"]["model"]] |= {row["data"]: row["accuracy"] for row in card["rows"] if row["accuracy"]}
    assert list(listed) == list(MODELS)
    for name, entry in MODELS.items():
        row = listed[name]
        assert row["reference"] == entry.reference
        assert row["command"] == entry.command
        assert row["sha256"] == entry.sha256
        assert accuracies[name] == {claim.data: claim.accuracy for claim in entry.claims}
    assert listed["fmnist-lenet"]["parameters"] == 61_706


def test_the_list_needs_no_torch_so_that_it_is_there_at_once():
    code = "import sys; from geomrob.cli import main; main(['models', '--json']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


def test_the_table_can_be_narrowed_to_a_data_set(capsys):
    assert main(["models", "--data", "mnist"]) == 0
    out = capsys.readouterr().out
    assert "mnist-lenet" in out
    assert "99.32%" in out
    assert "fmnist-lenet" not in out


def test_an_unknown_data_set_is_one_sentence(capsys):
    assert main(["models", "--data", "mnits"]) == 2
    assert "did you mean mnist" in capsys.readouterr().err
