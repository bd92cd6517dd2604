import torch
from torch import nn

from geomrob.training import Options
from geomrob.training.optimizer import build_optimizer, load_optimizer_state, optimizer_state, set_rate


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Extra(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2, 2))


def decays(model: nn.Module, extra: nn.Module, options: Options) -> list[float]:
    groups = build_optimizer(model, extra, options).param_groups
    wanted = [*model.parameters(), *extra.parameters()]
    return [next(g["weight_decay"] for g in groups if any(p is q for q in g["params"])) for p in wanted]


def test_what_decays():
    model, extra = net(), Extra()
    model[1].bias.requires_grad_(False)
    groups = build_optimizer(model, extra, Options(weight_decay=0.1)).param_groups
    assert sum(len(group["params"]) for group in groups) == 4
    model[1].bias.requires_grad_(True)
    assert decays(model, extra, Options(weight_decay=0.1)) == [0.1, 0.1, 0.1, 0.1, 0.0]
    assert decays(model, extra, Options(weight_decay=0.1, decay="weights")) == [0.1, 0.0, 0.0, 0.0, 0.0]


def test_the_momentum_goes_down_while_the_rate_goes_up():
    options = Options(schedule="one-cycle", peak=0.5, momentum=0.95, low_momentum=0.85, max_rate=1.0)
    made = build_optimizer(net(), nn.Module(), options)
    rates, momenta = [], []
    for step in range(10):
        rates.append(set_rate(made, step, 10, options))
        momenta.append(made.param_groups[0]["momentum"])
    torch.testing.assert_close(torch.tensor(momenta), 0.95 - 0.1 * torch.tensor(rates))


def test_the_state_of_any_optimizer_goes_round():
    for options in (Options(), Options(optimizer="adam"), Options(nesterov=True, momentum=0.8)):
        models = [net(), net()]
        models[1].load_state_dict(models[0].state_dict())
        made = [build_optimizer(model, nn.Module(), options) for model in models]
        for model in models[:1]:
            model(torch.rand(5, 3)).square().sum().backward()
            made[0].step()
        kept = optimizer_state(made[0])
        assert any(key.endswith(":model.0.weight") for key in kept)
        models[1].load_state_dict(models[0].state_dict())
        load_optimizer_state(made[1], kept)
        inputs = torch.rand(5, 3)
        for model, one in zip(models, made, strict=True):
            one.zero_grad()
            model(inputs).square().sum().backward()
            one.step()
        for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
            assert torch.equal(one, other)
