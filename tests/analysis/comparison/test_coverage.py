"""How often the intervals of a comparison hold a difference that is known, and how often none is seen where none is.

`pytest -m slow -s tests/analysis/comparison/test_coverage.py` prints the table of docs/comparison.md.
"""

import math

import pytest
import torch

from geomrob.analysis.comparison.statistics import (
    compared_accuracies,
    compared_medians,
    holm,
    mcnemar_test,
    wilcoxon_test,
)

RATIO = 1.3
"""True ratio of the medians."""


def pairs(count, *, alike=0.6, ratio=RATIO, rows=1, missing=0.0, seed=0):
    """Return distances of so many images for two models, lognormal with medians 1 and `ratio`.

    `alike` is the correlation of the logarithms, `missing` the share that each model has infinite, the largest.
    """
    generator = torch.Generator().manual_seed(seed)
    shared, *own = torch.randn(3, rows, count, generator=generator, dtype=torch.float64)
    logs = torch.stack([0.7 * (math.sqrt(alike) * shared + math.sqrt(1 - alike) * each) for each in own])
    logs[1] += math.log(ratio)
    beyond = math.inf if missing == 0 else 0.7 * float(torch.special.ndtri(torch.tensor(1 - missing).double()))
    limits = torch.tensor([beyond, beyond + math.log(ratio)]).double()[:, None, None]
    return torch.where(logs > limits, torch.inf, logs).exp().unbind(0)


def classified(count, *, trials=1, gain=0.08, rows=1, seed=0):
    """Return the share of the trials of each image that two models classify correctly; the second is better by `gain`.

    Images are hard or easy for both: the accuracy of the first is uniform in 0.4 to 0.9.
    """
    generator = torch.Generator().manual_seed(seed)
    easy = 0.4 + 0.5 * torch.rand(rows, count, 1, generator=generator, dtype=torch.float64)
    draws = torch.rand(2, rows, count, trials, generator=generator, dtype=torch.float64)
    return (draws < torch.stack((easy, easy + gain))).double().mean(3).unbind(0)


def covered(intervals, truth):
    """Return the share of intervals that hold the truth."""
    return sum(found.low <= truth <= found.high for found in intervals) / len(intervals)


def coverage(count, repeats, alike):
    """Return the coverage of ratio and difference of the medians."""
    ratios, differences = compared_medians(*pairs(count, alike=alike, rows=repeats), seed=1)
    return covered(ratios, RATIO), covered(differences, RATIO - 1)


def accuracy_coverage(count, repeats, trials, gain=0.08):
    """Return the coverage of the difference of the accuracies."""
    drawn = zip(*classified(count, trials=trials, gain=gain, rows=repeats), strict=True)
    return covered([compared_accuracies(*both, trials) for both in drawn], gain)


def false_alarms(count, repeats, rows=5):
    """Return in what share of comparisons of several rows Holm sees a difference where there is none, by test.

    The rows of a comparison are of the same images: their distances, and what is classified correctly, are correlated.
    """
    alarms = [0, 0]
    for seed in range(repeats):
        shared = pairs(count, ratio=1.0, seed=2 * seed)
        own = pairs(count, ratio=1.0, rows=rows, seed=2 * seed + 1)
        distances = [(both * each).unbind(0) for both, each in zip(shared, own, strict=True)]
        right = [each.unbind(0) for each in classified(count, gain=0.0, rows=rows, seed=seed)]
        for which, (test, (first, second)) in enumerate(((wilcoxon_test, distances), (mcnemar_test, right))):
            corrected = holm([test(*both).p for both in zip(first, second, strict=True)])
            alarms[which] += min(corrected) < 0.05
    return [alarm / repeats for alarm in alarms]


def test_intervals_of_sixty_repetitions_hold_the_truth():
    """60 repetitions of 95 % are within 8 % of it; too wide ones are noticed by their width."""
    for alike in (0.0, 0.95):
        ratios, differences = compared_medians(*pairs(50, alike=alike, rows=60), seed=1)
        assert covered(ratios, RATIO) > 0.87
        assert covered(differences, RATIO - 1) > 0.87
        spread = torch.tensor([found.value for found in ratios]).log().std()
        width = torch.tensor([math.log(found.high / found.low) for found in ratios]).mean() / (2 * 2.01)
        assert 0.8 < float(width / spread) < 1.3
    for trials in (1, 5):
        assert accuracy_coverage(50, 60, trials) > 0.87


def test_where_there_is_no_difference_none_is_seen_in_sixty_repetitions():
    assert max(false_alarms(50, 60)) < 0.13


@pytest.mark.slow
@pytest.mark.parametrize("count", [50, 200, 1000])
def test_intervals_of_500_repetitions_hold_the_truth(count):
    """500 repetitions of 95 % are within 3 % of it, three standard errors."""
    measured = {
        f"medians, correlation {alike}: ratio, difference": coverage(count, 500, alike) for alike in (0, 0.6, 0.95)
    }
    for trials in (1, 5):
        shares = accuracy_coverage(count, 500, trials), accuracy_coverage(count, 500, trials, gain=0.0)
        measured[f"accuracies, {trials} trials: difference 0.08, 0"] = shares
    for name, shares in measured.items():
        print(f"{count} images, {name}: {', '.join(f'{share:.1%}' for share in shares)}")
        assert all(0.92 <= share <= 0.98 for share in shares), name


@pytest.mark.slow
@pytest.mark.parametrize("count", [50, 200, 1000])
def test_where_there_is_no_difference_none_is_seen_in_500_repetitions(count):
    shares = false_alarms(count, 500)
    print(f"{count} images, no difference, 5 rows with Holm: seen in {', '.join(f'{share:.1%}' for share in shares)}")
    assert max(shares) <= 0.08


@pytest.mark.slow
def test_what_is_farthest_off_in_500_repetitions_is_so_by_chance():
    """Of 2,000 repetitions the standard error is 0.5 %."""
    shares = (*coverage(200, 2000, 0.95), accuracy_coverage(200, 2000, 5))
    print(f"200 images, 2,000 repetitions: {', '.join(f'{share:.1%}' for share in shares)}")
    assert all(0.93 <= share <= 0.97 for share in shares)
