"""foolbox's decision-based attacks within a budget of queries, for `decision_distances`."""

import math
from collections.abc import Callable

from geomrob.errors import UsageError, unknown
from geomrob.interop.foolbox_import import from_foolbox
from geomrob.results import AttackResult

PEERS = {"foolbox-boundary": "boundary", "hop-skip-jump": "hop-skip-jump"}
"""Rows of `FOOLBOX` by what results call them."""

LEAST = 200
"""Fewest queries in which an attack of foolbox finds its start and takes a step."""

HOP = 100
"""Queries of HopSkipJump's first estimate of a gradient; the t-th takes sqrt(t) times as many."""


def foolbox_within(name: str, budget: int) -> Callable[..., AttackResult]:
    """Return an attack of foolbox that takes as many steps as it can about afford.

    Args:
        name: A row of `PEERS`.
        budget: Queries an image.

    Raises:
        UsageError: No such attack, a budget under 200 queries.
    """
    if name not in PEERS:
        raise unknown("attack", name, PEERS)
    if budget < LEAST:
        raise UsageError(f"budget must be at least {LEAST} queries for {name}; got {budget}: 5000 is usual")
    return from_foolbox(PEERS[name], steps=steps_within(name, budget))


def steps_within(name: str, budget: int) -> int:
    """Return how many steps an attack of foolbox takes with about so many queries.

    BoundaryAttack queries once a step, and again about every tenth whether the steps suit; its start takes about 100.
    HopSkipJump's step t takes about 100 sqrt(t) + 25 queries.

    Example:
        >>> steps_within("foolbox-boundary", 1150), steps_within("hop-skip-jump", 352)
        (1000, 2)
    """
    if name == "foolbox-boundary":
        return max(1, int((budget - 100) / 1.05))
    left, steps = budget - 60.0, 0
    while left >= HOP * math.sqrt(steps + 1) + 25:
        steps += 1
        left -= HOP * math.sqrt(steps) + 25
    return steps
