import pytest
import torch

from geomrob.errors import UsageError
from geomrob.models.layers.normalize import Normalize


def test_each_channel_has_its_own_mean_and_deviation():
    images = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    out = Normalize(mean, std)(images)
    for channel in range(3):
        torch.testing.assert_close(out[:, channel], (images[:, channel] - mean[channel]) / std[channel])


def test_it_follows_the_type_of_its_model_and_holds_no_parameters():
    layer = Normalize([0.5], [0.25]).double()
    assert layer(torch.ones(1, 1, 2, 2, dtype=torch.float64)).dtype == torch.float64
    assert list(layer.parameters()) == []


@pytest.mark.parametrize(("mean", "std"), [([], []), ([0.5], [0.1, 0.2]), ([0.5], [0.0])])
def test_unfit_statistics_are_refused(mean, std):
    with pytest.raises(UsageError, match="pass one pair a channel"):
        Normalize(mean, std)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 2, 4, 4), (3, 4, 4)])
def test_images_of_other_channels_are_refused(shape):
    with pytest.raises(UsageError, match=r"inputs must be \(N, 3, H, W\)"):
        Normalize([0.1, 0.2, 0.3], [1, 1, 1])(torch.zeros(shape))


def test_one_value_serves_for_all_channels():
    torch.testing.assert_close(Normalize([0.5], [0.25])(torch.ones(1, 3, 2, 2)), torch.full((1, 3, 2, 2), 2.0))
