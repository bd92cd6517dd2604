"""A running mean of the weights of a model in training."""

from collections.abc import Mapping
from types import TracebackType

import torch
from torch import Tensor, nn


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
