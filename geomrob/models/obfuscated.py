"""Models with planted gradient masking, one known kind each: what an audit must detect.

Each wraps a sound model. `geomrob audit geomrob.models.obfuscated:NAME`, NAME a row of `OBFUSCATED`, audits the
embedded LeNet so wrapped.
"""

import torch
from torch import Tensor, nn

from geomrob.models import load_model


class Wrapper(nn.Module):
    """A model that wraps another one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Quantised(Wrapper):
    """The input is rounded to eight levels: no gradient passes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model((inputs * 7).round() / 7)


class QuantisedStraightThrough(Wrapper):
    """The same with the gradient of the identity."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        rounded = (inputs * 7).round() / 7
        return self.model(inputs + (rounded - inputs).detach())


class Stochastic(Wrapper):
    """Noise is added to each image, sampled anew in each call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs + 0.1 * torch.randn(inputs.shape, generator=self.generator))


class Saturated(Wrapper):
    """The logits are a thousand times too large."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return 1000 * self.model(inputs)


class Detached(Wrapper):
    """The image reaches the model without its graph."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs.detach()) + 0 * inputs.flatten(1).sum(1, keepdim=True)


class WithoutGraph(Wrapper):
    """Nothing is differentiable at all."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        with torch.no_grad():
            return self.model(inputs)


class Shattered(Wrapper):
    """A fast ripple too small to change the decision is added to the image: it dominates the gradient."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs + 0.01 * torch.sin(3000 * inputs))


class BatchStatistics(Wrapper):
    """Each image is compared with the mean of its batch."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs - 0.2 * (inputs.mean(0, keepdim=True) - inputs.mean()))


OBFUSCATED: dict[str, type[Wrapper]] = {
    "quantised": Quantised,
    "quantised_straight_through": QuantisedStraightThrough,
    "stochastic": Stochastic,
    "saturated": Saturated,
    "detached": Detached,
    "without_graph": WithoutGraph,
    "shattered": Shattered,
    "batch_statistics": BatchStatistics,
}


def __getattr__(name: str) -> object:
    """Return a factory of the embedded LeNet wrapped by a row of `OBFUSCATED`."""
    if name not in OBFUSCATED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda: OBFUSCATED[name](load_model("fmnist-lenet")).eval()
