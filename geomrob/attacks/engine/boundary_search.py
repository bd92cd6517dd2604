"""The last step of a margin: from an adversarial point back to the boundary, along the ray from the image."""

import torch
from jaxtyping import Bool
from torch import Tensor

from geomrob.arrays import Labels, Logits, norms, per_sample
from geomrob.attacks.engine.search import Search, SearchResult
from geomrob.spectral.frames import Coefficients

OVERSTEP = 1e-4
"""Relative step beyond the boundary at which other rounding no longer matters."""


def refine(
    search: Search, result: SearchResult, pairs: Labels | None = None, *, tolerance: float = 1e-5, rounds: int = 30
) -> SearchResult:
    """Return the adversarial coefficients shortened along their own ray to just beyond the boundary.

    The boundary is bracketed and closed in on by the secant of the logit gap, which on a nearly linear ray lands at
    once, and by bisection where the secant is slow. What is returned was evaluated and is adversarial.

    Args:
        search: The pairs.
        result: Where a search ended; pairs that did not succeed are left alone.
        pairs: Which pairs the rows of `result` belong to; all of them by default.
        tolerance: Relative width of the bracket at which a pair is finished.
        rounds: Most forward evaluations a pair.
    """
    rows = (result.success & (norms(result.coefficients) > 0)).nonzero().squeeze(1)
    if not len(rows):
        return result
    active = rows if pairs is None else pairs[rows]
    ray = result.coefficients[rows]
    low, high = torch.zeros_like(norms(ray)), torch.ones_like(norms(ray))
    gap_low = search.logit_gap(search.clean[active], active)
    gap_high = search.logit_gap(search.logits(ray, active), active)
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
        gap = search.logit_gap(search.logits(ray[live] * per_sample(trial, ray), active[live]), active[live])
        over = gap < 0
        high[live], low[live] = torch.where(over, trial, high[live]), torch.where(over, low[live], trial)
        gap_high[live], gap_low[live] = torch.where(over, gap, gap_high[live]), torch.where(over, gap_low[live], gap)
    coefficients = result.coefficients.clone()
    coefficients[rows] = ray * per_sample(high, ray)
    return SearchResult(coefficients, result.status, result.steps)


def verified(
    search: Search, result: SearchResult, reaches: tuple[float, float]
) -> tuple[Coefficients, Bool[Tensor, " p"], Logits]:
    """Return the coefficients to hand out, whether they are adversarial when evaluated again, and their logits.

    A point exactly on the boundary can fall back where the model rounds otherwise (another batch shape, a kernel that
    is not deterministic), so two lengths of the same ray are tried.

    Args:
        search: The pairs.
        result: Where a search ended.
        reaches: Relative steps beyond that point: the one to hand out, and the one for pairs where it falls back.
    """
    first, second = (search.fit(result.coefficients * (1 + reach), search.pairs) for reach in reaches)
    logits = search.logits(first, search.pairs)
    success = result.success & (search.logit_gap(logits, search.pairs) < 0)
    missed = (result.success & ~success).nonzero().squeeze(1)
    if len(missed):
        first[missed] = second[missed]
        logits[missed] = search.logits(second[missed], missed)
        success[missed] = search.logit_gap(logits[missed], missed) < 0
    return first, success, logits
