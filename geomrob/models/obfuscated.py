"""Models whose robustness cannot be trusted, wrong in one known way each: what an audit must tell.

Each wraps a good model: `geomrob audit geomrob.models.obfuscated:NAME`, NAME a row of `WRONG`, the embedded LeNet.
"""

import torch
from torch import Tensor, nn

from geomrob.models import load_model


class Around(nn.Module):
    """A model around another one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Quantised(Around):
    """The input is rounded to eight levels: no gradient passes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model((inputs * 7).round() / 7)


class QuantisedStraightThrough(Around):
    """The same with the gradient of the identity."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        rounded = (inputs * 7).round() / 7
        return self.model(inputs + (rounded - inputs).detach())


class Stochastic(Around):
    """Noise is added to each image, drawn anew in each call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs + 0.1 * torch.randn(inputs.shape, generator=self.generator))


class Saturated(Around):
    """The logits are a thousand times too large."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return 1000 * self.model(inputs)


class Detached(Around):
    """The image reaches the model without its graph."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs.detach()) + 0 * inputs.flatten(1).sum(1, keepdim=True)


class WithoutGraph(Around):
    """Nothing is differentiable at all."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        with torch.no_grad():
            return self.model(inputs)


class Shattered(Around):
    """A fast ripple too small to matter is added to the image: it rules the gradient."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs + 0.01 * torch.sin(3000 * inputs))


class BatchStatistics(Around):
    """Each image is compared with the mean of its batch."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, K) of images in [0, 1]."""
        return self.model(inputs - 0.2 * (inputs.mean(0, keepdim=True) - inputs.mean()))


WRONG: dict[str, type[Around]] = {
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
    """Return a function that puts a row of `WRONG` around the embedded LeNet."""
    if name not in WRONG:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda: WRONG[name](load_model("fmnist-lenet")).eval()
