"""The last step of a margin: from a point behind the boundary to the boundary itself, along the ray from the image."""

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Labels, Logits, norms, per_sample
from geomrob.attacks.engine.search import Found, Search
from geomrob.spectral.frames import Coefficients

HAIR = 1e-4
"""Relative step beyond the boundary at which other rounding no longer matters."""


def refine(
    search: Search, found: Found, pairs: Labels | None = None, *, tolerance: float = 1e-5, rounds: int = 30
) -> Found:
    """Return the found coefficients shortened along their own ray until they just cross the boundary.

    The crossing is bracketed and closed in by the secant of the gap, which on a nearly linear ray lands at once, and by
    halving where the secant is slow. The result is always a point that the model was asked about and that crosses.

    Args:
        search: The pairs.
        found: Where a search ended; pairs that did not succeed are left alone.
        pairs: Which pairs the rows of `found` belong to; all of them by default.
        tolerance: Relative width of the bracket at which a pair is finished.
        rounds: Most forward evaluations a pair.
    """
    rows = (found.success & (norms(found.coefficients) > 0)).nonzero().squeeze(1)
    if not len(rows):
        return found
    active = rows if pairs is None else pairs[rows]
    ray = found.coefficients[rows]
    low, high = torch.zeros_like(norms(ray)), torch.ones_like(norms(ray))
    gap_low = search.gap(search.clean[active], active)
    gap_high = search.gap(search.logits(ray, active), active)
    live = torch.arange(len(active), device=active.device)
    for turn in range(rounds):
        live = live[(high - low)[live] > tolerance * high[live]]
        if not len(live):
            break
        width = high[live] - low[live]
        secant = low[live] + width * gap_low[live] / (gap_low[live] - gap_high[live])
        # Aim a little beyond the root, on the side that is still wide, so that both ends of the bracket close in.
        beyond = torch.where(secant - low[live] > high[live] - secant, -1, 1) * tolerance * high[live] / 3
        least = tolerance * high[live] / 4
        trial = (secant + beyond).clamp(low[live] + least, high[live] - least)
        halve = ~torch.isfinite(secant) | torch.tensor(turn % 4 == 3, device=active.device)
        trial = torch.where(halve, low[live] + width / 2, trial)
        gap = search.gap(search.logits(ray[live] * per_sample(trial, ray), active[live]), active[live])
        over = gap < 0
        high[live], low[live] = torch.where(over, trial, high[live]), torch.where(over, low[live], trial)
        gap_high[live], gap_low[live] = torch.where(over, gap, gap_high[live]), torch.where(over, gap_low[live], gap)
    coefficients = found.coefficients.clone()
    coefficients[rows] = ray * per_sample(high, ray)
    return Found(coefficients, found.status, found.steps)


def verified(
    search: Search, found: Found, reaches: tuple[float, float]
) -> tuple[Coefficients, Bool[Tensor, " p"], Logits]:
    """Return the coefficients handed out, whether they cross when the model is asked again, and what it answered.

    A point on the boundary to the last bit can fall back where the model rounds otherwise (another batch shape, a
    kernel that is not deterministic), so two lengths of the same ray are tried.

    Args:
        search: The pairs.
        found: Where a search ended.
        reaches: Relative steps beyond the point found: the one to hand out, and the one for pairs where it falls back.
    """
    first, second = (search.fit(found.coefficients * (1 + reach), search.pairs) for reach in reaches)
    logits = search.logits(first, search.pairs)
    success = found.success & (search.gap(logits, search.pairs) < 0)
    missed = (found.success & ~success).nonzero().squeeze(1)
    if len(missed):
        first[missed] = second[missed]
        logits[missed] = search.logits(second[missed], missed)
        success[missed] = search.gap(logits[missed], missed) < 0
    return first, success, logits
