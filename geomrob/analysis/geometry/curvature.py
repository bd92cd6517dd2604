"""The boundary between two classes near a point on it: its normal, its tangents, how it bends along them."""

import torch
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, Logits, norms, per_sample
from geomrob.attacks.engine.search import Search
from geomrob.inference import gradient
from geomrob.results import Status

STRAIGHT = 1e-3
"""Share of a vector that lies in the tangent plane below which its direction there is rounding, not geometry."""


class Boundary:
    """The level set g = f_k - f_c = 0 of the logits through one point for each image of a search.

    Args:
        search, moves, rivals, step: As the attributes.
        gradients: grad g at the points where it is known; evaluated by default.

    Attributes:
        search: The images and the model.
        moves: From each image to its point (I, C, H, W).
        rivals: The class k behind the boundary (I,); c is the search's reference.
        gradients: grad g at the points (I, C, H, W).
        step: Half the length over which normals are compared, in pixel units; None takes second derivatives instead.
        normals: Unit normals of the boundary (I, C, H, W), pointing to class k; zero where there is none.
        gradient_norm: ||grad g|| (I,).
        status: FOUND, INVARIANT where the gradient is zero, NON_FINITE.
    """

    def __init__(
        self, search: Search, moves: Images, rivals: Labels, step: float | None, gradients: Images | None = None
    ) -> None:
        """Take the normals at the points."""
        self.search, self.moves, self.rivals, self.step = search, moves, rivals, step
        self.gradients = normals = self.gradient(moves, search.pairs) if gradients is None else gradients
        length = norms(normals)
        usable = torch.isfinite(length) & (length > 0)
        self.gradient_norm = torch.where(usable, length, torch.nan)
        self.normals = torch.where(per_sample(usable, normals), normals / per_sample(length, normals), 0)
        self.status = torch.where(usable, int(Status.FOUND), int(Status.INVARIANT))
        self.status[~torch.isfinite(length)] = Status.NON_FINITE

    def gradient(self, moves: Images, pairs: Labels) -> Images:
        """Return grad g of these images, each moved."""
        return self.search.gradients(moves, pairs, lambda logits, p: self._gap(logits, p)[:, None])[2][:, 0]

    def tangent(self, vectors: Images, pairs: Labels) -> Images:
        """Return the unit tangents nearest to these vectors, NaN where a vector is (nearly) along the normal."""
        normals = self.normals[pairs]
        flat = vectors - per_sample((vectors * normals).flatten(1).sum(1), vectors) * normals
        length = norms(flat)
        known = length > STRAIGHT * norms(vectors)
        return flat / per_sample(torch.where(known, length, torch.nan), flat)

    def products(self, tangents: Images, pairs: Labels) -> Images:
        """Return H v / ||grad g|| for unit tangents v, H the second derivative of g.

        With a `step` h, it is (grad g(x + h v) - grad g(x - h v)) / (2 h ||grad g||): the mean over that stretch.
        """
        if self.step is None:
            bends = self._hessian(tangents, pairs)
        else:
            at, ahead = self.moves[pairs], self.step * tangents
            bends = (self.gradient(at + ahead, pairs) - self.gradient(at - ahead, pairs)) / (2 * self.step)
        return bends / per_sample(self.gradient_norm[pairs], bends)

    def curvature(self, vectors: Images, pairs: Labels) -> Distances:
        """Return the curvature along the tangential part of each vector, NaN where it has none."""
        tangents = self.tangent(vectors, pairs)
        known = torch.isfinite(tangents).flatten(1).all(1)
        values = torch.full_like(norms(vectors), torch.nan)
        if bool(known.any()):
            v = tangents[known]
            values[known] = (v * self.products(v, pairs[known])).flatten(1).sum(1)
        return values

    def largest(self, start: Images, pairs: Labels, rounds: int) -> Distances:
        """Return the curvature of largest size that a power iteration meets: a lower bound of the largest there is.

        Args:
            start: Vectors to start from.
            pairs: The images.
            rounds: Products an image.
        """
        v = self.tangent(start, pairs)
        best = torch.zeros_like(norms(v))
        for _ in range(rounds):
            bent = self.products(v, pairs)
            here = (v * bent).flatten(1).sum(1)
            best = torch.where((here.abs() <= best.abs()), best, here)
            turned = self.tangent(bent, pairs)
            v = torch.where(torch.isfinite(turned), turned, v)
        return best

    def _gap(self, logits: Logits, pairs: Labels) -> Distances:
        """Return g, the logit of the class behind the boundary minus that of the image's own."""
        return (
            logits.gather(1, self.rivals[pairs, None]) - logits.gather(1, self.search.reference[pairs, None])
        ).squeeze(1)

    def _hessian(self, tangents: Images, pairs: Labels) -> Images:
        """Return H v, one forward and two backward evaluations each."""
        search = self.search

        def call(v: Images, p: Labels) -> tuple[Tensor, ...]:
            points = search.points(self.moves[p], p).requires_grad_()
            with torch.enable_grad():
                gap = self._gap(search.ready(points), p).sum()
                (first,) = torch.autograd.grad(gap, points, create_graph=True)
                along = (first * v).sum()
            # A model without a second derivative, as a linear one, keeps no graph of its gradient.
            bends = gradient(along, points) if along.requires_grad else torch.zeros_like(points)
            return (bends.detach(),)

        search.spent.add(pairs, forwards=1, backwards=2)
        return search.ready.in_blocks(call, tangents, pairs)[0]
