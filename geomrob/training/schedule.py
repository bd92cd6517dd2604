"""The learning rate, and the momentum, of each step."""

import math

from geomrob.training.recipe import Options


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
