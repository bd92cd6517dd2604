"""What attacks return, and how a search can end."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from geomrob.arrays import Distances, Images, Labels, norms


class Status(IntEnum):
    """How one search ended. Only `FOUND` carries a distance; every other status has distance infinity."""

    FOUND = 0
    STEP_LIMIT = 1
    INVARIANT = 2
    NON_FINITE = 3
    INFEASIBLE = 4
    NO_START = 5


@dataclass(frozen=True)
class AttackResult:
    """What an attack returns: one entry per input; failure is an entry, never an exception.

    `success` is re-verified on `perturbed` itself. `forwards` and `backwards` count model sample-evaluations per input.
    """

    inputs: Images
    labels: Labels
    perturbed: Images
    success: Bool[Tensor, " n"]
    status: Int64[Tensor, " n"]
    steps: Int64[Tensor, " n"]
    forwards: Int64[Tensor, " n"]
    backwards: Int64[Tensor, " n"]

    @property
    def perturbation(self) -> Images:
        """What was added to the inputs (N, C, H, W)."""
        return self.perturbed - self.inputs

    @property
    def success_rate(self) -> float:
        """Share of the inputs whose decision was changed."""
        return float(self.success.double().mean())

    @property
    def changed(self) -> Bool[Tensor, "n h w"]:
        """Which pixels are changed, in any channel."""
        return (self.perturbed != self.inputs).any(1)

    @property
    def pixels(self) -> Distances:
        """How many pixels are changed, in any channel; infinity where the attack failed."""
        return torch.where(self.success, self.changed.flatten(1).sum(1).to(self.inputs.dtype), torch.inf)

    @property
    def elements(self) -> Distances:
        """How many elements (one channel of one pixel) are changed; infinity where the attack failed."""
        count = (self.perturbed != self.inputs).flatten(1).sum(1)
        return torch.where(self.success, count.to(self.inputs.dtype), torch.inf)

    def distances(self, p: float = 2) -> Distances:
        """Return the l_p norm of each perturbation, infinity where the attack failed."""
        return torch.where(self.success, norms(self.perturbation, p), torch.inf)


@dataclass(frozen=True)
class BoundaryResult(AttackResult):
    """What a walk along the boundary returns, and how far it came: `forwards` are the queries, `steps` the proposals.

    `start` is the distance where the walk began (infinity where there was no start, `status` NO_START). The last step
    sizes are relative to the distance: `spherical_step` along the sphere around the input, `source_step` towards it.
    `converged` says where they fell under the limit, `adapted` where they ever changed.
    """

    start: Distances
    spherical_step: Distances
    source_step: Distances
    converged: Bool[Tensor, " n"]
    adapted: Bool[Tensor, " n"]

    @property
    def unstarted(self) -> tuple[int, ...]:
        """Which inputs had no valid start."""
        return tuple((self.status == Status.NO_START).nonzero().flatten().tolist())

    @property
    def warning(self) -> str:
        """What a reader of these distances has to know; empty where nothing is wrong."""
        stuck = int((~self.adapted & (self.steps > 0)).sum())
        told = [f"{len(self.unstarted)} images had no start: {', '.join(map(str, self.unstarted))}"]
        told = told if self.unstarted else []
        if stuck:
            told.append(
                f"the step sizes of {stuck} images never adapted: these are little more than distances of starts"
            )
        return "; ".join(told)
