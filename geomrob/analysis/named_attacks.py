"""Attacks by name, for analyses of which the attack is a choice."""

import inspect
from collections.abc import Callable
from functools import partial

import geomrob.attacks
from geomrob.results import AttackResult

BOX = (0.0, 1.0)


def named_attack(name: str, **options: object) -> Callable[..., AttackResult]:
    """Return the attack of that name with those of the options that it takes.

    Args:
        name: A function of `geomrob.attacks`.
        options: Such as `seed`, `indices`, `memory`: what an attack does not take is left out.

    Example:
        >>> named_attack("ddn", steps=5, seed=0).keywords
        {'steps': 5}
    """
    attack: Callable[..., AttackResult] = getattr(geomrob.attacks, name)
    taken = inspect.signature(attack).parameters
    return partial(attack, **{option: value for option, value in options.items() if option in taken})
