"""The runs that a budget of `tight` buys, and how they anneal: the longer ladder begins with the shorter ones."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Annealing:
    """How a run changes from its first step to its last one, along a cosine in the logarithm.

    Attributes:
        steps: First and last step uphill, as a multiple of the radius.
        shrinks: First and last relative change of the radius.
        powers: First and last power of the gradient in the direction uphill, as in `spread`, along a straight line; for
            l2 it is the gradient itself.
        momentum: Share that each step keeps of the sum of the directions uphill before it.
        reach: Radius of the first point, as a multiple of its usual one, a little beyond the linearized distance.
    """

    steps: tuple[float, float]
    shrinks: tuple[float, float]
    powers: tuple[float, float] = (1, 1)
    momentum: float = 0
    reach: float = 1


IN_BANDS = Annealing((3.0, 0.05), (0.8, 0.005))
"""Of l2 in a subspace; the whole space, less bent, starts gentler."""

SETTLING = Annealing((0.5, 0.02), (0.1, 0.002))
"""Of a short run of l2 from the best point: it does not leave the basin, and rounding moves its end little."""

IN_TURN: Mapping[float, Sequence[Annealing]] = {
    # From far out with many pixels to few: where the first ones are chosen near the image, runs end in worse basins.
    1: tuple(Annealing((5, 0.3), (0.6, 0.02), powers, momentum=0.6, reach=10) for powers in ((0.5, 2.5), (1.5, 3))),
    2: (Annealing((3.0, 0.05), (0.3, 0.005)),),
    math.inf: (
        Annealing((1, 0.02), (0.3, 0.005), powers=(0, 0)),
        Annealing((3, 0.05), (0.3, 0.005), powers=(0, 0)),
    ),
}
"""Of the runs of each norm, in turn: where they differ, they end at different points, of which the closest counts."""


@dataclass(frozen=True)
class Stage:
    """One run of the ladder that a budget climbs: a longer ladder begins with the shorter ones.

    Attributes:
        stops: After how many steps its closest point so far is polished and kept; the last one ends the run.
        rival: It starts at the `rival`-nearest rival of the linearized model (0: nearest); None: at the best point.
        kind: How it anneals; None: as runs of its norm do in turn.
    """

    stops: tuple[int, ...]
    rival: int | None
    kind: Annealing | None = None


BAND_LADDER = (Stage((12, 22), 0), Stage((29,), 1), Stage((39,), None), Stage((99,), 2), Stage((199,), None))
"""Of l2 in a subspace: the budgets 20 and 30, then 60, 100, 200 and 400."""

WHOLE_LADDER = (
    Stage((5, 14), 0),
    Stage((14,), 1),
    Stage((14,), None, SETTLING),
    *(Stage((19,), rival) for rival in (2, None)),
    *(Stage((49,), rival) for rival in (3, None)),
    *(Stage((99,), rival) for rival in (1, None)),
)
"""Of l2 in the whole space: 20 and 30, then 60, 100, 200 and 400 with two runs each."""

CORNER_LADDER = (
    Stage((5, 15, 25, 45), 0),
    Stage((40,), 1),
    *(Stage((50,), rival) for rival in (2, None)),
    *(Stage((100,), rival) for rival in (3, None)),
)
"""Of l1 and l-infinity: 20, 30, 40 and 60, then 100, 200 and 400; the corners of their balls need longer runs, and
in l1 a first run is whole."""

START = 5
"""Backward evaluations of DeepFool, or of its first steps in l1, about."""


def stages(budget: int, norm: float, rivals: int | None) -> list[tuple[Stage, tuple[int, ...]]]:
    """Return the stages that a budget buys, and how many of their stops; the last ones of a ladder go on for ever.

    Args:
        budget: Backward evaluations a pair.
        norm: 1, 2 or infinity.
        rivals: In the whole space, for how many the linearized model has a gradient: their price; None in a subspace.

    Example:
        >>> [(stage.rival, stops) for stage, stops in stages(60, 2, None)]
        [(0, (12, 22)), (1, (29,))]
    """
    table = CORNER_LADDER if norm != 2 else BAND_LADDER if rivals is None else WHOLE_LADDER
    left, polish = budget - START - (rivals or 0), int(norm == 2)
    bought: list[tuple[Stage, tuple[int, ...]]] = []
    more = (Stage(table[-1].stops, number if number % 2 else None) for number in itertools.count(len(table)))
    for stage in itertools.chain(table, more):
        stops = tuple(stop for number, stop in enumerate(stage.stops, 1) if stop + polish * number <= left)
        if bought and not stops:
            break
        bought.append((stage, stops or stage.stops[:1]))
        if stops != stage.stops:
            break
        left -= stops[-1] + polish * len(stops)
    return bought
