"""The model to first order at the image: computed once an image, shared by all its bands."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomrob.arrays import Distances, Labels, Logits, per_sample
from geomrob.attacks.engine.search import Pairs, Search, rounding
from geomrob.inference import Objective
from geomrob.results import Status
from geomrob.spectral.frames import Coefficients

PIECE = 1 << 24
"""Bytes of image gradients that are taken into the bands at a time, so that no tensor has an image for every pair."""


@dataclass(frozen=True)
class Linearization:
    """The model to first order at the image, for every pair: shared by all bands of an image, computed once.

    Gradients are those of all R rivals from `linearize`; a search that continues from elsewhere may know S < R of them,
    and the lengths of the others from before.

    Attributes:
        rivals: Classes (P, R) by decreasing logit, the reference left out; only the target where there is one.
        values: What each rival lacks, f_k - f_reference (P, S): negative on the inner side.
        gradients: Gradients of the values in the coefficients (P, S, C, kr, kc).
        lengths: Norms (P, R) of the gradients in the band, 0 where what is left is rounding.
        status: FOUND where the image is adversarial already, NON_FINITE, INVARIANT, else STEP_LIMIT (still to search).
    """

    rivals: Int64[Tensor, "p r"]
    values: Float[Tensor, "p s"]
    gradients: Float[Tensor, "p s c kr kc"]
    lengths: Float[Tensor, "p r"]
    status: Pairs

    def rows(self, pairs: Labels) -> "Linearization":
        """Return that of some of the pairs."""
        parts = (self.rivals, self.values, self.gradients, self.lengths, self.status)
        return Linearization(*(part[pairs] for part in parts))

    def nearest(self, rank: int, cap: float = math.inf) -> tuple[Coefficients, Distances]:
        """Return the unit direction and the linear distance of the rival that is `rank`-nearest (0: nearest)."""
        distance = torch.where(self.lengths > 0, -self.values / self.lengths.clamp_min(1e-30), math.inf)
        order = distance.argsort(dim=1, stable=True)
        finite = torch.isfinite(distance).sum(1).clamp_min(1)
        which = order.gather(1, torch.full_like(order[:, :1], rank) % finite[:, None])
        length = self.lengths.gather(1, which)
        gradient = self.gradients[torch.arange(len(which), device=which.device), which.squeeze(1)]
        return (
            gradient / per_sample(length.clamp_min(1e-30), gradient),
            distance.gather(1, which).squeeze(1).clamp(0, cap),
        )


def linearize(search: Search, candidates: int = 10) -> Linearization:
    """Return the model linearized at each image of a search, one forward and at most `candidates - 1` backward each."""
    images = search.images
    first = torch.full((len(images),), len(search), dtype=torch.int64)
    first.scatter_reduce_(0, search.image.cpu(), torch.arange(len(search)), "amin")
    used = (first < len(search)).nonzero().squeeze(1).to(images.device)
    held = search.reference[first.to(images.device)[used]]
    wanted = None if search.target is None else search.target[first.to(images.device)[used]]
    at = Search(search.ready, images[used], reference=held, target=wanted)
    rivals = torch.empty(0)

    def objective(logits: Logits, pairs: Labels) -> Tensor:
        nonlocal rivals
        count = min(candidates, logits.shape[1]) - 1
        own = logits.gather(1, held[pairs, None])
        if wanted is None:
            chosen = logits.detach().scatter(1, held[pairs, None], -math.inf).topk(count, 1).indices
        else:
            chosen = wanted[pairs, None]
        if not len(rivals):
            rivals = chosen.new_zeros(len(at), chosen.shape[1])
        rivals[pairs] = chosen
        return logits.gather(1, chosen) - own

    logits, values, gradients, _ = at.gradients(at.zeros(), at.pairs, objective)
    back = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    back[used] = torch.arange(len(used), device=images.device)
    own = back[search.image]
    share = torch.bincount(search.image, minlength=len(images))[search.image].cpu()
    search.clean = logits[own]
    search.spent.add(search.pairs, forwards=1 / share, backwards=values.shape[1] / share)
    inner = _inside(search, gradients, own)
    lengths = torch.linalg.vector_norm(inner.flatten(2), dim=2)
    total = torch.linalg.vector_norm(gradients.flatten(2), dim=2)[own]
    lengths = torch.where(lengths > rounding(total), lengths, 0)
    status = torch.full_like(search.image, Status.STEP_LIMIT)
    status[(lengths == 0).all(1)] = Status.INVARIANT
    bad = ~(torch.isfinite(logits).all(1)[own] & torch.isfinite(lengths).all(1))
    status[bad] = Status.NON_FINITE
    status[(search.logit_gap(logits[own], search.pairs) < 0) & ~bad] = Status.FOUND
    return Linearization(rivals[own], values[own], inner, lengths, status)


def nearest_rivals(search: Search, rivals: Tensor, lengths: Tensor, count: int) -> tuple[Objective, Tensor]:
    """Return the objective f_k - f_c of the rivals k that the last known gradients put nearest, and which these are.

    Args:
        search: The pairs; with a target, it is the only rival.
        rivals: Classes (P, R).
        lengths: Norms (P, R) of their last known gradients; read anew at each call.
        count: How many rivals of each pair are differentiated.

    Returns:
        The objective, and columns (P, count) of `rivals`: written by it, empty of meaning with a target.
    """
    picked = rivals.new_zeros(len(search), min(count, rivals.shape[1]))

    def objective(logits: Logits, pairs: Labels) -> Tensor:
        if search.target is not None:
            return -search.logit_gap(logits, pairs)[:, None]
        lacking = logits.gather(1, search.reference[pairs, None]) - logits.gather(1, rivals[pairs])
        estimate = lacking.detach() / lengths[pairs].clamp_min(torch.finfo(logits.dtype).tiny)
        picked[pairs] = estimate.topk(picked.shape[1], 1, largest=False).indices
        return -lacking.gather(1, picked[pairs])

    return objective, picked


def towards_boundary(search: Search) -> Objective:
    """Return the objective that grows towards the boundary: minus the logit gap."""
    return lambda logits, pairs: -search.logit_gap(logits, pairs)[:, None]


def _inside(search: Search, gradients: Float[Tensor, "i r c h w"], own: Pairs) -> Float[Tensor, "p r c kr kc"]:
    """Return gradients (P, R, C, kr, kc) of each pair in its band, from those (I, R, C, H, W) of its image `own`."""
    size = max(1, PIECE // (search.images[0].numel() * search.images.element_size()))
    parts: list[Tensor] = []
    for pairs in search.pairs.split(size):
        rows, band = own[pairs], search.band[pairs]
        parts.append(
            torch.stack([search.frame.analyse(gradients[rows, r], band) for r in range(gradients.shape[1])], 1)
        )
    return torch.cat(parts)
