"""What the options of a search from the linearized model may be: one rule a name, for an attack and for its margins."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from geomrob.arrays import check_count, check_norm, check_number

RULES: Mapping[str, Callable[[str, Any], float]] = {
    "additive": lambda _, value: bool(value),
    "budget": partial(check_count, least=20, advice="use deepfool for less", unit=" backward evaluations"),
    "gamma": partial(check_number, least=0, advice="0.05 is usual", most=1),
    "initial": partial(check_number, least=0, advice="1 is usual", above=True),
    "minimum_step": partial(check_number, least=0, advice="1e-4 is usual"),
    "nearest": partial(check_count, least=1, advice="choose how many rivals get gradients"),
    "norm": lambda _, value: check_norm(value),
    "overshoot": partial(check_number, least=-1, advice="0.02 is usual", above=True),
    "rounds": partial(check_count, least=0, advice="0 is plain DeepFool", most=10**6),
    "steps": partial(check_count, least=0, advice="50 is usual", most=10**6),
}


def checked(**options: float) -> dict[str, Any]:
    """Return options by their names as floats and ints.

    Raises:
        UsageError: One that is out of range, NaN, or no number.

    Example:
        >>> checked(steps=50.0, overshoot=0)
        {'steps': 50, 'overshoot': 0.0}
    """
    return {name: RULES[name](name, value) for name, value in options.items()}
