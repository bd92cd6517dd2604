"""The checks of shapes and types, which tests leave out of most calls of a long loop."""

import pytest
import torch
from jaxtyping import TypeCheckError

from geomrob.arrays import norms
from tests.conftest import ALL_CALLS, EVERY


def refused():
    """Return whether a call with a number where perturbations belong is refused before it runs."""
    try:
        norms(torch.tensor(1.0))
    except (TypeCheckError, IndexError) as error:
        return isinstance(error, TypeCheckError)
    raise AssertionError("a number has no norm")


@pytest.mark.parametrize("again", range(2))
def test_all_first_calls_of_a_test_and_some_of_the_later_ones_are_checked(again):
    assert refused()
    for _ in range(ALL_CALLS - 2):
        norms(torch.ones(1, 1))
    assert refused()
    assert [refused() for _ in range(2 * EVERY)].count(True) == 2
