"""The optimiser of a recipe: its parameter groups, its rate of a step, its state as named tensors."""

import math
from collections.abc import Iterable, Mapping
from types import TracebackType

import torch
from torch import Tensor, nn

from geomrob.training.recipe import Options


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


class Average:
    """Exponential moving average of a model's parameters and buffers; as a context the model has its values.

    After step t, mean <- d * mean + (1 - d) * value with d = min(decay, (1 + t) / (10 + t)), so that the first steps,
    which are far from the end, are soon forgotten. Integer buffers are copied.

    Args:
        model: Never changed but inside the context.
        decay: In (0, 1).

    References:
        Tarvainen, Valpola, Mean teachers are better role models, 2017.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> mean = Average(layer, 0.5)
        >>> with mean:
        ...     bool((layer.weight == mean.state()["weight"]).all())
        True
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.steps = 0
        self.values = {key: value.detach().clone() for key, value in model.state_dict().items()}
        self._kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present values in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - decay)
            else:
                self.values[key].copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the means, as the model's `state_dict`."""
        return {key: value.clone() for key, value in self.values.items()}

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from what `state` returned after `steps` updates."""
        self.steps = steps
        for key, value in state.items():
            self.values[key].copy_(value)

    def __enter__(self) -> None:
        """Give the model the means."""
        self._kept = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the model its own values back."""
        self.model.load_state_dict(self._kept)
