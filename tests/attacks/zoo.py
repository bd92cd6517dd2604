"""Small models that misbehave in one way each, and the net that the contract is tested on."""

import torch
from torch import Tensor, nn

from geomrob.arrays import norms


def net(shape=(1, 8, 8), classes=4, dtype=torch.float32, seed=0) -> nn.Module:
    """Return a small smooth network with a dropout layer that only training mode feels, drawn by `seed`."""
    pixels = shape[0] * shape[1] * shape[2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = (nn.Flatten(), nn.Linear(pixels, 24), nn.Tanh(), nn.Dropout(0.5), nn.Linear(24, classes))
        model = nn.Sequential(*layers)
    for layer in (model[1], model[4]):
        layer.weight.data.mul_(2)
    return model.to(dtype).eval()


def images(count=9, shape=(1, 8, 8), dtype=torch.float32, seed=1) -> Tensor:
    """Return random images, seeded."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


class Wrapped(nn.Module):
    """A model around another one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class NaNFor(Wrapped):
    """NaN for every image whose mean is at least `mean`."""

    def __init__(self, model: nn.Module, mean: float) -> None:
        super().__init__(model)
        self.mean = mean

    def forward(self, inputs: Tensor) -> Tensor:
        bad = inputs.flatten(1).mean(1, keepdim=True) >= self.mean
        return torch.where(bad, torch.nan, self.model(inputs))


class NaNFar(Wrapped):
    """NaN further than `radius` from one image."""

    def __init__(self, model: nn.Module, image: Tensor, radius: float) -> None:
        super().__init__(model)
        self.register_buffer("image", image)
        self.radius = radius

    def forward(self, inputs: Tensor) -> Tensor:
        bad = norms(inputs - self.image)[:, None] > self.radius
        return torch.where(bad, torch.nan, self.model(inputs))


class Flat(Wrapped):
    """The same answer to everything, with slopes of zero."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs) * 0 + torch.arange(4.0, dtype=inputs.dtype)


class LowPass(Wrapped):
    """Sees only what a projection leaves of an image."""

    def __init__(self, model: nn.Module, band: object) -> None:
        super().__init__(model)
        self.band = band

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(self.band.project(inputs))


class Greedy(Wrapped):
    """Runs out of memory on batches larger than `most`."""

    def __init__(self, model: nn.Module, most: int, error: RuntimeError) -> None:
        super().__init__(model)
        self.most, self.error, self.sizes = most, error, []

    def forward(self, inputs: Tensor) -> Tensor:
        if len(inputs) > self.most:
            raise self.error
        self.sizes.append(len(inputs))
        return self.model(inputs)


class Breaks(Wrapped):
    """Raises at the call numbered `call`."""

    def __init__(self, model: nn.Module, call: int) -> None:
        super().__init__(model)
        self.call = call

    def forward(self, inputs: Tensor) -> Tensor:
        self.call -= 1
        if self.call == 0:
            raise ZeroDivisionError("a bug in the model")
        return self.model(inputs)
