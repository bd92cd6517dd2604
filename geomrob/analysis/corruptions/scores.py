"""Scores of corruption errors: means, ratios to a baseline, errors over networks."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomrob.data import DATASETS
from geomrob.data.corruptions import CORRUPTIONS, SEVERITIES
from geomrob.errors import UsageError, unknown
from geomrob.results.accuracy.corruptions import BENCHMARK

# The CE of AlexNet on ImageNet-C, as published with the benchmark (Hendrycks and Dietterich, 2019).
ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


def normalised_mce(errors: Float[Tensor, "*rest c"], baseline: Float[Tensor, " c"]) -> Float[Tensor, "*rest"]:
    r"""Return the mean over corruptions of CE / CE of a baseline: mrCE.

        mrCE = 1/|C| sum_c CE_c / CE_c^baseline

    With AlexNet as the baseline (`alexnet_errors`) it is the mCE of ImageNet-C, elsewhere given in per cent.

    Args:
        errors: CE of each corruption, the mean over severities, in [0, 1].
        baseline: CE of the baseline, over the same severities.

    Returns:
        1 for the baseline itself. A corruption on which the baseline makes no error gives infinity, or NaN.

    References:
        PushPull-Net, eq. 10; Hendrycks and Dietterich, 2019, section 4.1.

    Example:
        >>> normalised_mce(torch.tensor([0.2, 0.6]), torch.tensor([0.4, 0.4])).item()
        1.0
    """
    return (errors / baseline).mean(-1)


def alexnet_errors(names: Sequence[str], severities: Sequence[int]) -> Float[Tensor, " c"]:
    """Return the published CE of AlexNet on ImageNet-C for these corruptions.

    Raises:
        UsageError: A corruption that none is published for, or other severities than the five it is a mean over.

    Example:
        >>> alexnet_errors(["fog"], (1, 2, 3, 4, 5)).tolist()
        [0.819324]
    """
    lacking = [name for name in names if name not in ALEXNET]
    if lacking:
        raise UsageError(f"corruptions must be of the 15 for AlexNet; got {', '.join(lacking)}: leave them out")
    if tuple(severities) != SEVERITIES:
        raise UsageError(f"severities must be 1 ... 5 for AlexNet; got {list(severities)}: name another baseline")
    return torch.tensor([ALEXNET[name] for name in names], dtype=torch.float64)


def check_imagenet(data: str, source: str) -> None:
    """Refuse AlexNet as the baseline of errors on anything but distributed folders of images, as ImageNet-C is.

    Args:
        data: Name of the data set, or of the folder.
        source: Of its corruptions: `made`, `ready-made` or `mixed`.

    Raises:
        UsageError: A data set of the table, or corruptions made by geomrob.
    """
    if data in DATASETS or source != "ready-made":
        origins = {"made": "corruptions made by geomrob", "mixed": "corruptions some of which geomrob made"}
        raise UsageError(
            "baseline must be a model of yours but on ImageNet-C, for which AlexNet's errors are published; got "
            f"{origins.get(source, 'a distributed set')} on {data}: measure a standard model as the baseline"
        )


def relative_mce(
    errors: Float[Tensor, "*rest c"],
    clean: Float[Tensor, "*rest"],
    baseline: Float[Tensor, " c"],
    baseline_clean: Float[Tensor, ""],
) -> Float[Tensor, "*rest"]:
    """Return the mean over corruptions of what they add to the clean error, over what they add to the baseline's.

        1/|C| sum_c (CE_c - E) / (CE_c^baseline - E^baseline)

    Args:
        errors: CE of each corruption.
        clean: Error E on clean images.
        baseline, baseline_clean: The same of the baseline.

    Returns:
        1 for the baseline itself; infinite or NaN where the baseline loses nothing under some corruption, negative
        where one of the two gains.

    References:
        Hendrycks and Dietterich, 2019, section 4.1, relative CE.

    Differences:
        The released code of PushPull-Net takes off the clean accuracy; the definition wants the clean error.

    Example:
        >>> relative_mce(torch.tensor([0.25]), torch.tensor(0.0), torch.tensor([0.75]), torch.tensor(0.25)).item()
        0.5
    """
    return ((errors - clean[..., None]) / (baseline - baseline_clean)).mean(-1)


def reduction(value: Float[Tensor, "*rest"], baseline: Float[Tensor, ""]) -> Float[Tensor, "*rest"]:
    """Return by which share an error is below the baseline's: R_E of clean errors, R_mCE of mCE.

        R = (E_0 - E) / E_0

    References:
        PushPull-Net, eqs. 11 and 12.

    Example:
        >>> reduction(torch.tensor([0.125, 0.5]), torch.tensor(0.25)).tolist()
        [0.5, -1.0]
    """
    return (baseline - value) / baseline


def net_reduction(
    clean: Float[Tensor, "*rest"],
    mce: Float[Tensor, "*rest"],
    baseline_clean: Float[Tensor, ""],
    baseline_mce: Float[Tensor, ""],
    beta: float | None = None,
) -> Float[Tensor, "*rest"]:
    """Return R_net = (R_E + beta R_mCE) / 2: above 0 where the trade of clean errors for robustness pays.

    Args:
        clean, mce: Clean error and mean corruption error, in [0, 1].
        baseline_clean, baseline_mce: Those of the baseline, above 0.
        beta: How much harder mCE is to reduce than the clean error; None is mCE_0 / E_0, the baseline's own ratio, and
            1 weighs both alike.

    Raises:
        UsageError: `beta` is negative, NaN or infinite.

    References:
        PushPull-Net, section 5.2, eq. 13.

    Example:
        >>> half, both = torch.tensor(0.5), torch.tensor([0.1, 0.2])
        >>> net_reduction(both, 4 * both, half / 5, 2 * half / 5, beta=1).tolist()
        [-0.5, -2.0]
    """
    weight = baseline_mce / baseline_clean if beta is None else checked_beta(beta)
    return (reduction(clean, baseline_clean) + weight * reduction(mce, baseline_mce)) / 2


def checked_beta(beta: float) -> float:
    """Return `beta` if it is one, refusing it otherwise."""
    if not 0 <= beta < math.inf:
        raise UsageError(f"beta must be a finite number of at least 0; got {beta}: leave it out for mCE_0 / E_0")
    return beta


SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "category": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].category == group)
        for group in ("noise", "blur", "weather", "digital")
    },
    "push_pull_category": {
        "noise": BENCHMARK[:3],
        "blur": BENCHMARK[3:7],
        "weather": BENCHMARK[7:10],
        "digital": BENCHMARK[10:],
    },
    "push_pull": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].push_pull == group)
        for group in ("low", "mid", "high")
    },
    "pixel_similarity": {
        group: tuple(name for name in BENCHMARK if CORRUPTIONS[name].pixel_similarity == group)
        for group in ("low", "mid", "high")
    },
}
"""The 15 by category, as the benchmark has them and as the tables of PushPull-Net do, where brightness is digital; and
by frequency group in the two published splits."""


def grouped(values: Float[Tensor, "*rest c"], names: Sequence[str], split: str) -> dict[str, Float[Tensor, "*rest"]]:
    """Return the mean of values, one a corruption, over each group of a split.

    Args:
        values: CE, or CE over a baseline's, of each corruption.
        names: The corruptions, in their order.
        split: A row of `SPLITS`: `category`, `push_pull_category` (brightness is digital), `push_pull` (PushPull-Net,
            section 5.3), `pixel_similarity` (Attias et al., 2024, section 7.10).

    Raises:
        UsageError: No such split, or a corruption of the 15 is missing: it is named.

    Example:
        >>> import torch
        >>> grouped(torch.arange(15.0), BENCHMARK, "category")["noise"].item()
        1.0
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    missing = [name for name in BENCHMARK if name not in names]
    if missing:
        raise UsageError(f"names must hold all 15 for a split; got no {', '.join(missing)}: measure them, too")
    places = {name: place for place, name in enumerate(names)}
    return {group: values[..., [places[one] for one in members]].mean(-1) for group, members in SPLITS[split].items()}
