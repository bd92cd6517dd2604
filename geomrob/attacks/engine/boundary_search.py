"""The last step of a margin: from an adversarial point back to the boundary, along the ray from the image."""

import math

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

    The boundary is bracketed and closed in on by the secant of the logit gap through the last two points, which where
    the ray is linear lands at once, and by bisection where the secant is slow. What is returned was evaluated and is
    adversarial.

    Args:
        search: The pairs.
        result: Where a search ended; pairs that did not succeed are left alone. A search that knows the logit gap
            there, and how fast it falls along the ray, saves an evaluation each.
        pairs: Which pairs the rows of `result` belong to; all of them by default.
        tolerance: A pair is finished when the boundary is nearer than this share of its length: when the bracket is no
            wider, or when its last two points put the boundary clearly nearer.
        rounds: Most forward evaluations a pair.
    """
    rows = (result.success & (norms(result.coefficients) > 0)).nonzero().squeeze(1)
    if not len(rows):
        return result
    active = rows if pairs is None else pairs[rows]
    ray = result.coefficients[rows]
    low, high = torch.zeros_like(norms(ray)), torch.ones_like(norms(ray))
    gap_low = search.logit_gap(search.clean[active], active)
    gap_high = search.logit_gap(search.logits(ray, active), active) if result.gap is None else result.gap[rows]
    last, gap_last = high.clone(), gap_high.clone()
    fall = torch.full_like(high, math.nan) if result.fall is None else result.fall[rows]
    fall = torch.where(fall > 0, fall, gap_low - gap_high)
    live = torch.arange(len(active), device=active.device)
    near = torch.zeros_like(high, dtype=torch.bool)
    for turn in range(rounds):
        live = live[((high - low)[live] > tolerance * high[live]) & ~near[live]]
        if not len(live):
            break
        start, end, width = low[live], high[live], (high - low)[live]
        root = last[live] + gap_last[live] / fall[live]
        false_position = start + width * gap_low[live] / (gap_low[live] - gap_high[live])
        root = torch.where((root > start) & (root < end), root, false_position)
        # Aim a little beyond the root: where the secant is right, that point is adversarial and near enough.
        least = tolerance * end / 4
        trial = torch.maximum(torch.minimum(root + tolerance * end / 3, end - least), start + least)
        halve = ~torch.isfinite(root) | torch.tensor(turn % 4 == 3, device=active.device)
        trial = torch.where(halve, start + width / 2, trial)
        gap = search.logit_gap(search.logits(ray[live] * per_sample(trial, ray), active[live]), active[live])
        over, secant = gap < 0, (gap_last[live] - gap) / (trial - last[live])
        # Only a secant between points close together is that of the boundary.
        local = (secant > 0) & ((trial - last[live]).abs() < 0.1 * trial)
        near[live] = over & local & (-gap <= 0.8 * tolerance * trial * secant)
        high[live], low[live] = torch.where(over, trial, end), torch.where(over, start, trial)
        gap_high[live], gap_low[live] = torch.where(over, gap, gap_high[live]), torch.where(over, gap_low[live], gap)
        last[live], gap_last[live], fall[live] = trial, gap, secant
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
