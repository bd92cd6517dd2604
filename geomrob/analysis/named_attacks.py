"""Attacks by name, for analyses of which the attack is a choice, and the names that each of these takes.

This module imports no torch: commands read the choices of their options from it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from geomrob.attacks.table import entry, names, variants
from geomrob.errors import UsageError

if TYPE_CHECKING:
    from geomrob.results import AttackResult

    BandAttack = MinimumNormAttack = CraftingAttack = Strength = str
else:
    BandAttack = Literal[names("minimal", search=True)]
    MinimumNormAttack = Literal[names("minimal", "decision")]
    CraftingAttack = Literal[names("minimal", "budget", "decision")]
    Strength = Literal[tuple(variants("noise", "budget"))]

BOX = (0.0, 1.0)

NormName = Literal["linf", "l2", "l1"]
"""How commands call the norms that bound a perturbation."""


def named_attack(name: str, **options: object) -> "Callable[..., AttackResult]":
    """Return the attack of that name with those of the options that it takes.

    Args:
        name: A row of `ATTACKS`.
        options: Such as `seed`, `indices`, `memory`: what an attack does not take is left out.

    Raises:
        UsageError: No such attack.

    Example:
        >>> named_attack("ddn", steps=5, seed=0).keywords
        {'steps': 5}
    """
    row = entry(name)
    return partial(row.attack, **{option: value for option, value in options.items() if row.takes(option)})


def walk_options(attack: str, *, budget: int | None = None, smoothness: float | None = None) -> dict[str, object]:
    """Return budget and smoothness of the boundary attack, those that are given.

    Args:
        attack: The attack that was chosen.
        budget: Most queries an image.
        smoothness: Of its proposals.

    Raises:
        UsageError: One is given with another attack, which has no such option.

    Example:
        >>> walk_options("boundary", budget=1000), walk_options("deepfool")
        ({'budget': 1000}, {})
    """
    given = {name: value for name, value in (("budget", budget), ("smoothness", smoothness)) if value is not None}
    if given and attack not in (walks := names("decision")):
        name, value = next(iter(given.items()))
        raise UsageError(
            f"{name} must go with --attack {' or '.join(walks)}; got --{name} {value:g} with {attack}: leave it out"
        )
    return dict(given)
