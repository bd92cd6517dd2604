"""Attacks: functions from a model and images to an `AttackResult`. The table is the help text and the test matrix.

To add one: write `attacks/NAME.py` (a search over pairs and its shell) and add its row here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from geomrob.attacks.decision_based.boundary import boundary
from geomrob.attacks.engine.search import SearchResult
from geomrob.attacks.fixed_budget.fgsm import fgsm
from geomrob.attacks.fixed_budget.noise import noise
from geomrob.attacks.fixed_budget.pgd import pgd
from geomrob.attacks.minimal.ddn import ddn, ddn_search
from geomrob.attacks.minimal.deepfool import deepfool, deepfool_search
from geomrob.attacks.minimal.sparsefool import sparsefool
from geomrob.attacks.minimal.superdeepfool import superdeepfool, superdeepfool_search
from geomrob.attacks.minimal.tight import tight, tight_search
from geomrob.results import AttackResult

__all__ = [
    "ATTACKS",
    "AttackEntry",
    "boundary",
    "ddn",
    "deepfool",
    "fgsm",
    "noise",
    "pgd",
    "sparsefool",
    "superdeepfool",
    "tight",
]


@dataclass(frozen=True)
class AttackEntry:
    """One attack: the public function, its search over (image, band) pairs, the norms it minimises, what it is."""

    attack: Callable[..., AttackResult]
    search: Callable[..., SearchResult]
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
