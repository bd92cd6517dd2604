"""The optimizer of a recipe: its parameter groups, its rate of a step, its state as named tensors, the mean weights."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from geomrob.training.recipe import Options


def build_optimizer(model: nn.Module, objective: nn.Module, options: Options) -> torch.optim.Optimizer:
    """Return the optimizer of everything that requires gradients; it knows parameters by name (`model.` ...).

    Weights of the objective never decay; with `options.decay` "weights" neither do vectors and numbers of the model
    (biases, batch normalisation, inhibition strengths).
    """
    trained = [(f"model.{name}", value) for name, value in model.named_parameters() if value.requires_grad]
    spared = {name for name, value in trained if options.decay == "weights" and value.ndim < 2}
    free = [pair for pair in trained if pair[0] in spared]
    free += [(f"objective.{name}", value) for name, value in objective.named_parameters()]
    groups: list[dict[str, object]] = [
        {"params": [pair for pair in trained if pair[0] not in spared], "weight_decay": options.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "adam":
        return torch.optim.Adam(groups, lr=options.max_rate)
    return torch.optim.SGD(groups, lr=options.max_rate, momentum=options.momentum, nesterov=options.nesterov)


def set_rate(optimizer: torch.optim.Optimizer, step: int, steps: int, options: Options) -> float:
    """Give the optimizer the rate (and the momentum) of one step; return the rate."""
    now = rate(step, steps, options)
    for group in optimizer.param_groups:
        group["lr"] = now
        if options.optimizer == "sgd":
            group["momentum"] = momentum(step, steps, options)
    return now


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return a copy of what the optimizer keeps of each parameter (momenta), as tensors named `slot:parameter`."""
    return {
        f"{slot}:{name}": value.detach().clone()
        for name, parameter in _named(optimizer)
        for slot, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Give the optimizer what `optimizer_state` returned."""
    parameters = dict(_named(optimizer))
    for key, value in state.items():
        slot, _, name = key.partition(":")
        parameter = parameters[name]
        # Adam counts its steps in a number on the CPU; everything else has the layout and device of its parameter.
        like = value.clone() if value.shape != parameter.shape else torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][slot] = like.detach()


def _named(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of an optimizer with their names."""
    for group in optimizer.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)


def rate(step: int, steps: int, options: Options) -> float:
    """Return the learning rate of one step, read off the schedule at the middle of the step.

    Args:
        step: From 0 to `steps` - 1.
        steps: Of the whole training.
        options: The schedule and its numbers.

    Example:
        >>> [round(rate(step, 5, Options(max_rate=0.2, peak=0.5)), 3) for step in range(5)]
        [0.04, 0.12, 0.2, 0.12, 0.04]
        >>> [round(rate(step, 5, Options(max_rate=0.1, schedule="linear")), 3) for step in range(5)]
        [0.09, 0.07, 0.05, 0.03, 0.01]
    """
    position = (step + 0.5) / steps
    if options.schedule == "constant":
        return options.max_rate
    if options.schedule == "step":
        passed = sum(position * options.epochs >= epoch for epoch in options.milestones)
        return options.max_rate * options.factor**passed
    if options.schedule == "two-cycle":
        phase = math.floor(2 * position * options.phases) % options.phases
        return options.max_rate * options.factor**phase
    if options.schedule == "linear":
        return options.final_rate + (options.max_rate - options.final_rate) * _height(position, options)
    outer = options.start_rate if position < options.peak else options.final_rate
    return outer + (options.max_rate - outer) * _height(position, options)


def momentum(step: int, steps: int, options: Options) -> float:
    """Return the momentum of one step: lowest where the rate is highest, if the recipe names a lowest one."""
    if not options.low_momentum:
        return options.momentum
    height = _height((step + 0.5) / steps, options)
    return options.momentum + (options.low_momentum - options.momentum) * height


def _height(position: float, options: Options) -> float:
    """Return how high the cycle is at a share of the training: 0 at both ends, 1 at the peak; a line only falls."""
    if options.schedule == "linear":
        return 1 - position
    height = position / options.peak if position < options.peak else (1 - position) / (1 - options.peak)
    return (1 - math.cos(math.pi * height)) / 2 if options.schedule == "one-cycle" else height


def averaged_model(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a model that holds the exponential moving average of its parameters and buffers.

    After step t, mean <- d * mean + (1 - d) * value with d = min(decay, (1 + t) / (10 + t)), so that the first steps,
    which are far from the end, are soon forgotten. Integer buffers are copied.

    Args:
        model: Where the mean begins.
        decay: In (0, 1).

    Returns:
        `update_parameters(model)` takes a step in, `module` is the model of the means; `n_averaged` is 1 + t.

    References:
        Tarvainen, Valpola, Mean teachers are better role models, 2017.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> mean = averaged_model(layer, 0.5)
        >>> mean.update_parameters(layer)
        >>> torch.equal(mean.module.weight, layer.weight)
        True
    """

    def mix(means: Sequence[Tensor], values: Sequence[Tensor], averaged: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(averaged)) / (10 + int(averaged)))
        for mean, value in zip(means, values, strict=True):
            mean.lerp_(value, weight) if value.is_floating_point() else mean.copy_(value)

    mean = AveragedModel(model, multi_avg_fn=mix, use_buffers=True)
    # torch takes its first update over as it is: here the given model was the first.
    mean.n_averaged.fill_(1)
    return mean
