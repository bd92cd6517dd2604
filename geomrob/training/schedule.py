"""The learning rate of each step."""

import math

from geomrob.training.recipe import Options


def rate(step: int, steps: int, options: Options) -> float:
    """Return the learning rate of one step, read off the schedule at the middle of the step.

    Args:
        step: From 0 to `steps` - 1.
        steps: Of the whole training.
        options: `schedule`, `max_rate` and `peak` are used.

    Example:
        >>> [round(rate(step, 5, Options(max_rate=0.2, peak=0.5)), 3) for step in range(5)]
        [0.04, 0.12, 0.2, 0.12, 0.04]
    """
    position = (step + 0.5) / steps
    rising = position < options.peak
    height = position / options.peak if rising else (1 - position) / (1 - options.peak)
    if options.schedule == "constant":
        return options.max_rate
    if options.schedule == "one-cycle":
        return options.max_rate * (1 - math.cos(math.pi * height)) / 2
    return options.max_rate * height
