"""The optimiser of a recipe: its parameter groups, its rate of a step, its state as named tensors."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from geomrob.training.recipe import Options
from geomrob.training.schedule import momentum, rate


def make(model: nn.Module, objective: nn.Module, options: Options) -> torch.optim.Optimizer:
    """Return the optimiser of everything that requires gradients.

    Weights of the objective never decay; with `options.decay` "weights" neither do vectors and numbers of the model
    (biases, batch normalisation, inhibition strengths).
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    free = [p for p in trained if options.decay == "weights" and p.ndim < 2]
    groups: list[dict[str, object]] = [
        {"params": [p for p in trained if not any(p is other for other in free)], "weight_decay": options.weight_decay},
        {"params": [*free, *objective.parameters()], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "adam":
        return torch.optim.Adam(groups, lr=options.max_rate)
    return torch.optim.SGD(groups, lr=options.max_rate, momentum=options.momentum, nesterov=options.nesterov)


def set_rate(optimizer: torch.optim.Optimizer, step: int, steps: int, options: Options) -> float:
    """Give the optimiser the rate (and the momentum) of one step; return the rate."""
    now = rate(step, steps, options)
    for group in optimizer.param_groups:
        group["lr"] = now
        if options.optimizer == "sgd":
            group["momentum"] = momentum(step, steps, options)
    return now


def slots(optimizer: torch.optim.Optimizer, named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return what the optimiser keeps of each parameter as tensors named `slot:parameter`."""
    kept: dict[str, Tensor] = {}
    for key, parameter in named:
        for slot, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                kept[f"{slot}:{key}"] = value.detach().clone()
    return kept


def put_back(optimizer: torch.optim.Optimizer, named: Iterable[tuple[str, Tensor]], kept: Mapping[str, Tensor]) -> None:
    """Give the optimiser what `slots` returned."""
    parameters = dict(named)
    for key, value in kept.items():
        slot, _, name = key.partition(":")
        parameter = parameters[name]
        # Adam counts its steps in a number on the CPU; everything else has the layout and place of its parameter.
        like = value.clone() if value.shape != parameter.shape else torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][slot] = like.detach()
