import torch
from torch import nn

from geomrob.training.optimizer import Average


def test_the_mean_follows_its_formula_and_the_model_gets_its_own_values_back():
    model = nn.BatchNorm1d(3)
    mean = Average(model, 0.5)
    expected = model.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            model.weight.add_(torch.rand(3))
        model.num_batches_tracked += 1
        mean.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    own = model.weight.detach().clone()
    torch.testing.assert_close(mean.state()["weight"], expected)
    assert int(mean.state()["num_batches_tracked"]) == 5
    with mean:
        torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(model.weight, own)


def test_going_on_from_a_state_is_the_same():
    model = nn.Linear(2, 2)
    one, other = Average(model, 0.9), Average(nn.Linear(2, 2), 0.9)
    for _ in range(3):
        one.update()
    other.restore(one.state(), 3)
    other.model = model
    with torch.no_grad():
        model.weight.mul_(2)
    one.update()
    other.update()
    assert all(torch.equal(value, other.state()[key]) for key, value in one.state().items())
