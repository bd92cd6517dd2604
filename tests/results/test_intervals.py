"""Intervals hold the truth as often as they say."""

import dataclasses
import math

import pytest
import torch
from scipy.stats import binom, binomtest

from geomrob.results.intervals import Z, median_interval, median_words, share_words, wilson
from tests.synthetic import layers_result


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 7), (45, 50), (50, 50)])
def test_wilson_is_that_of_scipy(right, count):
    twin = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right / count, count) == pytest.approx((twin.low, twin.high))


def test_what_is_unknown_has_no_interval():
    assert all(math.isnan(end) for end in (*wilson(math.nan, 3), *wilson(0.5, 0)))
    assert share_words(0.5, 2) == "50.0% [9.5%, 90.5%]"
    assert bool(median_interval(torch.rand(2, 5)).isnan().all())
    assert median_words(torch.rand(5)) == ""
    assert median_words(torch.tensor([1.0, 2, 3, 4, 5, torch.inf])) == "[1.000, inf]"


@pytest.mark.parametrize("count", [6, 9, 20, 50, 201])
def test_the_interval_of_a_median_is_the_narrowest_of_its_kind_that_covers_95_per_cent(count):
    low, high = (int(end) for end in median_interval(torch.arange(1.0, count + 1)[None])[0])
    assert low + high == count + 1
    outside = 2 * binom.cdf(low - 1, count, 0.5)
    assert outside <= 0.05 < 2 * binom.cdf(low, count, 0.5)


def test_it_covers_the_median_of_a_skewed_law():
    draws = torch.distributions.Exponential(1.0).sample((4000, 30))
    low, high = median_interval(draws).T
    covered = float(((low <= math.log(2)) & (math.log(2) <= high)).double().mean())
    assert 0.94 < covered < 0.975


def test_intervals_of_layers_are_those_of_a_mean_and_of_a_median():
    draws = torch.rand(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = dataclasses.replace(
        layers_result(),
        sparsity=draws,
        silent=torch.zeros(3, 40, dtype=torch.int64),
        signal=10 * draws,
        noise=draws.flip(1)[:, None],
        active=draws,
        **dict.fromkeys(("predictions", "labels", "indices"), torch.arange(40)),
        channels=torch.tensor([2, 6, 84]),
    )
    half = Z * draws.std(1) / math.sqrt(40)
    torch.testing.assert_close(found.hoyer_interval, torch.stack((draws.mean(1) - half, draws.mean(1) + half), 1))
    ratios = found.signal / (found.noise[:, 0].sqrt() + 1e-9).square()
    torch.testing.assert_close(found.snr_db_interval, 10 * median_interval(ratios).log10())
