"""Attacks: functions from a model and images to an `AttackResult`. The table is the help text and the test matrix.

To add one: write `attacks/NAME.py` (a search over pairs and its shell) and add its row here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from geomrob.attacks.ddn import ddn, ddn_search
from geomrob.attacks.deepfool import deepfool, deepfool_search
from geomrob.attacks.search import Found
from geomrob.attacks.superdeepfool import superdeepfool, superdeepfool_search
from geomrob.attacks.tight import tight, tight_search
from geomrob.results import AttackResult


@dataclass(frozen=True)
class AttackEntry:
    """One attack: the public function, its search over (image, band) pairs, the norms it minimises, what it is."""

    attack: Callable[..., AttackResult]
    search: Callable[..., Found]
    norms: tuple[float, ...]
    summary: str


ATTACKS: dict[str, AttackEntry] = {
    "deepfool": AttackEntry(
        deepfool, deepfool_search, (1, 2, float("inf")), "steps to the nearest linearised boundary"
    ),
    "superdeepfool": AttackEntry(
        superdeepfool, superdeepfool_search, (2,), "DeepFool, then along the boundary's normal"
    ),
    "ddn": AttackEntry(ddn, ddn_search, (2,), "unit steps on a sphere whose radius follows success"),
    "tight": AttackEntry(tight, tight_search, (2,), "DDN from DeepFool's start, angle annealed, with restarts"),
}
