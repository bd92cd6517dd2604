import torch
from torch import nn

from geomrob.data.entry import Samples
from geomrob.training import accuracy


def test_it_counts_over_any_batches_and_puts_the_mode_back():
    scores = torch.eye(3).repeat(5, 1)[:14].reshape(14, 3, 1, 1)
    labels = torch.arange(14) % 3
    labels[:7] = (labels[:7] + 1) % 3
    samples = Samples(scores, labels, ("a", "b", "c"), torch.arange(14), "made")
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9)).train()
    for batch in (1, 4, 14, 100):
        assert accuracy(model, samples, batch=batch) == 0.5
    assert model.training


def test_what_is_frozen_stays_frozen():
    samples = Samples(torch.rand(6, 1, 4, 4), torch.zeros(6).long(), ("a", "b"), torch.arange(6), "made")
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 2)).train()
    model[0].eval()
    running = model[0].running_mean.clone()
    accuracy(model, samples)
    assert [module.training for module in model] == [False, True, True]
    assert torch.equal(model[0].running_mean, running)
