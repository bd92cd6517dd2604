"""One thread and no global state: what every test starts from, and the oracles that know the truth."""

import pytest
import torch
from hypothesis import settings

from tests.oracles import LinearModel, SphereModel

torch.set_num_threads(1)
# Two workers share the machine: an example that takes long is not one that fails.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def same_initial_weights() -> None:
    """PyTorch draws the weights of a new layer from its global generator: each test starts it again."""
    torch.manual_seed(0)


@pytest.fixture
def linear_model() -> LinearModel:
    """A random linear classifier of 1x8x8 images, float64, that knows its exact margins."""
    return LinearModel(shape=(1, 8, 8), classes=10, seed=0)


@pytest.fixture
def sphere_model() -> SphereModel:
    """A classifier of 1x8x8 images whose class 0 is a ball, float64, that knows its exact margins."""
    return SphereModel(shape=(1, 8, 8), radius=2.0, seed=0)
