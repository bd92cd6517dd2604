"""Classifiers that know the truth: their margin inside any subspace has a closed form."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Project = Callable[[Tensor], Tensor]


class LinearModel(nn.Module):
    """logits = W x + b with random W and b: the boundary of every pair of classes is a hyperplane.

    Inside a subspace with projector P the margin is min over k of |f_k - f_c| / ||P (w_k - w_c)||_q, 1/p + 1/q = 1,
    c the predicted class. (For p other than 2 this needs P to be the identity or to select pixels.)
    """

    def __init__(self, shape=(1, 8, 8), classes=10, seed=0, dtype=torch.float64):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(classes, *shape, generator=generator, dtype=torch.float64)
        bias = torch.randn(classes, generator=generator, dtype=torch.float64)
        self.shape = tuple(shape)
        self.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
        self.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1) @ self.weight.flatten(1).T + self.bias

    def margins(self, inputs: Tensor, project: Project | None = None, p: float = 2) -> Tensor:
        """Return the exact distance (N,) of each input to the boundary of its predicted region, in float64."""
        logits = self(inputs).double()
        own = logits.argmax(1)
        dual = {1: torch.inf, 2: 2, torch.inf: 1}[p]
        weight = self.weight.double()
        margins = []
        for row, c in zip(logits, own.tolist(), strict=True):
            normal = weight - weight[c]
            if project is not None:
                normal = project(normal.to(self.weight.dtype)).double()
            length = torch.linalg.vector_norm(normal.flatten(1), ord=dual, dim=1)
            distance = (row[c] - row) / length
            distance[c] = torch.inf
            margins.append(distance.min())
        return torch.stack(margins)


class SphereModel(nn.Module):
    """logits = (r^2 - ||x - c||^2, 0): class 0 is the ball of radius r around c.

    From x inside the ball, with d = x - c and its parts P d inside and d - P d outside a subspace, the nearest point
    of the sphere reached by moving inside the subspace is at sqrt(r^2 - ||d - P d||^2) - ||P d||: the ball cuts the
    flat x + V in a smaller ball. From outside, the distance has the opposite sign, and is infinite where the flat
    misses the ball.
    """

    def __init__(self, shape=(1, 8, 8), radius=2.0, seed=0, dtype=torch.float64):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.shape = tuple(shape)
        self.radius = radius
        centre = 0.25 + 0.5 * torch.rand(1, *shape, generator=generator, dtype=torch.float64)
        self.centre = nn.Parameter(centre.to(dtype), requires_grad=False)
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        squares = (inputs - self.centre).flatten(1).square().sum(1)
        return torch.stack((self.radius**2 - squares, torch.zeros_like(squares)), 1)

    def margins(self, inputs: Tensor, project: Project | None = None) -> Tensor:
        """Return the exact l2 distance (N,) of each input to the sphere inside the subspace, in float64."""
        offset = (inputs - self.centre).double()
        inside = offset if project is None else project(offset.to(self.centre.dtype)).double()
        outside = (offset - inside).flatten(1).square().sum(1)
        cut = (self.radius**2 - outside).clamp(min=0).sqrt()
        distance = (cut - torch.linalg.vector_norm(inside.flatten(1), dim=1)).abs()
        return torch.where(outside >= self.radius**2, torch.inf, distance)
