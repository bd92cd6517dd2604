import torch
from torch import nn

from geomrob.training.optimizer import averaged_model


def test_the_mean_follows_its_formula_and_leaves_the_model_alone():
    model = nn.BatchNorm1d(3)
    mean = averaged_model(model, 0.5)
    expected = model.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            model.weight.add_(torch.rand(3))
        model.running_mean.add_(1)
        model.num_batches_tracked += 1
        own = model.weight.detach().clone()
        mean.update_parameters(model)
        assert torch.equal(model.weight, own)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * own
    torch.testing.assert_close(mean.module.weight.detach(), expected)
    assert 1 < float(mean.module.running_mean[0]) < 5
    assert int(mean.module.num_batches_tracked) == 5
