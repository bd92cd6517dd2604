"""Attacks: functions from a model and images to an `AttackResult`, by name in `ATTACKS` and as attributes.

An attack is imported when it is first used, so that its name costs nothing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from geomrob.attacks.table import ATTACKS, AttackEntry

if TYPE_CHECKING:
    from geomrob.attacks.decision_based.boundary import boundary as boundary
    from geomrob.attacks.fixed_budget.fgsm import fgsm as fgsm
    from geomrob.attacks.fixed_budget.noise import noise as noise
    from geomrob.attacks.fixed_budget.pgd import pgd as pgd
    from geomrob.attacks.minimal.ddn import ddn as ddn
    from geomrob.attacks.minimal.deepfool import deepfool as deepfool
    from geomrob.attacks.minimal.sparsefool import sparsefool as sparsefool
    from geomrob.attacks.minimal.superdeepfool import superdeepfool as superdeepfool
    from geomrob.attacks.minimal.tight import tight as tight
    from geomrob.results import AttackResult

__all__ = ["ATTACKS", "AttackEntry"]


def __getattr__(name: str) -> "Callable[..., AttackResult]":
    """Return the attack of that name."""
    if name in ATTACKS:
        return ATTACKS[name].attack
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
