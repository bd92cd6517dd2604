"""What a seed may be: without torch, so that commands know it before they load anything."""

import operator

from geomrob.errors import UsageError

SEEDS = 2**63
"""Seeds of whole analyses lie below it: no generator takes larger ones."""


def as_seed(seed: int) -> int:
    """Return a seed as an int, also where it came as a number of numpy or torch.

    Raises:
        UsageError: No whole number.
    """
    try:
        return operator.index(seed)
    except TypeError:
        raise UsageError(f"seed must be a whole number; got {seed!r}: 0 is the default") from None


def check_seed(seed: int) -> int:
    """Return the seed of an analysis as an int.

    Raises:
        UsageError: Negative, 2**63 and more, or no whole number.
    """
    number = as_seed(seed)
    if not 0 <= number < SEEDS:
        raise UsageError(f"seed must be from 0 to 2**63 - 1; got {seed}: 0 is the default")
    return number
