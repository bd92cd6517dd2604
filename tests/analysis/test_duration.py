"""The expected minutes of a margin curve."""

import time

import pytest
import torch

from geomrob.analysis.duration import EVALUATIONS, evaluations_of, expected_seconds
from geomrob.analysis.margins import margin_curve
from geomrob.attacks.table import names
from geomrob.inference import Prepared
from geomrob.spectral.bases import basis
from geomrob.spectral.subspaces import blocks


class Slow(torch.nn.Module):
    """A linear model of which a call takes 20 ms."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 5)

    def forward(self, images):
        time.sleep(0.02)
        return self.linear(images.flatten(1))


def test_every_attack_of_a_margin_curve_has_its_evaluations_and_a_new_one_a_guess():
    assert set(EVALUATIONS) <= set(names(search=True))
    assert evaluations_of("new") == (100, 80)
    assert evaluations_of("new", budget=200) == (220, 200)


def test_seconds_are_those_of_the_calls(monkeypatch):
    monkeypatch.setattr("geomrob.analysis.duration.LARGE", 0)
    ready = Prepared(Slow(), torch.rand(8, 1, 8, 8), block=4)
    # 9 calls of 20 ms for each four pairs.
    assert 0.9 < expected_seconds(ready, 40, "deepfool") / (9 * 10 * 0.02) < 4
    assert 0.9 < expected_seconds(ready, 40, "tight", 100) / (123 * 10 * 0.02) < 4


@pytest.mark.parametrize("attack", ["deepfool", "tight"])
def test_progress_moves_from_the_first_call_and_ends_with_all_pairs(attack):
    told, bands = [], blocks(basis("dct", (8, 8)), size=4, step=2)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    margin_curve(
        model,
        torch.rand(30, 1, 8, 8),
        subspaces=bands,
        attack=attack,
        progress=lambda done, total: told.append((done, total)),
    )
    assert {total for _, total in told} == {90}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (90, 90)
    assert told[0][0] < 20
    assert len({done for done, _ in told}) > 4
