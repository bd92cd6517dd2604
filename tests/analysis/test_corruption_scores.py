"""Scores against numbers worked by hand; what is missing or does not fit is refused by name."""

import dataclasses
import math

import pytest
import torch

from geomrob.analysis.corruption_scores import BENCHMARK, SPLITS, alexnet_errors, grouped, mean_and_error, net_reduction
from geomrob.analysis.corruption_summary import corruption_scores
from geomrob.arrays import UsageError
from geomrob.results import CorruptionTable
from tests.synthetic import provenance

NAMES = ("fog", "snow")


def table(**facts):
    """Return a baseline with CE (0.25, 0.5) and clean error 0.1, and a model with CE (0.2, 0.6) and clean error 0.2."""
    errors = torch.tensor([[[[0.2, 0.3], [0.4, 0.6]]], [[[0.1, 0.3], [0.5, 0.7]]]], dtype=torch.float64)
    clean = torch.tensor([[0.1], [0.2]], dtype=torch.float64)
    how = {"models": ("base", "net"), "data": "dark", "measure": "error", "images": 10, "corruptions": NAMES}
    how |= {"severities": (1, 3), "sources": ("made", "made"), "adapt": "none", "errors": errors, "clean": clean}
    return CorruptionTable(**{**how, "provenance": provenance(), **facts})


def test_scores_worked_by_hand():
    scores = {
        name: values[1, 0].item() for name, values in corruption_scores(table(), baseline="base", names=NAMES).items()
    }
    wanted = {
        "clean": 0.2,
        "mCE": 0.4,
        "severity 1": 0.3,
        "severity 3": 0.5,
        "mrCE": (0.2 / 0.25 + 0.6 / 0.5) / 2,
        "relative mCE": (0.0 / 0.15 + 0.4 / 0.4) / 2,
        "R_E": -1.0,
        "R_mCE": -0.025 / 0.375,
        "R_net": (-1 + 3.75 * (-0.025 / 0.375)) / 2,
        "R_net (beta 1)": (-1 - 0.025 / 0.375) / 2,
    }
    assert scores == pytest.approx(wanted, abs=1e-12)


def test_published_number_of_beta():
    zero = torch.tensor(0.0, dtype=torch.float64)
    clean, mce = torch.tensor(0.207, dtype=torch.float64), torch.tensor(0.5812, dtype=torch.float64)
    assert net_reduction(clean, zero, clean, mce).item() * 2 == pytest.approx(2.81, abs=0.005)


def test_missing_corruptions_are_named():
    with pytest.raises(UsageError, match=r"no gaussian_noise, shot_noise.*jpeg_compression: measure them"):
        corruption_scores(table())
    with pytest.raises(UsageError, match="got no frost"):
        table().mce(("fog", "frost"))
    with pytest.raises(UsageError, match="got no jpeg_compression"):
        grouped(torch.zeros(14), BENCHMARK[:-1], "push_pull")


def test_splits_are_partitions_of_the_fifteen():
    for groups in SPLITS.values():
        members = [name for group in groups.values() for name in group]
        assert sorted(members) == sorted(BENCHMARK)
    assert set(SPLITS["push_pull"]["low"]) == {"frost", "fog", "brightness", "contrast"}
    assert set(SPLITS["pixel_similarity"]["high"]) == {"gaussian_noise", "shot_noise", "impulse_noise"}


def test_alexnet_is_its_own_unit_and_wants_five_severities():
    assert alexnet_errors(BENCHMARK, (1, 2, 3, 4, 5)).mean().item() == pytest.approx(0.7888, abs=2e-4)
    with pytest.raises(UsageError, match=r"must be 1 \.\.\. 5"):
        alexnet_errors(["fog"], (1, 3))
    with pytest.raises(UsageError, match="got spatter"):
        alexnet_errors(["fog", "spatter"], (1, 2, 3, 4, 5))


def test_made_is_not_set_against_ready_made():
    one = table(models=("base",), errors=table().errors[:1], clean=table().clean[:1])
    other = dataclasses.replace(one, sources=("ready-made", "ready-made"))
    assert corruption_scores(table(), baseline=one, names=NAMES)["mrCE"][1].item() == pytest.approx(1.0)
    with pytest.raises(UsageError, match="same source"):
        corruption_scores(table(), baseline=other, names=NAMES)
    assert table(sources=("made", "ready-made")).source == "mixed"


def test_standard_error_over_networks():
    mean, error = mean_and_error(torch.tensor([[0.1, 0.2, 0.6]], dtype=torch.float64))
    assert mean.item() == pytest.approx(0.3)
    assert error.item() == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2 / 3))
    assert mean_and_error(torch.tensor([[0.1]]))[1].isnan().all()
