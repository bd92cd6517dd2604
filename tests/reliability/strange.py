"""Models that answer strangely: they write into their input, change, look at the other images, or return NaN."""

import torch
from torch import Tensor, nn


class Plain(nn.Module):
    """A small network of 1x8x8 images, 4 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 16), nn.Linear(16, 4)
        generator = torch.Generator().manual_seed(3)
        for layer in (self.first, self.last):
            layer.weight.data = torch.randn(layer.weight.shape, generator=generator) / 4
            nn.init.zeros_(layer.bias)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.last(self.first((x - 0.5).flatten(1)).tanh())


class Clamps(Plain):
    """Writes into its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.clamp_(0.2, 0.8))


class ClampsCopy(Plain):
    """Does the same to a copy."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.clamp(0.2, 0.8))


class Scales(Plain):
    """Writes into its input, and scales it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2).sub_(0.5))


class ScalesCopy(Plain):
    """Does the same to a copy."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul(2).sub(0.5))


class Dropout(Plain):
    """Random, in eval mode too."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(x, 0.2, training=True))


class Batch(Plain):
    """Subtracts the mean over the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0, keepdim=True) + 0.5)


class First(Plain):
    """Looks at the first image of a call."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits + logits[:1]


class Position(Plain):
    """Depends on the position in the call, for positions from 5 on."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        shift = torch.zeros_like(logits)
        shift[5:, 0] += 3
        return logits + shift


class Later(Plain):
    """Returns other logits from a call on."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.from_call = call

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits.flip(1) if self.calls > self.from_call else logits


class Once(Plain):
    """Returns other logits in one call alone."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits.flip(1) if self.calls == self.call else logits


class Blank(Plain):
    """Returns NaN for the images whose first pixel is below 1/2."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return torch.where(x[:, 0, 0, :1] < 0.5, torch.nan, logits)


def images(count: int = 12) -> Tensor:
    """Return images, the same every time."""
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))
