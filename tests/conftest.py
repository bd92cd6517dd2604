"""One thread and no global state: what every test starts from, and the oracles that know the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import settings

decorated = jaxtyping.jaxtyped


def named_alone(**how: Any) -> Callable[[Any], Any]:
    """Have the calls of functions checked but of those defined inside others: each definition compiles its check.

    The import hook takes this decorator when geomrob is imported, below.
    """
    check = decorated(**how)
    return lambda thing: thing if "<locals>" in thing.__qualname__ else check(thing)


jaxtyping.jaxtyped = named_alone

from geomrob.analysis import preparation  # noqa: E402 - only now
from geomrob.inference import prepared  # noqa: E402 - only now
from tests.oracles import LinearModel, SphereModel  # noqa: E402 - only now

torch.set_num_threads(1)
# Two workers share the machine: an example that takes long is not one that fails.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def same_initial_weights() -> None:
    """PyTorch draws the weights of a new layer from its global generator: each test starts it again."""
    torch.manual_seed(0)


ALL_CALLS, EVERY = 40, 101
"""Calls of geomrob's functions in each test whose shapes and types are all checked; which ones are after them."""


class SomeCalls(type(jaxtyping.config)):
    """jaxtyping's settings with the check left out of most calls of a long loop, where it takes most of the time."""

    calls = 0

    @property
    def jaxtyping_disable(self) -> bool:
        """Whether the call that is about to be made goes unchecked."""
        self.calls += 1
        return self.calls > ALL_CALLS and self.calls % EVERY != 0


jaxtyping.config.__class__ = SomeCalls


@pytest.fixture(autouse=True)
def count_calls_again() -> None:
    """The first calls of each test are checked, whatever the tests before it called."""
    jaxtyping.config.calls = 0


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Calls of 8 rows instead of 64, for modules that measure a few images on trained networks.

    A call is padded to its rows whatever the number of images, and the padding would take most of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (prepared, preparation):
            patch.setattr(module, "CPU_BLOCK", 8)
        yield


@pytest.fixture
def linear_model() -> LinearModel:
    """A random linear classifier of 1x8x8 images, float64, that knows its exact margins."""
    return LinearModel(shape=(1, 8, 8), classes=10, seed=0)


@pytest.fixture
def sphere_model() -> SphereModel:
    """A classifier of 1x8x8 images whose class 0 is a ball, float64, that knows its exact margins."""
    return SphereModel(shape=(1, 8, 8), radius=2.0, seed=0)
