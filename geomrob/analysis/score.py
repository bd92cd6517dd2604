"""The score of the boundary-attack papers: how much a typical image has to change, per element."""

from collections.abc import Sequence

import torch

from geomrob.arrays import Distances, UsageError
from geomrob.results import AttackResult


def score(repeats: Sequence[AttackResult], *, compat: bool = False) -> float:
    r"""Return S(M), the median over images of ||eta||^2 / d, averaged over repeats; the larger, the more robust.

    eta is the perturbation over all channels and d the number of its elements. An image whose attack failed counts as
    infinitely far, so a score is infinite where half the images or more resisted in some repeat.

    Args:
        repeats: What an attack found on the same model, once for each seed.
        compat: Score as the released code of the regularisers does: channel 0 alone, and failures dropped, which
            makes a model look weaker the more images resist (survivors only).

    Raises:
        UsageError: No repeat; with `compat`, a repeat without any success.

    References:
        Brendel et al., "Decision-based adversarial attacks", ICLR 2018, equation 2; Attias et al., regularising with
        pixel similarities, 2024, section 7.1: 1,000 images, 5 repeats.

    Example:
        >>> from geomrob.attacks.ddn import ddn
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> score([ddn(model, torch.rand(5, 1, 4, 4))]) > 0
        True
    """
    if not repeats:
        raise UsageError("repeats must hold at least one result; got none: run the attack first")
    return sum(_median(_released(one) if compat else mean_squares(one)) for one in repeats) / len(repeats)


def mean_squares(result: AttackResult) -> Distances:
    """Return ||eta||^2 / d of each image, infinity where the attack failed."""
    squares = result.perturbation.double().flatten(1).square().mean(1)
    return torch.where(result.success, squares, torch.inf)


def _released(result: AttackResult) -> Distances:
    if not bool(result.success.any()):
        raise UsageError("repeats must hold a success each for compat; got one without any: leave compat out")
    return result.perturbation[result.success, 0].double().flatten(1).square().mean(1)


def _median(values: Distances) -> float:
    """Return the middle value, or the mean of the two in the middle; infinite if one of those is."""
    ordered = values.sort().values
    return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)
