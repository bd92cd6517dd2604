import pytest
import torch

from geomrob.analysis.augmentation_grid import GRIDS, augmentation_grid, draws_of
from geomrob.augment.prime import prime
from geomrob.errors import UsageError
from geomrob.randomness import image_keys
from geomrob.training import Augment


def picture(shape=(3, 32, 32)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("primitive", GRIDS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_a_row_begins_with_the_image_and_grows(primitive, shape):
    found = augmentation_grid(picture(shape), primitive, seed=2)
    assert found.pictures.shape == (len(found.smoothness), 1 + len(found.strength), *shape)
    assert (found.pictures[:, 0] == picture(shape)).all()
    assert not found.change[:, 0].any()
    assert (found.change.diff(dim=1) > 0).float().mean() > 0.9
    assert 0 <= found.pictures.min() < found.pictures.max() <= 1


def test_only_cut_frequencies_that_the_image_carries():
    assert augmentation_grid(picture(), "spatial").smoothness == (2, 5, 10, 20)
    with pytest.raises(UsageError, match=r"smoothness must lie in 2 \.\.\. 20 here"):
        augmentation_grid(picture(), "spatial", smoothness=(40,))
    with pytest.raises(UsageError, match="did you mean spatial"):
        augmentation_grid(picture(), "spatal")


def test_draws_are_those_of_the_method():
    images = torch.stack((picture(), 1 - picture()))
    pictures = draws_of(images, Augment(strength=0.5), 3, seed=4)
    assert torch.equal(pictures[:, 0], images)
    for row, image in enumerate(images):
        keys = image_keys(4 + row, torch.arange(3))
        wanted = prime(image.expand(3, -1, -1, -1), keys, Augment(strength=0.5).prime())
        torch.testing.assert_close(pictures[row, 1:], wanted)
    with pytest.raises(UsageError, match="draws must be at least 1"):
        draws_of(picture()[None], Augment(), 0)


@pytest.mark.parametrize(
    ("primitive", "words"),
    [
        ("color", {"smoothness": (0,)}),
        ("color", {"strength": (0.1, -1.0)}),
        ("spatial", {"strength": (float("nan"),)}),
        ("spectral", {"strength": (float("inf"),)}),
    ],
)
def test_numbers_that_mean_nothing_are_refused(primitive, words):
    with pytest.raises(UsageError, match="smoothness must be at least 1, strength at least 0; got "):
        augmentation_grid(picture(), primitive, **words)
