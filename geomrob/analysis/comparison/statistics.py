"""Statistics of two values of each image: medians with bootstrap intervals, accuracies, tests, Holm's correction."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from scipy.stats import binomtest, rankdata, t, wilcoxon
from torch import Tensor

from geomrob.results.comparison.comparison import LEAST
from geomrob.results.provenance import quantiles

LEVEL = 0.95
"""Coverage of the intervals."""

NORMAL = 1.959964
"""Standard errors on either side of an estimate for that coverage."""

ELEMENTS = 1 << 21
"""Values of resamples that are held at once."""


class Estimate(NamedTuple):
    """An estimate and its interval; NaN where there is nothing to know."""

    value: float
    low: float
    high: float


class PairTest(NamedTuple):
    """The p-value of a test of pairs, and which of both is larger where they differ: 1 the second, -1 the first."""

    p: float
    direction: int


def compared_medians(
    first: Float[Tensor, "r n"], second: Float[Tensor, "r n"], *, seed: int = 0, resamples: int = 1000
) -> tuple[list[Estimate], list[Estimate]]:
    """Return for each row the ratio and the difference, second to first, of the medians over images, with intervals.

    The interval is the estimate -+ t standard errors (Student's t, N - 1 degrees of freedom: 1.96 for many images), for
    the ratio in its logarithm. The standard error is that of a smoothed paired bootstrap: images are drawn with
    replacement, both values of an image together, and each pair of logarithms is moved by normal noise with the
    covariance of the pairs, scaled by Silverman's n^(-1/6) and shrunk so that variances stay. Infinite distances stay
    infinite. An end is infinite (0 for a ratio) where that percentile of the resamples is.

    Args:
        first, second: Distances of the same images, infinity where none was found.
        seed: Of the resamples, which all rows share.
        resamples: How many.

    Returns:
        NaN for the ratio and the difference of two infinite medians; ends are NaN for fewer than `LEAST` images.

    Differences:
        Percentiles of resamples that are not smoothed cover too much where the models' distances agree from image to
        image: 99 to 100 % where 95 % are asked for, at a correlation of 0.95.

    References:
        Silverman and Young, The bootstrap: to smooth or not to smooth? Biometrika 74, 1987.
    """
    logs = torch.stack((first, second)).double().log()
    middle = torch.stack([quantiles(values, (0.5,))[:, 0] for values in (first.double(), second.double())])
    ratio, difference = middle[1].log() - middle[0].log(), middle[1] - middle[0]
    if first.shape[1] < LEAST:
        unknown = [Estimate(math.nan, math.nan, math.nan)] * len(first)
        ratios = [found._replace(value=value) for found, value in zip(unknown, ratio.exp().tolist(), strict=True)]
        return ratios, [found._replace(value=value) for found, value in zip(unknown, difference.tolist(), strict=True)]
    drawn = resampled_medians(logs, seed=seed, resamples=resamples)
    factor = float(t.ppf((1 + LEVEL) / 2, first.shape[1] - 1))
    ratios = [_interval(*row, factor) for row in zip(ratio, drawn[1] - drawn[0], strict=True)]
    differences = [_interval(*row, factor) for row in zip(difference, drawn[1].exp() - drawn[0].exp(), strict=True)]
    return [Estimate(*map(_exp, found)) for found in ratios], differences


def resampled_medians(
    logs: Float[Tensor, "two r n"], *, seed: int = 0, resamples: int = 1000
) -> Float[Tensor, "two r b"]:
    """Return the logarithms of both medians of each row in resamples of the images, smoothed as in `compared_medians`.

    Args:
        logs: Logarithms of both values.
        seed: Of the resamples.
        resamples: How many.
    """
    count = logs.shape[2]
    generator = torch.Generator().manual_seed(seed)
    kernels = [_kernel(row) for row in logs.unbind(1)]
    parts: list[Tensor] = []
    size = max(1, ELEMENTS // count)
    for start in range(0, resamples, size):
        shape = (min(size, resamples - start), count)
        drawn = torch.randint(count, shape, generator=generator)
        noise = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        rows: list[Tensor] = []
        for row, (centre, factor, scale) in zip(logs.unbind(1), kernels, strict=True):
            moved = row[:, drawn] + torch.einsum("ij,jbn->ibn", factor, noise)
            rows.append(_log_median(centre + (moved - centre) * scale))
        parts.append(torch.stack(rows, 1))
    return torch.cat(parts, 2)


def _kernel(logs: Float[Tensor, "two n"]) -> tuple[Float[Tensor, "two 1 1"], Float[Tensor, "two two"], float]:
    """Return the centre to shrink to, the factor of the noise's covariance, and by how much to shrink."""
    finite = logs[:, torch.isfinite(logs).all(0)]
    if finite.shape[1] < LEAST:
        return torch.zeros(2, 1, 1, dtype=logs.dtype), torch.zeros(2, 2, dtype=logs.dtype), 1.0
    width = finite.shape[1] ** (-1 / 6)
    values, vectors = torch.linalg.eigh(torch.cov(finite))
    factor = vectors * values.clamp_min(0).sqrt() * width
    return finite.median(1).values[:, None, None], factor, (1 + width**2) ** -0.5


def _log_median(logs: Float[Tensor, "two b n"]) -> Float[Tensor, "two b"]:
    """Return the logarithm of the median of what these are the logarithms of."""
    count = logs.shape[2]
    upper = logs.kthvalue(count // 2 + 1, dim=2).values
    if count % 2:
        return upper
    return torch.logaddexp(logs.kthvalue(count // 2, dim=2).values, upper) - math.log(2)


def _interval(estimate: Float[Tensor, ""], drawn: Float[Tensor, " b"], factor: float) -> Estimate:
    """Return the estimate -+ `factor` standard errors; a resample that is no number counts as the worst at each end."""
    rank = (1 - LEVEL) / 2 * (len(drawn) - 1)
    low = drawn.nan_to_num(-math.inf, math.inf, -math.inf).sort().values[math.floor(rank)]
    high = drawn.nan_to_num(math.inf, math.inf, -math.inf).sort().values[math.ceil(len(drawn) - 1 - rank)]
    if bool(torch.isfinite(estimate)):
        error = factor * drawn[torch.isfinite(drawn)].std()
        low = torch.where(torch.isfinite(low), estimate - error, low)
        high = torch.where(torch.isfinite(high), estimate + error, high)
    return Estimate(float(estimate), float(low), float(high))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else value


def compared_accuracies(first: Float[Tensor, " n"], second: Float[Tensor, " n"], trials: int = 1) -> Estimate:
    """Return the difference of mean accuracies, second minus first, with its interval over images.

    Two made-up images are added, one that only the first classifies correctly in one of its trials and one that only
    the second does, and the normal interval of the mean difference is taken. With one trial an image that is the
    interval of Bonett and Price, which covers as it says also where few images differ.

    Args:
        first, second: Share of the trials of each image (severities, trainings, draws) that are classified correctly.
        trials: How many an image has.

    Returns:
        Ends are NaN for fewer than `LEAST` images.

    References:
        Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based on paired
        data, Journal of Educational and Behavioral Statistics 37, 2012.
    """
    differences = (second - first).double()
    value = float(differences.mean())
    if len(differences) < LEAST:
        return Estimate(value, math.nan, math.nan)
    count = len(differences) + 2
    centre = float(differences.sum()) / count
    variance = (float(differences.square().sum()) + 2 / trials**2) / count - centre**2
    error = NORMAL * math.sqrt(variance / count)
    return Estimate(value, max(-1.0, centre - error), min(1.0, centre + error))


def wilcoxon_test(first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> PairTest:
    """Return Wilcoxon's signed-rank test of the logarithms of the ratios, second to first, of the images' distances.

    An infinite distance counts as larger than any finite one: such pairs have the highest ranks, which they share.
    Pairs of two infinite or equal distances say nothing and are left out; p is 1 if all are.

    Example:
        >>> wilcoxon_test(torch.arange(1.0, 9), torch.arange(2.0, 10))
        PairTest(p=0.0078125, direction=1)
    """
    ratios = (second.double().log() - first.double().log()).nan_to_num(0, math.inf, -math.inf)
    finite = torch.isfinite(ratios)
    beyond = float(ratios[finite].abs().max()) + 1 if bool(finite.any()) else 1.0
    known = ratios.clamp(-beyond, beyond)[ratios != 0].numpy()
    if not len(known):
        return PairTest(1.0, 0)
    ranks = rankdata(abs(known))
    balance = float(ranks[known > 0].sum() - ranks[known < 0].sum())
    return PairTest(float(cast("Any", wilcoxon(known)).pvalue), (balance > 0) - (balance < 0))


def mcnemar_test(first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> PairTest:
    """Return McNemar's exact test of the images that the two classify differently.

    An image counts for the one that classifies it correctly in more of its trials: with one trial this is McNemar's
    test, with several (severities, trainings) still each image counts once, since its trials are not independent.

    Example:
        >>> mcnemar_test(torch.zeros(8), torch.tensor([1.0] * 7 + [0]))
        PairTest(p=0.015625, direction=1)
    """
    more, fewer = int((second > first).sum()), int((second < first).sum())
    if more + fewer == 0:
        return PairTest(1.0, 0)
    return PairTest(float(binomtest(more, more + fewer).pvalue), (more > fewer) - (more < fewer))


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: below 5 % in one comparison in 20 at most where nothing differs.

    The i-th smallest of T is multiplied by T - i + 1, made no smaller than the one before, and at most 1.

    References:
        Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda index: p[index])
    corrected, last = [0.0] * len(p), 0.0
    for turn, index in enumerate(order):
        last = max(last, min(1.0, p[index] * (len(p) - turn)))
        corrected[index] = last
    return corrected
