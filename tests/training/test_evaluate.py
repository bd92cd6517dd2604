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
