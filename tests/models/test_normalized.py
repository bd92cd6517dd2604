import torch

from geomrob.models.normalized import Normalize


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
