"""The rows of ATTACKS as parameters of tests, and how tests call them."""

import pytest

from geomrob.attacks.table import ATTACKS, Kind, names

STRENGTH = 0.5
"""Epsilon of attacks of a given strength: most images of the small net then change class."""


def rows(*kinds: Kind, takes: tuple[str, ...] = (), search: bool = False) -> list[str]:
    """Return the attacks of some kinds, of all by default, that take some arguments and, if wanted, have a search."""
    return [name for name in names(*kinds, search=search) if all(map(ATTACKS[name].takes, takes))]


def every(*kinds: Kind, takes: tuple[str, ...] = (), search: bool = False) -> pytest.MarkDecorator:
    """Run a test for each of these rows, as `name`."""
    return pytest.mark.parametrize("name", rows(*kinds, takes=takes, search=search))


def taken(name, **options):
    """Return those of the options that an attack takes."""
    return {option: value for option, value in options.items() if ATTACKS[name].takes(option)}


def attack(name, *arguments, **options):
    """Return what an attack finds, made cheap: what holds at any price holds at this one."""
    row = ATTACKS[name]
    strength = {"epsilon": STRENGTH} if row.takes("epsilon") else {}
    return row.attack(*arguments, **{**row.quick, **strength, **options})
